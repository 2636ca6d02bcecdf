package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// Config is what a [Server] is made of.
type Config struct {
	Site  string
	Store *Store
	Board *Board
	Links LinkPublisher // nil = link events go nowhere
	// Archive reads parts of continued messages back; without one the last
	// part of such a message is refused.
	Archive Archive
	// Texts keeps open messages that instruments may take for delivered; nil =
	// they are kept when they end. Bridge is whose they are: it stays the same
	// over restarts.
	Texts  OpenTexts
	Bridge string
	Rescue *Rescue // for what the bus does not take; nil = nowhere
	Log    *slog.Logger
	Grace  time.Duration // what transmissions in progress get at shutdown
	// Memory is what messages in flight may take over all connections, in
	// bytes, beyond the small part that every connection has for its own:
	// DefaultMemory when 0.
	Memory int64
	// Stored, if set, is called in the session's goroutine after every message
	// that was stored; it must be quick.
	Stored func(Reception, Outcome)
}

// Server listens for instruments and dials them. [Server.Run] owns the links;
// every connection has a goroutine of its own.
type Server struct {
	site   string
	store  *Store
	board  *Board
	links  LinkPublisher
	log    *slog.Logger
	say    *sayer
	grace  time.Duration
	stored func(Reception, Outcome)
	crew   *crew
	memory *budget
	joiner *joiner
	bounds bounds

	texts   OpenTexts
	bridge  string
	rescue  *Rescue
	senders senders
	sweeper *sweeper
	logged  atomic.Uint64 // the highest sequence in LAB_RAW that is known

	apply    chan applyRequest
	over     chan struct{}  // closed when Run has ended
	sessions sync.WaitGroup // connections and dialers

	mu      sync.Mutex // conns and closing: a connection is registered or refused, never neither
	conns   map[*conn]struct{}
	closing bool
	bound   map[string]net.Addr // instrument id → where its listener is open
}

type applyRequest struct {
	registry *Registry
	done     chan struct{}
}

// ErrServerClosed is what Apply returns after Run has ended.
var ErrServerClosed = errors.New("server closed")

// NewServer makes a server without links; Run gives it some.
func NewServer(c Config) *Server {
	s := &Server{
		site: c.Site, store: c.Store, board: c.Board, links: c.Links, log: c.Log, say: newSayer(c.Log), grace: c.Grace, stored: c.Stored, crew: newCrew(),
		apply: make(chan applyRequest), over: make(chan struct{}), conns: make(map[*conn]struct{}), bound: make(map[string]net.Addr),
	}
	s.texts, s.bridge, s.rescue, s.sweeper = c.Texts, c.Bridge, c.Rescue, newSweeper(c.Texts)
	s.memory, s.bounds = &budget{max: cmp.Or(c.Memory, DefaultMemory)}, standardBounds()
	s.joiner = &joiner{server: s, archive: c.Archive, chains: chains{all: make(map[string][]*chain)}}
	if s.stored == nil {
		s.stored = func(Reception, Outcome) {}
	}
	return s
}

// Run serves the instruments of registry until ctx ends: then nobody new is
// accepted, idle connections close, transmissions in progress may finish
// inside the grace, and the rest is cut. It returns when all of it is over.
func (s *Server) Run(ctx context.Context, registry *Registry) error {
	defer close(s.over)
	var behind sync.WaitGroup
	defer behind.Wait()
	if s.texts != nil {
		s.takeIn(ctx, registry)
		sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
		behind.Go(func() { s.sweeper.run(sweeping) })
		defer stop() // when the sessions are over
	}
	links := newLinks(s)
	links.change(ctx, registry)
	behind.Go(func() { s.joiner.run(ctx, registry) })
	tick := time.NewTicker(silenceEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.listenForSilence(links.registry, now)
		case r := <-s.apply:
			links.change(ctx, r.registry)
			close(r.done)
		case <-ctx.Done():
			s.shutdown(links)
			s.crew.close()
			return nil
		}
	}
}

// Apply puts a new registry in force and returns when it is: links whose
// instrument did not change are not touched. The registry is the server's
// from then on.
func (s *Server) Apply(ctx context.Context, registry *Registry) error {
	r := applyRequest{registry: registry, done: make(chan struct{})}
	select {
	case s.apply <- r:
		<-r.done // change does not wait for anybody
		return nil
	case <-s.over:
		return ErrServerClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) shutdown(l *links) {
	s.mu.Lock()
	s.closing = true
	for c := range s.conns {
		c.stop()
	}
	s.mu.Unlock()
	l.close()
	over := make(chan struct{})
	go func() {
		s.sessions.Wait()
		close(over)
	}()
	select {
	case <-over:
		return
	case <-time.After(s.grace):
	}
	s.mu.Lock()
	cut := len(s.conns)
	for c := range s.conns {
		_ = c.socket.Close()
	}
	s.mu.Unlock()
	s.log.Warn("shutdown: connections cut in mid-transmission after the grace; their instruments will repeat", "connections", cut, "grace", s.grace)
	<-over // what was incomplete is being kept, within the patience
}

// open registers a connection of i, or refuses it. The session runs in the
// caller's goroutine or in one of its own.
func (s *Server) open(i *Instrument, nc net.Conn) (*conn, error) {
	c := &conn{Conn: s.secure(i, nc), socket: nc, server: s, inst: i, status: s.board.status(i), session: newSession(), protocol: i.Protocol.Name(), peer: nc.RemoteAddr().String()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		c.status.refuse(RefusedShutdown)
		return nil, ErrServerClosed
	}
	if n, ok := c.status.connections(1, i.MaxConnections); !ok {
		c.status.refuse(RefusedConnections)
		return nil, fmt.Errorf("%w: %d are open; raise max_connections if the instrument needs more", errTooMany, n)
	}
	s.conns[c] = struct{}{}
	s.sessions.Add(1)
	return c, nil
}

var errTooMany = errors.New("too many connections")

// session runs c to its end. Its goroutine waits through the silences of an
// instrument and does nothing else: its stack stays as small as they come, and
// all that needs a deeper one is the crew's.
func (s *Server) session(ctx context.Context, c *conn) {
	defer s.sessions.Done()
	err := c.serve(ctx)
	s.crew.do(func() { s.ended(c, err) })
}

// ended takes leave of a connection.
func (s *Server) ended(c *conn, err error) {
	c.atone() // in its place, which nobody else has meanwhile
	_ = c.Conn.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	c.status.connections(-1, 0)
	e := LinkEvent{Event: subjects.EventDisconnected}
	if err != nil {
		e.Reason = reason(err)
		if e.Reason == RefusedProtocol {
			c.status.refuse(RefusedProtocol)
		}
		s.say.warn("session:"+c.inst.ID, "connection ended", "instrument", c.inst.ID, "session", c.session, "error", err)
	}
	c.announce(e)
}

// reason is one word for a link event.
func reason(err error) string {
	switch {
	case errors.Is(err, codec.ErrTooLarge):
		return RefusedOversize
	case errors.Is(err, codec.ErrUnknownContent):
		return RefusedProtocol
	case errors.Is(err, ErrMemory):
		return RefusedMemory
	case errors.Is(err, errHandshake):
		return RefusedTLS
	case errors.Is(err, codec.ErrIncomplete):
		return "incomplete message"
	case codec.IsTimeout(err):
		return "timeout"
	}
	return "error"
}

// dismiss ends the connections that keep does not want: now if they are idle,
// else after their conversation, and within the grace.
func (s *Server) dismiss(keep func(*Instrument) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if !keep(c.inst) {
			c.stop()
			time.AfterFunc(s.grace, func() { _ = c.socket.Close() })
		}
	}
}

// Addr is where the listener of an instrument is open; nil while it is not.
func (s *Server) Addr(instrument string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound[instrument]
}

func (s *Server) setBound(r route, addr net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range r {
		if addr == nil {
			delete(s.bound, i.ID)
		} else {
			s.bound[i.ID] = addr
		}
	}
}
