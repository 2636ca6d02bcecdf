package codec

import (
	"errors"
	"fmt"
)

// The sentinels of a conversation. Errors wrap them and never hold content.
var (
	// ErrReject means that repeating the message will not help.
	ErrReject = errors.New("rejected")
	// ErrIncomplete means that a transmission ended before its message did.
	ErrIncomplete = errors.New("incomplete message")
	// ErrTooLarge means that a message is over the instrument's limit.
	ErrTooLarge = errors.New("message over the size limit")
	// ErrRefused means that the other side did not take what we sent.
	ErrRefused = errors.New("refused by the other side")
	// ErrNoReply means that the other side did not answer in time.
	ErrNoReply = errors.New("no reply in time")
	// ErrYield means that the other side bids for the line and goes first:
	// serve it, then send again (LIS01-A2 §6.2.7).
	ErrYield = errors.New("the other side bids for the line")
	// ErrFarewell ends a connection in order: everything has been said.
	ErrFarewell = errors.New("conversation over")
)

// ParseError is where and why a message could not be decoded. It holds the
// position, never the content.
type ParseError struct {
	Protocol string // "astm", "hl7"
	Record   int    // 1-based index of the record or segment; 0 = the whole message
	Field    int    // the standard's field number; 0 = the whole record
	Err      error  // what is wrong there
}

// Error names the position and the reason.
func (e *ParseError) Error() string {
	switch {
	case e.Record == 0:
		return fmt.Sprintf("%s: %v", e.Protocol, e.Err)
	case e.Field == 0:
		return fmt.Sprintf("%s: record %d: %v", e.Protocol, e.Record, e.Err)
	}
	return fmt.Sprintf("%s: record %d field %d: %v", e.Protocol, e.Record, e.Field, e.Err)
}

// Unwrap is the reason.
func (e *ParseError) Unwrap() error { return e.Err }

// IsTimeout reports whether err is a deadline that passed, as net.Conn and
// net.Pipe tell it.
func IsTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
