package codec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// AppendFrame appends the list of a message that came in one frame.
func AppendFrame(b []byte, f Frame) []byte { return FrameRun{Frame: f, Count: 1}.append(b) }

func (r FrameRun) append(b []byte) []byte {
	if r.Number >= 0 {
		b = append(b, '0'+byte(r.Number), ':')
	}
	b = append(strconv.AppendInt(b, int64(r.Bytes), 10), byte(r.End))
	for n, on := range [...]bool{r.Unchecked, r.LowerCase, r.OutOfTurn, r.AddedCR, r.Shared} {
		if on {
			b = append(b, frameFlags[n])
		}
	}
	for n, count := range [...]int{r.Refused, r.Repeated, r.Garbled} {
		if count > 0 {
			b = strconv.AppendInt(append(b, frameCounts[n]), int64(count), 10)
		}
	}
	if r.Count > 1 {
		b = strconv.AppendInt(append(b, '*'), int64(r.Count), 10)
	}
	return b
}

const (
	frameFlags  = "ulocs"
	frameCounts = "nrg"
	frameEnds   = "XBEVFNUC"
	maxDigits   = 9 // of a number in a list
)

// ErrFrames is text that is no list of frames.
var ErrFrames = errors.New("no list of frames")

// ParseFrames reads the list of a [Delivery]. Its error wraps
// [ErrFrames].
func ParseFrames(text string) (FrameList, error) {
	var l FrameList
	if text == "" || len(text) > MaxFrameText {
		return l, fmt.Errorf("%w: %d bytes", ErrFrames, len(text))
	}
	fields := strings.Split(text, " ")
	for n, field := range fields {
		p := frameScan{field}
		switch {
		case n == len(fields)-1 && p.take('+'):
			l.More, l.MoreBytes = p.number(), p.after(':')
			p.want(l.More > 0)
		default:
			l.Runs = append(l.Runs, p.run())
		}
		if p.rest != "" {
			return FrameList{}, fmt.Errorf("%w: entry %d", ErrFrames, n+1)
		}
	}
	return l, nil
}

// frameScan takes an entry apart; what is wrong leaves a rest that nothing
// takes.
type frameScan struct{ rest string }

func (p *frameScan) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *frameScan) want(ok bool) {
	if !ok {
		p.rest = "?"
	}
}

// number reads digits without leading zeros.
func (p *frameScan) number() int {
	n := 0
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	if n == 0 || n > maxDigits || n > 1 && p.rest[0] == '0' {
		p.want(false)
		return 0
	}
	v, _ := strconv.Atoi(p.rest[:n]) // these are digits
	p.rest = p.rest[n:]
	return v
}

// after reads the number behind a letter that must be there.
func (p *frameScan) after(c byte) int {
	if !p.take(c) {
		p.want(false)
		return 0
	}
	return p.number()
}

// positive reads the number above zero behind a letter that may be there.
func (p *frameScan) positive(c byte) int {
	if !p.take(c) {
		return 0
	}
	n := p.number()
	p.want(n > 0 || p.rest == "?")
	return n
}

func (p *frameScan) run() FrameRun {
	r := FrameRun{Frame: Frame{Number: -1}, Count: 1}
	if len(p.rest) > 1 && p.rest[1] == ':' {
		r.Number = p.number()
		p.take(':')
	}
	r.Bytes = p.number()
	if p.rest == "" || strings.IndexByte(frameEnds, p.rest[0]) < 0 {
		p.want(false)
		return r
	}
	r.End, p.rest = FrameEnd(p.rest[0]), p.rest[1:]
	for n, on := range []*bool{&r.Unchecked, &r.LowerCase, &r.OutOfTurn, &r.AddedCR, &r.Shared} {
		*on = p.take(frameFlags[n])
	}
	for n, count := range []*int{&r.Refused, &r.Repeated, &r.Garbled} {
		*count = p.positive(frameCounts[n])
	}
	if p.take('*') {
		r.Count = p.number()
		p.want(r.Count > 1)
	}
	return r
}
