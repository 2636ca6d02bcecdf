package codec

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Tokens turns a Conn and a bufio.SplitFunc into tokens read with a deadline.
// Its buffer exists only from the first byte to [Tokens.Release]. A split
// function that keeps state between calls (so as not to scan a byte twice)
// belongs to one Tokens; it is called again with the same data plus more
// until it returns a token or advances.
type Tokens struct {
	conn  Conn
	split bufio.SplitFunc
	max   int
	buf   *[]byte
	start int // first unused byte
	end   int // behind the last byte read
	err   error
}

const firstBuffer = 4 << 10

var buffers = sync.Pool{New: func() any {
	b := make([]byte, firstBuffer)
	return &b
}}

// NewTokens reads conn through split. limit bounds the bytes that may wait
// for one token.
func NewTokens(conn Conn, split bufio.SplitFunc, limit int) *Tokens {
	return &Tokens{conn: conn, split: split, max: limit}
}

// Next returns the next token, which is valid until the next call. The zero
// deadline means none. Its errors are io.EOF (the peer hung up; what is left
// is [Tokens.Rest]), [ErrTooLarge], a deadline ([IsTimeout]; what was read is
// kept and Next may be called again), or the Conn's.
func (t *Tokens) Next(deadline time.Time) ([]byte, error) {
	for {
		if token, ok, err := t.scan(t.err != nil); ok || err != nil {
			return token, err
		}
		if t.err != nil {
			return nil, t.err
		}
		if err := t.fill(deadline); err != nil {
			if IsTimeout(err) || errors.Is(err, ErrTooLarge) {
				return nil, err // more may follow: half a token stays half
			}
			t.err = err
		}
	}
}

// Flush returns the token that the buffered bytes make when nothing follows
// them, for protocols in which silence ends something.
func (t *Tokens) Flush() ([]byte, bool) {
	token, ok, err := t.scan(true)
	return token, ok && err == nil
}

// Rest is what has been read and made no token yet; it is valid until the
// next call.
func (t *Tokens) Rest() []byte {
	if t.buf == nil {
		return nil
	}
	return (*t.buf)[t.start:t.end]
}

// Release gives unused bytes back to the Conn if it is an [Unreader] and
// frees the buffer. It reports whether nothing is left to read: false means
// that the Conn cannot take bytes back and some are waiting here.
func (t *Tokens) Release() bool {
	if rest := t.Rest(); len(rest) > 0 {
		u, ok := t.conn.(Unreader)
		if !ok {
			return false
		}
		u.Unread(rest)
	}
	t.free()
	return true
}

func (t *Tokens) free() {
	if t.buf != nil {
		if cap(*t.buf) == firstBuffer {
			buffers.Put(t.buf)
		}
		t.buf = nil
	}
	t.start, t.end = 0, 0
}

func (t *Tokens) scan(atEOF bool) ([]byte, bool, error) {
	for t.start < t.end {
		advance, token, err := t.split((*t.buf)[t.start:t.end], atEOF)
		if err != nil && !errors.Is(err, bufio.ErrFinalToken) {
			return nil, false, err
		}
		if advance < 0 || advance > t.end-t.start {
			return nil, false, fmt.Errorf("split function advanced %d of %d bytes", advance, t.end-t.start)
		}
		t.start += advance
		if token != nil {
			return token, true, nil
		}
		if advance == 0 {
			return nil, false, nil
		}
	}
	return nil, false, nil
}

// fill makes room and reads once.
func (t *Tokens) fill(deadline time.Time) error {
	if t.buf == nil {
		t.buf = buffers.Get().(*[]byte)
	}
	b := *t.buf
	if t.start > 0 && (t.start == t.end || t.end == len(b)) {
		t.end = copy(b, b[t.start:t.end])
		t.start = 0
	}
	if t.end == len(b) {
		if len(b) >= t.max {
			return ErrTooLarge
		}
		grown := make([]byte, min(2*len(b), max(t.max, len(b)+1)))
		copy(grown, b[:t.end])
		if cap(b) == firstBuffer {
			buffers.Put(t.buf)
		}
		t.buf, b = &grown, grown
	}
	if err := t.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	n, err := t.conn.Read(b[t.end:])
	t.end += n
	if n > 0 {
		return nil // an error that came with bytes comes again
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
