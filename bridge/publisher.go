package bridge

import (
	"context"
	"errors"
)

// Publisher is the bus as custody needs it: bridge/broker has the real one.
type Publisher interface {
	// Publish puts one message into p.Stream and returns when the stream has
	// it on disk. It is one attempt: the caller retries with the same ID.
	// An error wrapping [ErrTooLarge] will not go away by repeating.
	Publish(ctx context.Context, p Publication) (Receipt, error)
	// Healthy is nil when messages can be stored now; otherwise it says why
	// not and what the operator can do.
	Healthy() error
}

// Publication is one message for one stream.
type Publication struct {
	Stream  string
	Subject string
	ID      string            // Nats-Msg-Id: the stream keeps one of each within its window
	Header  map[string]string // names as in package subjects; HeaderMsgID is set from ID
	Body    []byte            // not kept after the return
}

// Receipt is the stream's confirmation.
type Receipt struct {
	Sequence  uint64 // where the message is; of the first one when Duplicate
	Duplicate bool   // the stream had this ID already
}

// ErrTooLarge is a publication over the bus's payload limit.
var ErrTooLarge = errors.New("larger than the bus takes")
