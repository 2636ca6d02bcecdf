package simulator

import (
	"fmt"
	"time"
)

// The bounds of the faults.
const (
	maxPieces  = 8
	maxStorm   = 20
	maxNoise   = 16
	maxGap     = 10 * time.Millisecond // between two pieces
	bytePace   = 2 * time.Millisecond  // of a slow sender
	slowBudget = time.Second           // for one frame byte by byte; the rest comes at once
	writeLimit = 15 * time.Second      // for bytes that no protocol's deadline covers
)

// whole is one Write.
func (l *line) whole(p []byte) error {
	_, err := l.conn.Write(p)
	return err
}

// split writes p in two to eight pieces.
func (l *line) split(p []byte) error {
	for pieces := 2 + l.rand.IntN(maxPieces-1); pieces > 1 && len(p) > 1; pieces-- {
		n := 1 + l.rand.IntN(len(p)-1)
		if err := l.whole(p[:n]); err != nil {
			return err
		}
		p = p[n:]
		if !sleep(l.ctx, time.Duration(l.rand.Int64N(int64(maxGap)))) {
			return l.ctx.Err()
		}
	}
	return l.whole(p)
}

// slow writes p byte by byte until the budget is used up.
func (l *line) slow(p []byte) error {
	for n := 0; n < int(slowBudget/bytePace) && len(p) > 1; n++ {
		if err := l.whole(p[:1]); err != nil {
			return err
		}
		p = p[1:]
		if !sleep(l.ctx, bytePace) {
			return l.ctx.Err()
		}
	}
	return l.whole(p)
}

// noise is what lines really carry between frames: NUL, blanks, line ends,
// a stray high byte; nothing that begins anything.
func (l *line) noise() []byte {
	const some = "\x00\r\n \xff"
	p := make([]byte, 1+l.rand.IntN(maxNoise))
	for i := range p {
		p[i] = some[l.rand.IntN(len(some))]
	}
	return p
}

// damage changes one byte between the frame number and the end of the
// checksum so that the sum is wrong, and nothing into a control character.
func (l *line) damage(frame []byte) {
	at := 2 + l.rand.IntN(max(len(frame)-2, 1))
	for ; at > 1; at-- {
		// One bit of one character moves the sum by one, and a checksum digit
		// to another digit or to none.
		if at < len(frame) && frame[at] > ' ' && frame[at] < 0x7f {
			frame[at] ^= 1
			return
		}
	}
	frame[1] ^= 1
}

// cut writes nothing, some or all of p and closes the connection.
func (l *line) cut(p []byte) error {
	l.struck = errCut
	err := l.whole(p[:l.rand.IntN(len(p)+1)])
	if closed := l.conn.Close(); err == nil {
		err = closed
	}
	if err != nil {
		l.struck = fmt.Errorf("%w: %w", errCut, err)
	}
	return l.struck
}

// halfOpen writes the beginning of p and leaves it at that.
func (l *line) halfOpen(p []byte) error {
	l.struck = errSilent
	if err := l.whole(p[:1+l.rand.IntN(len(p)-1)]); err != nil {
		l.struck = fmt.Errorf("%w: %w", errSilent, err)
	}
	return l.struck
}

// abort says EOT where a frame was due (LIS01-A2 §6.5.2.3).
func (l *line) abort([]byte) error {
	l.struck = errAborted
	if err := l.whole([]byte{eot}); err != nil {
		l.struck = err
	}
	return l.struck
}

// storm sends a number of ENQ and takes the reply to each away.
func (l *line) storm() error {
	if err := l.flush(); err != nil {
		return err
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(or(l.patience, writeLimit))); err != nil {
		return err
	}
	for range 2 + l.rand.IntN(maxStorm-1) {
		if err := l.whole([]byte{enq}); err != nil {
			return err
		}
		if err := l.drain(1); err != nil {
			return err
		}
	}
	return nil
}

// flush sends what coalescing held back when nothing came to go with it.
func (l *line) flush() error {
	if len(l.held) == 0 {
		return nil
	}
	p := l.held
	l.held = nil
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	return l.whole(p)
}
