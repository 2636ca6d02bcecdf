package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// What a fault needs to know of the two links: which write it may strike.
const (
	stx = 0x02 // an ASTM frame begins
	eot = 0x04
	enq = 0x05
	ack = 0x06
	vt  = 0x0b // an HL7 block begins
)

// The ends of an attempt that a fault brought about.
var (
	errCut      = errors.New("connection cut on purpose")
	errSilent   = errors.New("fell silent on purpose")
	errAborted  = errors.New("aborted on purpose")
	errPatience = errors.New("patience at an end")
	errNoDrain  = errors.New("no reply to what a fault sent")
)

// line is the connection as Protocol.Send sees it. Every Write is one control
// character, frame or block (a contract of package codec), so a fault strikes
// a Write or the reply to it. It never lets a reply be taken for the answer to
// something else: that would be a false acknowledgement in the ledger.
type line struct {
	conn     net.Conn
	ctx      context.Context
	rand     *rand.Rand
	patience time.Duration
	ledger   *Ledger

	giveUp    *time.Timer // ends the attempt when patience does; nil = never
	armed     []strike
	sent      int       // bytes of frames written in this attempt
	reply     Fault     // what happens to the next reply
	frame     []byte    // what is sent again by the repeat fault
	swallowed bool      // a reply of this attempt was taken away
	deaf      bool      // what comes before the next write is no reply
	struck    error     // how a fault ended this attempt; every use returns it
	held      []byte    // EOT that waits for company
	back      []byte    // given back by Unread
	wrote     time.Time // of the frame without reply; zero = none
	latency   time.Duration
}

// strike is a fault that waits for the frame with the byte at of the message.
type strike struct {
	fault Fault
	at    int
}

var (
	_ codec.Conn     = (*line)(nil)
	_ codec.Unreader = (*line)(nil)
)

func newLine(ctx context.Context, conn net.Conn, r *rand.Rand, patience time.Duration, l *Ledger) *line {
	return &line{conn: conn, ctx: ctx, rand: r, patience: patience, ledger: l}
}

// arm prepares one attempt at a message of size bytes; giveUp is called, in a
// goroutine of its own, when the reply takes longer than patience.
func (l *line) arm(faults []Fault, size int, giveUp func()) {
	l.armed, l.sent, l.reply, l.swallowed, l.struck = nil, 0, "", false, nil
	l.wrote, l.latency = time.Time{}, 0
	if l.patience > 0 {
		l.giveUp = time.AfterFunc(l.patience, giveUp)
		l.giveUp.Stop() // nothing has been said yet
	}
	for _, f := range faults {
		l.armed = append(l.armed, strike{f, l.rand.IntN(max(size, 1))})
	}
}

// disarm ends the attempt: what is written from now on is not struck.
func (l *line) disarm() {
	l.armed, l.reply = nil, ""
	l.heard()
	l.giveUp = nil
}

// said begins the wait for a reply; heard ends it, unless a fault took the
// reply away.
func (l *line) said() {
	l.deaf = false
	if l.giveUp != nil {
		l.giveUp.Reset(l.patience)
	}
}

// lose takes the reply away: the wait goes on.
func (l *line) lose() {
	l.said()
	l.swallowed, l.deaf = true, true
}

func (l *line) heard() {
	if l.giveUp != nil {
		l.giveUp.Stop()
	}
}

// answered reports whether something came back since the last frame.
func (l *line) answered() bool { return l.wrote.IsZero() }

// fire takes the faults out of armed that strike this write.
func (l *line) fire(p []byte) []Fault {
	var fired []Fault
	l.armed = slices.DeleteFunc(l.armed, func(s strike) bool {
		if !strikes(s.fault, p) || len(p) > 1 && s.at >= l.sent+len(p) {
			return false
		}
		fired = append(fired, s.fault)
		l.ledger.fault(s.fault)
		return true
	})
	return fired
}

// strikes reports whether p is what the fault is about.
func strikes(f Fault, p []byte) bool {
	frame := len(p) > 1
	switch f {
	case FaultBadChecksum, FaultAbort:
		return frame && p[0] == stx
	case FaultCoalesce:
		return frame && p[0] == vt || !frame && p[0] == eot
	case FaultContention, FaultEnqStorm:
		return !frame && p[0] == enq
	default: // a matter of bytes, whatever they say
		return frame
	}
}

// Write sends p, struck by the faults whose turn it is.
func (l *line) Write(p []byte) (int, error) {
	if l.struck != nil {
		return 0, l.struck
	}
	if len(p) == 0 {
		return 0, nil
	}
	l.heard() // writing is no waiting, however slow it is
	out, deliver := slices.Clone(p), l.whole
	var end func([]byte) error
	for _, f := range l.fire(p) {
		switch f {
		case FaultNoise:
			out = append(l.noise(), out...)
		case FaultBadChecksum:
			l.damage(out)
		case FaultSplit:
			deliver = l.split
		case FaultSlow:
			deliver = l.slow
		case FaultCoalesce:
			if p[0] == eot {
				l.held = append(l.held, p...)
				return len(p), nil
			}
			out = append(out, p...)
		case FaultEnqStorm:
			if err := l.storm(); err != nil {
				return 0, err
			}
		case FaultAbort:
			end = l.abort
		case FaultCut:
			end = l.cut
		case FaultHalfOpen:
			end = l.halfOpen
		default:
			l.reply, l.frame = f, slices.Clone(p)
		}
	}
	if end != nil {
		return 0, end(out)
	}
	if len(p) > 1 {
		l.sent += len(p)
	}
	out = append(l.held, out...)
	l.held = nil
	if err := deliver(out); err != nil {
		return 0, err
	}
	if len(p) > 1 {
		l.wrote = time.Now()
	}
	if p[0] != eot { // which is never answered
		l.said()
	}
	return len(p), nil
}

// Read gives the bridge's bytes, unless a fault has something against it.
func (l *line) Read(b []byte) (int, error) {
	for {
		if l.struck != nil {
			return 0, l.struck
		}
		if len(l.back) > 0 {
			n := copy(b, l.back)
			l.back = l.back[n:]
			return n, nil
		}
		n, err := l.conn.Read(b)
		if n == 0 {
			return 0, err
		}
		if !l.wrote.IsZero() {
			l.latency, l.wrote = time.Since(l.wrote), time.Time{}
		}
		if !l.deaf {
			l.heard()
		}
		if n, ok, err := l.tamper(b, n); ok || err != nil {
			return n, err
		}
	}
}

// tamper changes the reply b[:n]; !ok means that it was swallowed.
func (l *line) tamper(b []byte, n int) (int, bool, error) {
	f := l.reply
	l.reply = ""
	switch {
	case f == FaultLostAck:
		l.lose()
		return 0, false, nil
	case f == FaultGarbledAck:
		l.lose()
		for i := range b[:n] {
			b[i] = 0x7f
		}
	case f == FaultContention && b[0] == ack:
		b[0], n = enq, 1
	case f == FaultRepeat && l.frame[0] == vt:
		// The second answer carries the same control id: it correlates.
		return n, true, l.whole(l.frame)
	case f == FaultRepeat && b[0] == ack:
		if err := l.whole(l.frame); err != nil {
			return 0, false, err
		}
		return n, true, l.drain(1)
	}
	return n, true, nil
}

// drain takes exactly n one-byte replies away. Where they do not come the
// attempt ends with the connection: a late one must not answer anything else.
func (l *line) drain(n int) error {
	if _, err := io.ReadFull(l.conn, make([]byte, n)); err != nil {
		l.struck = fmt.Errorf("%w: %w", errNoDrain, err)
		return l.struck
	}
	return nil
}

// Unread gives back bytes that the next Read returns first.
func (l *line) Unread(p []byte) { l.back = append(slices.Clone(p), l.back...) }

// SetReadDeadline is the connection's.
func (l *line) SetReadDeadline(t time.Time) error { return l.conn.SetReadDeadline(t) }

// SetWriteDeadline is the connection's.
func (l *line) SetWriteDeadline(t time.Time) error { return l.conn.SetWriteDeadline(t) }

// await waits until bytes are there to be served; it is false when until or
// ctx came first.
func (l *line) await(ctx context.Context, until time.Time) (bool, error) {
	l.struck = nil
	if len(l.back) > 0 {
		return true, nil
	}
	if err := l.conn.SetReadDeadline(until); err != nil {
		return false, err
	}
	past := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { past <- l.conn.SetReadDeadline(time.Unix(1, 0)) })
	b := make([]byte, 1)
	n, err := l.conn.Read(b)
	if !stop() {
		<-past //nolint:errcheck // of a connection that is ending; nothing may set a deadline behind our back from here on
	}
	if n > 0 {
		l.Unread(b)
		return true, nil
	}
	if codec.IsTimeout(err) {
		return false, nil
	}
	return false, err
}
