package astm

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// chunk is the text of one frame and how it ends.
type chunk struct {
	text       []byte
	terminator byte
}

// chop makes frames of at most size bytes of text: a record ends its frame
// with ETX, what does not fit goes before in ETB frames. HL7 goes as one
// stream, because there ETX ends the message.
func chop(raw []byte, size int) []chunk {
	var chunks []chunk
	stream := isHL7(raw)
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, cr) + 1
		if n == 0 || stream {
			n = len(raw)
		}
		rec := raw[:n]
		for len(rec) > size {
			chunks = append(chunks, chunk{rec[:size], etb})
			rec = rec[size:]
		}
		chunks = append(chunks, chunk{rec, etx})
		raw = raw[n:]
	}
	return chunks
}

// clean is raw without the bytes that a frame may not hold (LIS01-A2 §6.6):
// they are escaped, or left out where the message has no escape character.
// LF as the end of a record becomes CR, LF behind CR goes.
func clean(raw []byte) []byte {
	if !slices.ContainsFunc(raw, isRestricted) {
		return raw
	}
	escape := escapeOf(raw)
	lines := !bytes.ContainsRune(raw, cr)
	out := make([]byte, 0, len(raw)+16)
	for i, c := range raw {
		switch {
		case !isRestricted(c):
			out = append(out, c)
		case c == lf && lines:
			out = append(out, cr)
		case c == lf && i > 0 && raw[i-1] == cr, escape == 0:
		default:
			out = append(out, escape, 'X', hexDigits[c>>4], hexDigits[c&15], escape)
		}
	}
	return out
}

func escapeOf(raw []byte) byte {
	switch {
	case isHL7(raw) && len(raw) > 6:
		return raw[6]
	case isWholeHeader(raw, 0):
		return raw[4]
	}
	return 0
}

func isRestricted(c byte) bool {
	switch c {
	case 0x01, stx, etx, eot, enq, ack, lf, 0x10, 0x11, 0x12, 0x13, 0x14, nak, 0x16, etb:
		return true
	}
	return false
}

// oneByte is the bufio.SplitFunc of replies.
func oneByte(data []byte, _ bool) (int, []byte, error) { return 1, data[:1], nil }

// put writes one frame or control character at once.
func (s *sender) put(b []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimer)); err != nil {
		return fmt.Errorf("astm: send: %w", err)
	}
	if _, err := s.conn.Write(b); err != nil {
		return fmt.Errorf("astm: send: %w", err)
	}
	return nil
}

// await is the next reply within a time: one of those wanted, or any but CR,
// LF and NUL if none is named. The timer does not start again for others.
func (s *sender) await(within time.Duration, wanted ...byte) (byte, error) {
	deadline := time.Now().Add(within)
	for {
		token, err := s.tokens.Next(deadline)
		if err != nil {
			return 0, err
		}
		switch c := token[0]; {
		case c == cr, c == lf, c == 0:
		case len(wanted) == 0, bytes.IndexByte(wanted, c) >= 0:
			return c, nil
		}
	}
}

// listen waits; if the other side bids it goes first.
func (s *sender) listen(within time.Duration) error {
	_, err := s.await(within, enq)
	if err == nil {
		return s.yield()
	}
	return s.waited(err)
}

// quiet waits whatever comes.
func (s *sender) quiet(within time.Duration) error {
	for deadline := time.Now().Add(within); ; {
		if _, err := s.tokens.Next(deadline); err != nil {
			return s.waited(err)
		}
	}
}

// waited is nil if err is the end of the wait; the end of ctx is not.
func (s *sender) waited(err error) error {
	if codec.IsTimeout(err) && !s.conn.pulled() {
		return nil
	}
	return err
}

// drain drops what came before a frame is sent: a second ACK for the last
// frame must not accept this one.
func (s *sender) drain() {
	for len(s.tokens.Rest()) > 0 {
		s.tokens.Flush()
	}
}

// leash is a Conn whose reads end when it is pulled; no later deadline undoes
// that.
type leash struct {
	codec.Conn
	mu    sync.Mutex // guards ended, and that nothing is set after it
	ended bool
}

func (l *leash) pull() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	// An error shows in the next Read.
	_ = l.Conn.SetReadDeadline(time.Unix(1, 0))
}

func (l *leash) pulled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// SetReadDeadline sets the deadline unless the leash has been pulled.
func (l *leash) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	return l.Conn.SetReadDeadline(t)
}

// Unread gives bytes back if the Conn takes them.
func (l *leash) Unread(p []byte) {
	if u, ok := l.Conn.(codec.Unreader); ok {
		u.Unread(p)
	}
}
