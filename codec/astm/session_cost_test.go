package astm_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// tape is a Conn that plays the same bytes again and again and forgets what
// is written.
type tape struct {
	in []byte
	at int
}

func (t *tape) Read(b []byte) (int, error) {
	n := copy(b, t.in[t.at:])
	t.at = (t.at + n) % len(t.in)
	return n, nil
}

func (t *tape) Write(b []byte) (int, error)      { return len(b), nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }
func (t *tape) Unread(b []byte)                  { t.at = (t.at - len(b) + len(t.in)) % len(t.in) }

// inFrames is a message as a session, a record to a frame.
func inFrames(raw []byte) []byte {
	return []byte(session(slices.Collect(strings.SplitAfterSeq(strings.TrimSuffix(string(raw), "\r"), "\r"))...))
}

var _ codec.Unreader = (*tape)(nil)

// TestFramesAllocateNothing: a session costs a few allocations, however many
// frames its message has.
func TestFramesAllocateNothing(t *testing.T) {
	p := with()
	cost := func(results int) float64 {
		conn := &tape{in: inFrames(numbered(results))}
		return testing.AllocsPerRun(50, func() {
			if err := p.Serve(t.Context(), conn, sink{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := cost(5), cost(30)
	const pool = 2 // the race detector lets the pool of buffers forget
	if many > few+pool || many > 10+pool {
		t.Errorf("%v allocations for 9 frames, %v for 34, want the same and at most 10", few, many)
	}
}
