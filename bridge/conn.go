package bridge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// conn is one connection of one instrument: the [codec.Conn] and the
// [codec.Host] of its conversations. Its goroutine owns everything but what
// mu guards.
type conn struct {
	net.Conn
	server   *Server
	inst     *Instrument
	status   *status
	session  string
	protocol string
	peer     string
	messages int       // received, complete or not
	pending  []byte    // read but not used: the next Read returns them
	spoke    bool      // anything was ever received
	first    [64]byte  // the only read buffer of a silent connection
	heard    time.Time // when the last bytes came
	due      time.Time // heard, of the stored message whose answer is still to be written

	socket    net.Conn // below TLS: closing it waits for nobody
	unsettled int      // bytes read since the last message was over
	held      int64    // of the memory budget
	lent      int64    // of the memory budget, while a message is derived
	broke     error    // of the memory budget: the connection ends
	penalty   time.Duration
	announced bool // the transmission in progress
	open      openText

	mu       sync.Mutex
	idle     bool // waiting for the first byte of a conversation
	stopping bool // ends when the conversation does
}

// keepAlive finds the dead among the silent.
const keepAlive = 30 * time.Second

var errStopping = errors.New("stopping")

// newSession is the id of a connection.
func newSession() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// serve holds conversations until the peer hangs up, something breaks, or the
// connection is told to stop. Its error is nil for an orderly end.
func (c *conn) serve(ctx context.Context) (err error) {
	defer c.settle()
	c.server.crew.do(func() { err = c.guard(func() error { return c.begin(ctx) }) })
	if err != nil {
		return err
	}
	for {
		c.settle()
		if err := c.await(); err != nil {
			return orderly(err)
		}
		c.server.crew.do(func() { err = c.guard(func() error { return c.inst.Protocol.Serve(ctx, c, c) }) })
		if err != nil {
			return orderly(err)
		}
	}
}

// begin is what comes before the first conversation.
func (c *conn) begin(ctx context.Context) error {
	c.announce(LinkEvent{Event: subjects.EventConnected})
	return c.handshake(ctx)
}

// guard makes a panic in f an error of this connection alone.
func (c *conn) guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.server.log.Error("panic in a session; the connection is closed, the program goes on",
				"instrument", c.inst.ID, "session", c.session, "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in the session (%T)", v)
		}
	}()
	return f()
}

// orderly is nil for the ends that nobody needs to hear of.
func orderly(err error) error {
	switch {
	case errors.Is(err, io.EOF) && !errors.Is(err, codec.ErrIncomplete), errors.Is(err, errStopping), errors.Is(err, codec.ErrFarewell):
		return nil
	}
	return err
}

// await waits for the first byte of a conversation. A silent instrument costs
// this goroutine and 64 bytes.
func (c *conn) await() error {
	if err := c.setIdle(true); err != nil {
		return err
	}
	defer func() { _ = c.setIdle(false) }()
	if len(c.pending) > 0 {
		return nil
	}
	c.atone()
	n, err := c.Conn.Read(c.first[:])
	c.heard = time.Now()
	c.pending = c.first[:n]
	switch {
	case n > 0:
		c.spoke = true
		c.status.update(func(s *Counters) { s.LastContact = time.Now() })
		return nil
	case codec.IsTimeout(err) && c.isStopping():
		return errStopping
	case codec.IsTimeout(err):
		return codec.ErrFarewell // idle_timeout
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// setIdle notes whether the connection waits. A stop that came before wins:
// the deadline it set is never undone.
func (c *conn) setIdle(idle bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = idle
	if !idle {
		return nil
	}
	if c.stopping {
		return errStopping
	}
	var deadline time.Time
	if c.inst.IdleTimeout > 0 {
		deadline = time.Now().Add(c.inst.IdleTimeout)
	}
	if err := c.Conn.SetWriteDeadline(time.Time{}); err != nil { // a timer less for each that is silent
		return err
	}
	return c.Conn.SetReadDeadline(deadline)
}

// stop ends the connection now if it is idle, else after the conversation.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.idle {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *conn) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

// Read returns what was given back first.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	if c.broke != nil {
		return 0, c.broke
	}
	c.atone()
	n, err := c.Conn.Read(p)
	c.heard, c.due = time.Now(), time.Time{}
	c.broke = c.charge(n)
	return n, err
}

// Unread takes bytes back.
func (c *conn) Unread(p []byte) {
	c.pending = append(slices.Clone(p), c.pending...)
}

// Write bounds every write: a peer that never reads costs its connection.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.server.bounds.write)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.answered(err)
	if codec.IsTimeout(err) {
		c.status.refuse(RefusedUnread)
	}
	return n, err
}

// Detected notes which protocol a conversation speaks.
func (c *conn) Detected(protocol string) {
	if c.protocol != protocol {
		c.protocol = protocol
		c.status.update(func(s *Counters) { s.Protocol = protocol })
		c.announce(LinkEvent{Event: subjects.EventConnected, Reason: "protocol detected"})
	}
}

// Count adds an event of the link; transmissions are announced.
func (c *conn) Count(e codec.Event) {
	c.offend(e)
	c.status.update(func(s *Counters) {
		s.Events[e]++
		s.LastContact = time.Now()
	})
	if remedy := e.Remedy(); remedy != "" {
		c.server.say.warn(string(e)+":"+c.inst.ID, "the instrument's link is not as the standard says", "instrument", c.inst.ID, "event", e, "remedy", remedy)
	}
	switch e {
	case codec.EventTransmission:
		var skipped int
		if skipped, c.announced = c.status.admit(time.Now()); c.announced {
			c.announce(LinkEvent{Event: subjects.EventTransmission, Phase: "started", Skipped: skipped})
		}
	case codec.EventTransmitted:
		if c.announced {
			c.announce(LinkEvent{Event: subjects.EventTransmission, Phase: "ended"})
		}
	default:
	}
}

// Quirk counts a tolerance.
func (c *conn) Quirk(name string) {
	c.status.update(func(s *Counters) { bump(s.Quirks, name) })
}

func (c *conn) announce(e LinkEvent) {
	e.Site, e.Instrument, e.Session, e.Peer = c.server.site, c.inst.ID, c.session, c.peer
	e.Protocol, e.Messages = c.protocol, c.messages
	announce(c.server.links, e)
}
