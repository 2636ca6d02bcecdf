package hl7

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// null is the explicit null: delete what you have (HL7 v2.5.1 §2.5.3). It is
// no value; the records keep it.
const null = `""`

// decode takes the escape sequences out of a leaf, after all splitting.
// Sequences that are unknown or do not end stay as they are (HL7 v2.5.1 §2.7).
func (w *walk) decode(leaf string) string {
	if leaf == null {
		return ""
	}
	if strings.IndexByte(leaf, w.d.escape) < 0 || w.d.escape == 0 {
		return leaf
	}
	var b strings.Builder
	for {
		begin := strings.IndexByte(leaf, w.d.escape)
		if begin < 0 {
			break
		}
		length := strings.IndexByte(leaf[begin+1:], w.d.escape)
		if length < 0 {
			break
		}
		end := begin + 1 + length
		b.WriteString(leaf[:begin])
		if w.sequence(&b, leaf[begin+1:end]) {
			leaf = leaf[end+1:]
			continue
		}
		b.WriteString(leaf[begin:end]) // what looked like the end may begin another
		leaf = leaf[end:]
	}
	b.WriteString(leaf)
	return b.String()
}

// sequence writes what an escape sequence means; false when it means nothing
// known.
func (w *walk) sequence(b *strings.Builder, body string) bool {
	switch body {
	case "F":
		b.WriteByte(w.d.field)
	case "S":
		b.WriteByte(w.d.component)
	case "T":
		b.WriteByte(w.d.sub)
	case "R":
		if w.d.repetition == 0 {
			return false
		}
		b.WriteByte(w.d.repetition)
	case "E":
		b.WriteByte(w.d.escape)
	case "P":
		b.WriteByte(w.d.truncation)
	case "H", "N": // highlighting on and off
	default:
		switch {
		case strings.HasPrefix(body, "."):
			return format(b, strings.ToLower(body[1:]))
		case strings.HasPrefix(body, "X"):
			return w.hex(b, body[1:])
		}
		return false
	}
	return true
}

// format writes what a formatting command of FT text means to a reader of
// plain text (HL7 v2.5.1 §2.7.6).
func format(b *strings.Builder, command string) bool {
	const most = 32 // lines or blanks; more is an attack, not a layout
	name, digits := command, ""
	if len(command) > 2 {
		name, digits = command[:2], strings.TrimLeft(command[2:], " +")
	}
	count := 1
	if digits != "" {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return false
		}
		count = min(max(n, 0), most)
	}
	switch name {
	case "br", "ce":
		b.WriteByte('\n')
	case "sp":
		b.WriteString(strings.Repeat("\n", count))
	case "sk":
		b.WriteString(strings.Repeat(" ", count))
	case "in", "ti", "fi", "nf":
	default:
		return false
	}
	return true
}

// hex writes bytes in the message's charset.
func (w *walk) hex(b *strings.Builder, digits string) bool {
	raw, ok := unhex(digits)
	if !ok {
		return false
	}
	text, _, _ := codec.Decode(raw, "", w.m.Charset, "")
	b.Write(text)
	return true
}

func unhex(digits string) ([]byte, bool) {
	if digits == "" || len(digits)%2 != 0 {
		return nil, false
	}
	raw := make([]byte, 0, len(digits)/2)
	for i := 0; i < len(digits); i += 2 {
		n, err := strconv.ParseUint(digits[i:i+2], 16, 8)
		if err != nil || digits[i] == '+' {
			return nil, false
		}
		raw = append(raw, byte(n))
	}
	return raw, true
}

// translateShifts writes \Cxxyy\ and \Mxxyyzz\ as the ISO 2022 escapes that
// they stand for (HL7 v2.5.1 §2.7.2), before splitting: what stands between
// them are 7-bit codes that may equal delimiters.
func translateShifts(raw []byte, escape byte) ([]byte, bool) {
	var out []byte
	done := 0
	for i := 0; ; {
		next := bytes.IndexByte(raw[i:], escape)
		if next < 0 {
			break
		}
		i += next + 1 // the sequence's body
		length := bytes.IndexByte(raw[i:min(len(raw), i+longestSequence+1)], escape)
		if length < 0 {
			continue
		}
		body := raw[i : i+length]
		if sequence, ok := shiftSequence(body); ok {
			out = append(append(append(out, raw[done:i-1]...), 0x1B), sequence...)
			i += length + 1
			done = i
		} else if closes(body) {
			i += length + 1 // its end begins no other: \T\C0000\T\ is text
		}
	}
	if out == nil {
		return raw, false
	}
	return append(out, raw[done:]...), true
}

// longestSequence bounds the body of an escape sequence that is looked for
// before splitting; a longer \X..\ holds no escape character that matters.
const longestSequence = 256

// shiftSequence is the ISO 2022 escape of a \Cxxyy\ or \Mxxyyzz\.
func shiftSequence(body []byte) ([]byte, bool) {
	if len(body) != 5 && len(body) != 7 || body[0] != 'C' && body[0] != 'M' {
		return nil, false
	}
	return unhex(string(body[1:]))
}

// closes tells whether body makes the escape character behind it the end of a
// sequence, so that it begins no other.
func closes(body []byte) bool {
	switch {
	case len(body) == 1:
		return bytes.IndexByte([]byte("FSTREPHN"), body[0]) >= 0
	case len(body) > 1 && body[0] == 'X':
		_, ok := unhex(string(body[1:]))
		return ok
	}
	return len(body) > 1 && body[0] == '.'
}
