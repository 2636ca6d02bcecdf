package hl7

import (
	"strings"
	"unicode/utf8"

	"github.com/assaybus/assaybus/codec"
)

// value is the first sub-component of the first component of the first
// repetition, decoded and trimmed: the value of an id, a code, a flag.
func (w *walk) value(field string) string {
	if field == "" {
		return ""
	}
	return w.word(field, 1)
}

// word is the first sub-component of component n of the first repetition. It
// is read in one pass: nearly all of a message goes through here.
func (w *walk) word(field string, n int) string {
	begin, end, escaped := 0, len(field), false
	d := &w.d
scan:
	for i := range len(field) {
		c := field[i]
		if !d.special[c] {
			continue
		}
		switch c {
		case d.component:
			if n == 1 {
				end = i
				break scan
			}
			n--
			begin, escaped = i+1, false
		case d.repetition, d.sub:
			if c == d.repetition || n == 1 {
				end = i
				break scan
			}
		case d.escape:
			escaped = true
		}
	}
	if n != 1 || begin == end {
		return ""
	}
	leaf := field[begin:end]
	if escaped || leaf[0] == '"' {
		leaf = w.decode(leaf)
	}
	return trim(leaf)
}

// trim is strings.TrimSpace, which most texts do not need.
func trim(s string) string {
	if n := len(s); n > 0 && (s[0] <= ' ' || s[n-1] <= ' ' || s[0] >= utf8.RuneSelf || s[n-1] >= utf8.RuneSelf) {
		return strings.TrimSpace(s)
	}
	return s
}

// words are the first words of the first repetition: [n-1] is word(field, n).
func (w *walk) words(field string) (words [6]string) {
	if w.d.repetition != w.d.component { // a header that says so means the component
		field = w.d.first(field)
	}
	more := field != ""
	for n := 0; n < len(words) && more; n++ {
		var component string
		component, field, more = cutByte(field, w.d.component)
		words[n] = w.value(component)
	}
	return words
}

// whole is a field as text, separators as sent; trailing component and
// repetition separators mean nothing (HL7 v2.5.1 §2.10) and are left out.
func (w *walk) whole(field string) string {
	end := len(field)
	for end > 0 && (field[end-1] == w.d.component || field[end-1] == w.d.repetition && w.d.repetition != 0) {
		end--
	}
	return w.decode(field[:end])
}

// time reads a time: in its own zone, else that of MSH-7, else the
// instrument's. A time that does not exist is left out and warned about, and
// unreadable until the next one is read.
func (w *walk) time(field string, record, n int) string {
	w.unreadable = false
	if field == "" {
		return ""
	}
	if field == w.lastTime {
		return w.lastRead
	}
	leaf := w.d.subpart(w.d.part(w.d.first(field), 1), 1)
	if leaf == "" {
		return ""
	}
	if leaf == w.lastTime {
		return w.lastRead
	}
	read, ok := codec.Timestamp(leaf, w.zone)
	if !ok {
		w.unreadable = true
		w.warn(record, n, codec.WarnBadTimestamp)
		return ""
	}
	w.lastTime, w.lastRead = leaf, read
	return read
}

// retime is time for a value that another field has given already: that one
// stands only where this one is absent, not where it cannot be read.
func (w *walk) retime(into *string, field string, record, n int) {
	if t := w.time(field, record, n); t != "" || w.unreadable {
		*into = t
	}
}
