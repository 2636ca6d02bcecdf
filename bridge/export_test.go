package bridge

import (
	"context"
	"io"
	"net/netip"
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

// Budget sets the memory of s for messages in flight; call it before Run.
func Budget(s *Server, bytes int64) { s.memory.max = bytes }

// Admit counts a transmission at a time.
func (w *window) Admit(now time.Time) (int, bool) { return w.admit(now) }

// Window is the bound of announced transmissions.
type Window = window
