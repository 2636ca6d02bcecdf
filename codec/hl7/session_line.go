package hl7

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// The timers of a link (protocols.md §5.2, §7.4).
const (
	byteTimeout   = 30 * time.Second       // between two bytes of a payload
	tailTimeout   = 150 * time.Millisecond // for the CR behind an end block, or for more noise
	silence       = 2 * time.Second        // ends an unframed message
	writeTimeout  = 15 * time.Second       // for one answer or one message to be taken
	replyTimeout  = 30 * time.Second       // for the acknowledgement of what we sent
	commitTimeout = 10 * time.Second       // for its commit acknowledgement
)

// line is a Conn that waits as long as what has been read so far allows: the
// deadlines follow from the state of the split function.
type line struct {
	codec.Conn
	m        *mllp
	whole    time.Duration   // from a message's first byte to its last
	begun    time.Time       // when we first waited for more of the message; zero = between messages
	until    time.Time       // end of all waiting; zero = none
	deadline time.Time       // of the last Read
	ctx      context.Context // sender: its end ends all waiting; nil = none
}

// SetReadDeadline sets the deadline that the state asks for.
func (l *line) SetReadDeadline(time.Time) error {
	now := time.Now()
	if l.m.state != idle && l.begun.IsZero() {
		l.begun = now
	}
	switch l.m.state {
	case idle:
		l.deadline = now.Add(tailTimeout)
		if !l.until.IsZero() {
			l.deadline = l.until
		}
	case letters:
		l.deadline = now.Add(silence)
	case payload:
		l.deadline = earlier(now.Add(byteTimeout), l.begun.Add(l.whole))
	case tail:
		l.deadline = now.Add(tailTimeout)
	case unframed:
		l.deadline = earlier(now.Add(silence), l.begun.Add(l.whole))
	}
	if !l.until.IsZero() {
		l.deadline = earlier(l.deadline, l.until)
	}
	if err := l.Conn.SetReadDeadline(l.deadline); err != nil || l.ctx == nil || l.ctx.Err() == nil {
		return err
	}
	return l.Conn.SetReadDeadline(past) // wake may have been before us
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// wake ends a Read that is waiting, and all that follow if ctx is over.
func (l *line) wake() { _ = l.Conn.SetReadDeadline(past) }

// Read notices a connection that breaks rather than ends.
func (l *line) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err != nil && !errors.Is(err, io.EOF) && !codec.IsTimeout(err) {
		l.m.broken = true
	}
	return n, err
}

// Unread gives bytes back; canUnread tells whether that is possible.
func (l *line) Unread(b []byte) {
	if u, ok := l.Conn.(codec.Unreader); ok {
		u.Unread(b)
	}
}

func (l *line) canUnread() bool {
	_, ok := l.Conn.(codec.Unreader)
	return ok
}

// silenceEnds tells whether the time that has passed ends what was read: the
// pause behind an end block, or behind a bare message. A Read that was woken
// early, or a message that takes too long, ends nothing.
func (l *line) silenceEnds() bool {
	switch l.m.state {
	case idle, letters, tail:
		return true
	case unframed:
		return l.expired() && !l.tooSlow()
	default:
		return false
	}
}

// overdue tells whether until is over.
func (l *line) overdue() bool { return !l.until.IsZero() && !time.Now().Before(l.until) }

// expired tells whether the last Read's deadline is over: if not, the Read was
// woken from outside.
func (l *line) expired() bool { return !time.Now().Before(l.deadline) }

// tooSlow tells whether the message in progress has taken too long as a whole.
func (l *line) tooSlow() bool { return !l.begun.IsZero() && !time.Now().Before(l.begun.Add(l.whole)) }

// write writes b, one Write.
func (l *line) write(b []byte) error {
	if err := l.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := l.Conn.Write(b)
	return err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
