package astm

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// delimiters are what a header declares (LIS02-A2 §5.4.2). Each is one
// character; an empty one never occurs in the message.
type delimiters struct {
	field, repeat, component, escape string
}

// standard are the delimiters that most instruments use.
func standard(field string) delimiters {
	d := delimiters{field: field, repeat: `\`, component: "^", escape: "&"}
	for _, c := range []*string{&d.repeat, &d.component, &d.escape} {
		if *c == field {
			*c = ""
		}
	}
	return d
}

// delimiterIssue says how a declaration differs from the standard's form.
type delimiterIssue int

const (
	delimitersFine     delimiterIssue = iota
	delimitersOdd                     // something had to be assumed
	delimitersNoEscape                // two characters: no escape character
	delimitersMissing                 // nothing between two field delimiters
)

// declared reads a declaration: field is the character behind the H,
// definition field 2 of the header without the field delimiters around it.
func declared(field, definition string) (delimiters, delimiterIssue) {
	if definition == "" {
		return standard(field), delimitersMissing
	}
	issue := delimitersFine
	chars := []rune(definition)
	if len(chars) > 3 {
		// Horiba dumps and JSON tools write \\^& and @^\\; what stays longer
		// (HL7's ^~\&) is taken literally, as the standard has it.
		issue = delimitersOdd
		chars = undouble(chars)
	}
	if len(chars) < 2 || !possible(field, chars[:min(3, len(chars))]) {
		return standard(field), delimitersOdd
	}
	d := delimiters{field: field, repeat: string(chars[0]), component: string(chars[1])}
	if len(chars) == 2 {
		return d, delimitersNoEscape // DPC Immulite: H|\^|
	}
	d.escape = string(chars[2])
	return d, issue
}

func undouble(chars []rune) []rune {
	single := chars[:1:1]
	for _, c := range chars[1:] {
		if c != single[len(single)-1] {
			single = append(single, c)
		}
	}
	return single
}

// possible reports characters that are different and can delimit.
func possible(field string, chars []rune) bool {
	seen := field
	for _, c := range chars {
		if !delimits(c) || strings.ContainsRune(seen, c) {
			return false
		}
		seen += string(c)
	}
	return true
}

func delimits(c rune) bool {
	return c != utf8.RuneError && unicode.IsGraphic(c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsSpace(c)
}

// unescape decodes the escape sequences of a leaf (LIS02-A2 §5.4.6). What is
// no sequence stays as it is: an unpaired escape character is text. bytes
// decodes those of an &X…& sequence.
func (d *delimiters) unescape(text string, bytes func([]byte) string) string {
	at := -1
	if d.escape != "" {
		at = index(text, d.escape)
	}
	if at < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for at >= 0 {
		b.WriteString(text[:at])
		behind := text[at+len(d.escape):]
		end := strings.Index(behind, d.escape)
		plain, ok := "", false
		if end >= 0 {
			plain, ok = d.sequence(behind[:end], bytes)
		}
		switch {
		case ok:
			b.WriteString(plain)
			text = behind[end+len(d.escape):]
		case strings.HasPrefix(behind, d.field): // only where the record was split so: Mindray
			b.WriteString(d.field)
			text = behind[len(d.field):]
		default:
			b.WriteString(d.escape)
			text = behind
		}
		at = strings.Index(text, d.escape)
	}
	b.WriteString(text)
	return b.String()
}

// sequence is the meaning of what stands between two escape characters.
func (d *delimiters) sequence(body string, bytes func([]byte) string) (plain string, ok bool) {
	switch body {
	case "F":
		return d.field, true
	case "R":
		return d.repeat, true
	case "S":
		return d.component, true
	case "E":
		return d.escape, true
	case "H", "N": // highlighting begins, ends
		return "", true
	}
	if len(body) < 2 || body[0] != 'X' {
		return "", false
	}
	raw, ok := hexBytes(body[1:])
	if !ok {
		return "", false
	}
	return bytes(raw), true
}

// hexBytes reads any number of hexadecimal digits; an odd first one is a byte
// of its own ("&XA&" is a line feed).
func hexBytes(digits string) ([]byte, bool) {
	if len(digits)%2 != 0 {
		digits = "0" + digits
	}
	out, err := hex.DecodeString(digits)
	return out, err == nil
}

// cut is the index of the next field delimiter of a record, or -1. With
// protect, one behind a lone escape character is text: the Mindray CL host
// interface manual writes &| for it.
func (d *delimiters) cut(line string, protect bool) int {
	if !protect {
		return index(line, d.field)
	}
	next := strings.Index(line, d.field)
	for at := 0; next >= 0; {
		esc := strings.Index(line[at:next], d.escape)
		if esc < 0 {
			return next
		}
		behind := at + esc + len(d.escape)
		end := strings.Index(line[behind:], d.escape)
		switch {
		case behind == next:
			at = behind + len(d.field)
		case end > 0 && d.isSequence(line[behind:behind+end]):
			at = behind + end + len(d.escape)
		default:
			at = behind
		}
		if at > next {
			next = strings.Index(line[at:], d.field)
			if next >= 0 {
				next += at
			}
		}
	}
	return -1
}

func (d *delimiters) isSequence(body string) bool {
	_, ok := d.sequence(body, func([]byte) string { return "" })
	return ok
}

// nth is the n-th component of text, counted from 1.
func (d *delimiters) nth(text string, n int) string {
	for ; n > 1; n-- {
		at := -1
		if d.component != "" {
			at = index(text, d.component)
		}
		if at < 0 {
			return ""
		}
		text = text[at+len(d.component):]
	}
	first, _ := cutAt(text, d.component)
	return first
}

// cutAt is strings.Cut for a separator that may be empty, which never occurs.
func cutAt(text, separator string) (before, after string) {
	if separator == "" {
		return text, ""
	}
	if at := index(text, separator); at >= 0 {
		return text[:at], text[at+len(separator):]
	}
	return text, ""
}

// index is strings.Index, quick for one byte, which nearly every delimiter is.
func index(text, delimiter string) int {
	if len(delimiter) == 1 {
		return strings.IndexByte(text, delimiter[0])
	}
	return strings.Index(text, delimiter)
}
