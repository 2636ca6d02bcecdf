package codec

import (
	"io"
	"time"
)

// Playback is a Conn in memory: it serves given bytes, then io.EOF, and
// collects what is written. Deadlines are ignored, so a conversation that
// waits sees the end of the bytes instead. A capture is decoded with it.
type Playback struct {
	in     []byte
	pushed []byte
	out    []byte
	cuts   []int
	at     int
}

// NewPlayback plays data, which is not changed. A Read ends at each of the
// cuts, which are ascending positions in data: as if the bytes had come in
// that many segments.
func NewPlayback(data []byte, cuts ...int) *Playback {
	return &Playback{in: data, cuts: cuts}
}

// Read gives what was unread first, then the bytes up to the next cut, then
// io.EOF.
func (p *Playback) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(p.pushed) > 0 {
		n := copy(b, p.pushed)
		p.pushed = p.pushed[n:]
		return n, nil
	}
	if p.at == len(p.in) {
		return 0, io.EOF
	}
	for len(p.cuts) > 0 && p.cuts[0] <= p.at {
		p.cuts = p.cuts[1:]
	}
	end := len(p.in)
	if len(p.cuts) > 0 {
		end = min(end, p.cuts[0])
	}
	n := copy(b, p.in[p.at:end])
	p.at += n
	return n, nil
}

// Unread gives bytes back; the next Read returns them.
func (p *Playback) Unread(b []byte) {
	p.pushed = append(append(make([]byte, 0, len(b)+len(p.pushed)), b...), p.pushed...)
}

// Write collects b.
func (p *Playback) Write(b []byte) (int, error) {
	p.out = append(p.out, b...)
	return len(b), nil
}

// Left is how many bytes are still to be read.
func (p *Playback) Left() int { return len(p.pushed) + len(p.in) - p.at }

// Written is everything that was written.
func (p *Playback) Written() []byte { return p.out }

// SetReadDeadline does nothing.
func (p *Playback) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (p *Playback) SetWriteDeadline(time.Time) error { return nil }
