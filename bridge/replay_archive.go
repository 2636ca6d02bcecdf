package bridge

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Archive is the bus as replay reads it: bridge/broker has the real one.
type Archive interface {
	// Span is what a stream holds now.
	Span(ctx context.Context, stream string) (Span, error)
	// Scan gives the messages of q in the order of the stream, in bounded
	// memory, and ends behind the last one. An error is the last thing given.
	Scan(ctx context.Context, q Query) iter.Seq2[Stored, error]
	// Get reads one message; an error wraps [ErrNotStored] when it is not or
	// no longer there.
	Get(ctx context.Context, stream string, sequence uint64) (Stored, error)
	// MaxPayload is the most that one message may be, headers included.
	MaxPayload() int
}

// ErrNotStored is a message that a stream does not hold.
var ErrNotStored = errors.New("not stored, or no longer")

// Span is what a stream holds.
type Span struct {
	First, Last uint64 // sequences
	Messages    uint64
	FirstAt     time.Time // when the first was stored
	Now         time.Time // the server's clock
}

// Query says which messages of a stream to read.
type Query struct {
	Stream      string
	Subjects    []string  // empty = all
	Since       time.Time // stored then or later; zero = from the first
	From, To    uint64    // sequences, both included
	HeadersOnly bool      // without the bodies
}

// Stored is one message of a stream.
type Stored struct {
	Stream   string
	Subject  string
	Sequence uint64
	At       time.Time // when it was stored
	Header   map[string][]string
	Body     []byte
}

// Get is the first value of a header, "" when there is none. Names of NATS
// headers are case sensitive.
func (s Stored) Get(name string) string {
	if v := s.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// OpenTexts is the stream of open messages: bridge/broker has the real one.
type OpenTexts interface {
	Archive
	// Forget removes what was published to it below the subject.
	Forget(ctx context.Context, subject string) error
}
