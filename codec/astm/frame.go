package astm

import "github.com/assaybus/assaybus/codec"

// The transmission control characters (LIS01-A2 §6.1).
const (
	stx = 0x02
	etx = 0x03
	eot = 0x04
	enq = 0x05
	ack = 0x06
	nak = 0x15
	etb = 0x17
	lf  = '\n'
	cr  = '\r'
)

// kind says what the last token is.
type kind int

const (
	control kind = iota // one transmission control character
	whole               // a frame, STX to the second checksum digit
	cut                 // a frame up to the EOT or ENQ that cut it short
	record              // a record outside of frames, with its CR or LF if it has one
	block               // the text between STX and ETX of a Maglumi X3
	noise               // bytes of nothing, in the neutral state
)

// mode says what the splitter looks for.
type mode int

const (
	neutral    mode = iota // ENQ, or a record outside of frames
	framed                 // frames; everything else is skipped
	bare                   // records outside of frames
	controls               // STX, ETX, EOT and ENQ stand alone (ack-every-control)
	inBlock                // behind such an STX
	discarding             // everything is thrown away
)

// overhead bounds the bytes that a frame has besides its text.
const overhead = 8

// splitter is the bufio.SplitFunc of one conversation. It looks at no byte
// twice: scanned is how far the waiting token has been searched. A frame is
// complete at its second checksum digit: CR and LF behind it are filler that
// some senders leave out (LIS01-A2 §6.5.1.1 ignores what follows the block).
type splitter struct {
	mode       mode
	max        int  // bytes of a frame's text or of a record
	maxBlock   int  // bytes of a block
	noChecksum bool // a frame ends at its ETX or ETB
	alone      bool // in the neutral state STX is a token of its own

	kind    kind
	end     int // where the ETX or ETB of the whole frame is
	scanned int
	midLine bool // neutral: the last byte belongs to a line of noise

	gap   gap // what was between the last two tokens
	since gap // what came since the last one
}

// gap counts what is skipped between two tokens.
type gap struct {
	crs, lfs int
	digits   int // checksum digits that are not verified
	noise    int
	garbled  int // frames that the next STX cut short
}

func newSplitter(o codec.Options) *splitter {
	every := o.Has(quirkAckEveryControl)
	return &splitter{
		max:        o.MaxFrame,
		maxBlock:   o.MaxMessage,
		noChecksum: o.Has(quirkNoChecksum),
		alone:      every && o.Has(quirkImplicitSession),
	}
}

// limit bounds what may wait for one token; split's own limits come first.
func (s *splitter) limit(o codec.Options) int {
	if o.Has(quirkAckEveryControl) {
		return max(s.max, s.maxBlock) + 2*overhead
	}
	return s.max + 2*overhead
}

// split is the bufio.SplitFunc.
func (s *splitter) split(data []byte, atEOF bool) (int, []byte, error) {
	if s.mode == discarding {
		return len(data), nil, nil
	}
	switch c := data[0]; {
	case s.mode == inBlock:
		return s.block(data)
	case c == enq || c == eot || s.mode == controls && (c == stx || c == etx):
		return s.control(data)
	case c == stx:
		if s.mode == neutral && s.alone {
			return s.control(data)
		}
		return s.frame(data)
	case s.mode == bare:
		return s.record(data, atEOF)
	case s.mode == neutral:
		return s.idle(data, atEOF)
	}
	return s.filler(data)
}

// token ends the search for a token.
func (s *splitter) token(k kind, advance int, data []byte) (int, []byte, error) {
	s.kind, s.scanned = k, 0
	s.gap, s.since = s.since, gap{}
	return advance, data, nil
}

// more keeps the place and asks for more bytes.
func (s *splitter) more(scanned, length, limit int) (int, []byte, error) {
	if length > limit {
		return 0, nil, codec.ErrTooLarge
	}
	s.scanned = scanned
	return 0, nil, nil
}

func (s *splitter) control(data []byte) (int, []byte, error) {
	s.midLine = false
	return s.token(control, 1, data[:1])
}

// frame finds the end of the frame at data[0].
func (s *splitter) frame(data []byte) (int, []byte, error) {
	from := max(s.scanned, 1)
	i := indexFraming(data[from:])
	if i < 0 {
		return s.more(len(data), len(data)-2, s.max)
	}
	i += from
	if i-2 > s.max {
		return 0, nil, codec.ErrTooLarge
	}
	switch data[i] {
	case stx:
		s.since.garbled++
		s.scanned = 0
		return i, nil, nil
	case enq, eot:
		return s.token(cut, i, data[:i])
	}
	n := 0
	if !s.noChecksum {
		// A control character in the place of a digit means that the trailer
		// is missing; it belongs to what follows.
		for n < 2 && i+1+n < len(data) && data[i+1+n] >= ' ' {
			n++
		}
		if n < 2 && i+1+n == len(data) { // at the end of all it is cut
			s.scanned = i
			return 0, nil, nil
		}
	}
	s.end = i
	return s.token(whole, i+1+n, data[:i+1+n])
}

// filler skips what is between frames.
func (s *splitter) filler(data []byte) (int, []byte, error) {
	for i, c := range data {
		switch {
		case c == stx || c == enq || c == eot || s.mode == controls && c == etx:
			return i, nil, nil
		case c == cr:
			s.since.crs++
		case c == lf:
			s.since.lfs++
		case c == 0:
		case s.noChecksum && c >= ' ' && s.since.digits < 2 && s.since.crs+s.since.lfs == 0:
			s.since.digits++
		default:
			s.since.noise++
		}
	}
	return len(data), nil, nil
}

// parts are the text of a whole frame and the character that ended it. The
// frame number is not part of the text; where it is missing nothing is cut.
func (s *splitter) parts(frame []byte) (text []byte, terminator byte) {
	from := 1
	if c := frame[1]; c >= '0' && c <= '9' {
		from = 2
	}
	return frame[from:s.end], frame[s.end]
}
