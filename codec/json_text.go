package codec

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// finite tells whether all numbers are: JSON has no word for the others.
func (m *Message) finite() bool {
	for i := range m.Results {
		if n := m.Results[i].Number; n != nil && (math.IsInf(*n, 0) || math.IsNaN(*n)) {
			return false
		}
	}
	return true
}

// appendKey appends a key, quotes and colon included, and the comma before
// it.
func appendKey(b []byte, key string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(b, key...)
}

// appendMember appends a text unless it is empty.
func appendMember(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	return appendAlways(b, key, text)
}

func appendAlways(b []byte, key, text string) []byte {
	return appendText(appendKey(b, key), text)
}

func appendInt(b []byte, key string, n int) []byte {
	return strconv.AppendInt(appendKey(b, key), int64(n), 10)
}

func appendIndex(b []byte, key string, n *int) []byte {
	if n == nil {
		return b
	}
	return appendInt(b, key, *n)
}

func appendSequence(b []byte, key string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendUint(appendKey(b, key), n, 10)
}

func appendPart(sequence *uint64, b []byte) []byte { return strconv.AppendUint(b, *sequence, 10) }

func appendBool(b []byte, key string, v bool) []byte {
	return strconv.AppendBool(appendKey(b, key), v)
}

func appendTrue(b []byte, key string, v bool) []byte {
	if !v {
		return b
	}
	return appendBool(b, key, v)
}

// appendTexts appends a list of texts unless it is empty.
func appendTexts(b []byte, key string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	return appendList(appendKey(b, key), list)
}

func appendList(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, text := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, text)
	}
	return append(b, ']')
}

// appendRecord appends one of Message.Records.
func appendRecord(record *[]string, b []byte) []byte {
	if *record == nil {
		return append(b, "null"...)
	}
	return appendList(b, *record)
}

// appendObjects appends a list unless it is empty.
func appendObjects[T any](b []byte, key string, list []T, one func(*T, []byte) []byte) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(appendKey(b, key), '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(&list[i], b)
	}
	return append(b, ']')
}

// appendFloat writes a number as ECMAScript does: with an exponent below 1e-6
// and from 1e21 on.
func appendFloat(b []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if n := len(b); format == 'e' && n >= 4 && string(b[n-4:n-1]) == "e-0" { // e-09 is written e-9
		b = append(b[:n-2], b[n-1])
	}
	return b
}

const hexadecimal = "0123456789abcdef"

// appendText appends a text in quotes.
func appendText(b []byte, text string) []byte {
	begin := len(b)
	b = slices.Grow(b, len(text)+len(`""`))
	quoted := b[begin : begin+len(text)+len(`""`)]
	quoted[0] = '"'
	inside := quoted[1:]
	for i := range len(text) { // nearly every text stands for itself
		c := text[i]
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return appendEscaped(b, text)
		}
		inside[i] = c
	}
	inside[len(text)] = '"'
	return b[:begin+len(quoted)]
}

// appendEscaped is appendText for any text. What is no UTF-8 becomes \ufffd;
// the line separators U+2028 and U+2029, which JavaScript once took for line
// ends, are escaped.
func appendEscaped(b []byte, text string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		bad := r == utf8.RuneError && size == 1
		if !bad && r >= ' ' && r != '"' && r != '\\' && r != '\u2028' && r != '\u2029' {
			continue
		}
		b = append(b, text[from:i-size]...)
		from = i
		switch {
		case bad:
			b = append(b, `\ufffd`...)
		case r > utf8.RuneSelf:
			b = append(append(b, `\u202`...), hexadecimal[r&0xF])
		default:
			b = appendControl(b, byte(r))
		}
	}
	return append(append(b, text[from:]...), '"')
}

// appendControl appends a quote, a backslash or a control character.
func appendControl(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexadecimal[c>>4], hexadecimal[c&0xF])
}
