package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// delimiters are the encoding characters of one message (HL7 v2.5.1 §2.5.4).
// Zero means that the message has no such character.
type delimiters struct {
	field, component, repetition, escape, sub, truncation byte

	special [256]bool // component, repetition, escape and sub
}

// readDelimiters takes the encoding characters from MSH-2 as they are, even a
// backtick for escape. Missing ones are the usual ones, except that a message
// that names only the component separator has no repetitions.
func readDelimiters(h *msh) (delimiters, []codec.Warning) {
	d := delimiters{field: h.sep, component: '^', escape: '\\', sub: '&', truncation: '#'}
	enc := h.enc
	for i, into := range [...]*byte{&d.component, &d.repetition, &d.escape, &d.sub, &d.truncation} {
		if i < len(enc) {
			*into = enc[i]
		}
	}
	if len(enc) == 2 && enc[1] == '\\' { // no repetition separator, rather than a backslash for it
		d.repetition = 0
	}
	for _, c := range [...]byte{d.component, d.repetition, d.escape, d.sub} {
		d.special[c] = true
	}
	odd := len(enc) < 4 || string(enc) != string(h.fields[2])
	for i := range enc {
		for j := range i {
			odd = odd || enc[i] == enc[j]
		}
		odd = odd || enc[i] == h.sep
	}
	if odd {
		return d, []codec.Warning{{Record: 1, Field: 2, Code: codec.WarnDelimiters}}
	}
	return d, nil
}

// nextRepetition cuts the first repetition off a field.
func (d *delimiters) nextRepetition(field string) (first, rest string, more bool) {
	if d.repetition == 0 {
		return field, "", false
	}
	return cutByte(field, d.repetition)
}

// first is the first repetition of a field.
func (d *delimiters) first(field string) string {
	first, _, _ := d.nextRepetition(field)
	return first
}

// part is the n-th component of one repetition, not decoded.
func (d *delimiters) part(repetition string, n int) string {
	return nth(repetition, d.component, n)
}

// subpart is the n-th sub-component of one component, not decoded.
func (d *delimiters) subpart(component string, n int) string {
	return nth(component, d.sub, n)
}

func nth(s string, separator byte, n int) string {
	for range n - 1 {
		at := strings.IndexByte(s, separator)
		if at < 0 {
			return ""
		}
		s = s[at+1:]
	}
	if at := strings.IndexByte(s, separator); at >= 0 {
		return s[:at]
	}
	return s
}

func cutByte(s string, separator byte) (before, after string, found bool) {
	if at := strings.IndexByte(s, separator); at >= 0 {
		return s[:at], s[at+1:], true
	}
	return s, "", false
}

// at is field n of a record, or nothing.
func at(record []string, n int) string {
	if n < 0 || n >= len(record) {
		return ""
	}
	return record[n]
}
