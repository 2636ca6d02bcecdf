package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible makes bytes from the wire fit for a terminal: control characters
// become their pictures (␂ ␃ ␍), everything else that does not print and
// every byte that is not UTF-8 becomes \xXX per byte. Nothing that a terminal
// obeys gets through.
func visible(b []byte) string {
	const hex = "0123456789ABCDEF"
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r < 0x20:
			s.WriteRune('␀' + r)
		case r == 0x7F:
			s.WriteRune('␡')
		case r == utf8.RuneError && n == 1, r > 0x7F && !unicode.IsPrint(r):
			for _, c := range b[:n] {
				s.WriteString(`\x`)
				s.WriteByte(hex[c>>4])
				s.WriteByte(hex[c&15])
			}
		default:
			s.WriteRune(r)
		}
		b = b[n:]
	}
	return s.String()
}
