package codectest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Pictures writes bytes as conversation files do.
func Pictures(raw []byte) string {
	var b strings.Builder
	for len(raw) > 0 {
		r, n := utf8.DecodeRune(raw)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "‹%02X›", raw[0])
		case r < ' ':
			b.WriteRune('␀' + r)
		case r == 0x7F:
			b.WriteRune('␡')
		default:
			b.WriteRune(r)
		}
		raw = raw[n:]
	}
	return b.String()
}

// Bytes reads what conversation files write: control pictures and ‹HH*N›.
func Bytes(text string) ([]byte, error) {
	var b []byte
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r >= '␀' && r <= '␟':
			b = append(b, byte(r-'␀'))
		case r == '␡':
			b = append(b, 0x7F)
		case r == '‹':
			inside, rest, ok := strings.Cut(text[n:], "›")
			if !ok {
				return nil, fmt.Errorf("‹ without ›")
			}
			code, times, many := strings.Cut(inside, "*")
			v, err := strconv.ParseUint(code, 16, 8)
			count := 1
			if err == nil && many {
				count, err = strconv.Atoi(times)
			}
			if err != nil {
				return nil, fmt.Errorf("‹%s› is neither ‹HH› nor ‹HH*N›", inside)
			}
			b = append(b, strings.Repeat(string([]byte{byte(v)}), count)...)
			text = rest
			continue
		default:
			b = append(b, text[:n]...)
		}
		text = text[n:]
	}
	return b, nil
}

// summer fills in checksums of the frames of one direction (LIS01-A2 §6.3.3);
// a frame may be spread over several lines.
type summer struct {
	sum   byte
	ended bool
}

func (s *summer) fill(b []byte) []byte {
	for i, c := range b {
		if s.ended && c == '?' && i+1 < len(b) && b[i+1] == '?' {
			copy(b[i:], fmt.Sprintf("%02X", s.sum))
		}
		s.ended = false
		switch c {
		case 0x02:
			s.sum = 0
		case 0x03, 0x17:
			s.sum += c
			s.ended = true
		default:
			s.sum += c
		}
	}
	return b
}
