package astm

import (
	"bytes"

	"github.com/assaybus/assaybus/codec"
)

// idle looks for a record outside of frames, at the beginning of a line; the
// rest up to the next control character is noise.
func (s *splitter) idle(data []byte, atEOF bool) (int, []byte, error) {
	if !s.midLine && data[0]|0x20 == 'h' {
		if len(data) == 1 && !atEOF {
			return 0, nil, nil
		}
		if len(data) > 1 && isDelimiter(data[1]) {
			s.mode = bare
			return s.record(data, atEOF)
		}
	}
	for i, c := range data {
		if c == stx || c == enq || c == eot || i > 0 && !s.midLine && c|0x20 == 'h' {
			return s.token(noise, i, data[:i])
		}
		s.midLine = c >= ' '
	}
	return s.token(noise, len(data), data)
}

// record finds the end of a record outside of frames. Ends of lines in front
// of it are those of the record before: nothing waits for the LF of a CR LF.
func (s *splitter) record(data []byte, atEOF bool) (int, []byte, error) {
	i := s.scanned
	// Line ends in front of a record are filler; a line end behind one would
	// have ended it already.
	for front := i == 0 || isLineEnd(data[i-1]); front && i < len(data) && isLineEnd(data[i]); {
		i++
	}
	for ; i < len(data); i++ {
		switch data[i] {
		case cr, lf:
			if i+1 > s.max {
				return 0, nil, codec.ErrTooLarge
			}
			return s.token(record, i+1, data[:i+1])
		case stx, enq, eot:
			if i > s.max {
				return 0, nil, codec.ErrTooLarge
			}
			return s.token(record, i, data[:i])
		}
	}
	if atEOF && len(data) <= s.max {
		return s.token(record, len(data), data)
	}
	return s.more(i, len(data), s.max)
}

// block finds the control character that ends the text behind an STX.
func (s *splitter) block(data []byte) (int, []byte, error) {
	i := indexFraming(data[s.scanned:])
	if i < 0 {
		return s.more(len(data), len(data), s.maxBlock)
	}
	i += s.scanned
	switch {
	case i > s.maxBlock:
		return 0, nil, codec.ErrTooLarge
	case data[i] == etb: // no ending here
		s.scanned = i + 1
		return s.block(data)
	}
	s.mode = controls
	if i == 0 {
		return s.control(data)
	}
	return s.token(block, i, data[:i])
}

// isDelimiter tells whether c can be the field delimiter behind an H.
func isDelimiter(c byte) bool {
	return c > ' ' && c < 0x7F && !isAlphanumeric(c)
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// inside is what arrived of a frame that was cut short.
func inside(frame []byte) []byte {
	text := bytes.TrimPrefix(frame, []byte{stx})
	if len(text) > 0 && text[0] >= '0' && text[0] <= '9' {
		text = text[1:]
	}
	if i := bytes.IndexAny(text, "\x03\x17"); i >= 0 {
		text = text[:i]
	}
	return text
}
