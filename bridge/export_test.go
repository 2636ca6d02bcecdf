package bridge

import (
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"time"
)

// Backoff runs n pauses of a back-off and calls after behind each.
func Backoff(ctx context.Context, n int, after func()) {
	var b backoff
	for range n {
		b.pause(ctx)
		after()
	}
}

// WireSize is what a publication counts against the payload limit.
func WireSize(p Publication) int { return wireSize(p) }

// Hurry shortens what a peer may let s wait; call it before Run.
func Hurry(s *Server, greeting, write time.Duration) {
	s.bounds = bounds{greeting: greeting, write: write}
}

// ReadProxy is readProxy.
func ReadProxy(r io.Reader) (netip.AddrPort, error) { return readProxy(r) }

// MemoryInUse is what messages in flight hold of the budget of s.
func MemoryInUse(s *Server) int64 {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return s.memory.used
}

// FreeBytes and FreeCost are what every connection has without asking.
const (
	FreeBytes = freeBytes
	FreeCost  = freeCost
)

// AwaitRecall returns when s knows what came in parts before its start.
func AwaitRecall(s *Server) {
	known := func() bool {
		s.joiner.mu.Lock()
		defer s.joiner.mu.Unlock()
		return s.joiner.known
	}
	for !known() {
		runtime.Gosched()
	}
}

// Converse serves one connection of i to its end.
func Converse(ctx context.Context, s *Server, i *Instrument, nc net.Conn) error {
	c, err := s.open(i, nc)
	if err == nil {
		s.session(ctx, c)
	}
	return err
}

// WatchParts is what Run does for continued messages, until ctx ends and with
// it the server, whose sessions are over.
func WatchParts(ctx context.Context, s *Server, r *Registry) {
	s.joiner.run(ctx, r)
	s.crew.close()
}

// MaxChains is how many messages in parts one instrument may have.
const MaxChains = maxChains

// Occupy takes all memory of s that is left.
func Occupy(s *Server) {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.memory.used = s.memory.max
}

// Budget sets the memory of s for messages in flight; call it before Run.
func Budget(s *Server, bytes int64) { s.memory.max = bytes }

// Admit counts a transmission at a time.
func (w *window) Admit(now time.Time) (int, bool) { return w.admit(now) }

// Window is the bound of announced transmissions.
type Window = window
