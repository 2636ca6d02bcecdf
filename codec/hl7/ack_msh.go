package hl7

import (
	"bytes"
	"slices"

	"github.com/assaybus/assaybus/codec"
)

// msh is what an acknowledgement needs of the message it answers: the fields
// of its MSH, or of its BHS or FHS when it has no MSH. Its slices point into
// the message.
type msh struct {
	id      string // "MSH", "BHS", "FHS"; "" = none of them
	sep     byte   // MSH-1
	enc     []byte // MSH-2, or the usual characters where it is impossible
	fields  [24][]byte
	shift   int    // where MSH-9 and what follows stand: 0, or -1 or 1 field off
	crs     bool   // the message has CRs
	segment []byte // the rest of the message behind the segment
}

// usualCharacters are the encoding characters of most messages.
const usualCharacters = `^~\&`

// readMSH reads the header segment with its own delimiters.
func readMSH(raw []byte) msh {
	h := msh{sep: '|'}
	var seg []byte
	if at := nextMSH(raw, 0); at >= 0 {
		seg = raw[at:]
	} else if seg = bytes.TrimLeft(raw, " \t\r\n\x00\xEF\xBB\xBF"); startsMessage(seg) != codec.Yes {
		h.enc = []byte(usualCharacters)
		return h
	}
	switch seg[0] {
	case 'M':
		h.id = "MSH"
	case 'B':
		h.id = "BHS"
	default:
		h.id = "FHS"
	}
	h.sep = seg[3]
	h.crs = bytes.IndexByte(seg, cr) >= 0
	seg, h.segment = h.cutSegment(seg)
	h.fields[1] = seg[3:4]
	rest, more := seg[4:], true
	for n := 2; n < len(h.fields) && more; n++ {
		h.fields[n], rest, more = bytes.Cut(rest, seg[3:4])
	}
	if enc := h.fields[2]; len(enc) > 0 && len(enc) <= 5 && !slices.ContainsFunc(enc, func(b byte) bool { return !isSeparator(b) }) {
		h.enc = enc
	} else {
		h.enc = []byte(usualCharacters)
	}
	h.shift = h.findShift()
	return h
}

// cutSegment takes the first segment off b. It ends at CR, at an LF behind
// which a segment begins, and at any LF of a message without CR.
func (h *msh) cutSegment(b []byte) (seg, rest []byte) {
	for from := 0; ; {
		i := bytes.IndexAny(b[from:], "\r\n")
		if i < 0 {
			return b, nil
		}
		i += from
		next := b[i+1:]
		if b[i] == cr || !h.crs || len(next) > 3 && next[3] == h.sep &&
			isAlphanumeric(next[0]) && isAlphanumeric(next[1]) && isAlphanumeric(next[2]) {
			return b[:i], next
		}
		from = i + 1
	}
}

// field is MSH-n of the message, found where the sender put it.
func (h *msh) field(n int) []byte {
	if n >= 9 {
		n += h.shift
	}
	if n < 1 || n >= len(h.fields) {
		return nil
	}
	return h.fields[n]
}

// component is the first or a later component of a field, without blanks.
func (h *msh) component(n, c int) []byte {
	f := h.field(n)
	for range c - 1 {
		var more bool
		if _, f, more = bytes.Cut(f, h.enc[:1]); !more {
			return nil
		}
	}
	f, _, _ = bytes.Cut(f, h.enc[:1])
	return bytes.TrimSpace(f)
}

// findShift finds a header with one field too few or too many before the
// message type: hosts that leave MSH-7 out, Snibe. Only a header whose MSH-9
// is no message type is suspected.
func (h *msh) findShift() int {
	if h.id != "MSH" || h.looksLikeType(9, false) {
		return 0
	}
	for _, n := range [...]int{8, 10} {
		if h.looksLikeType(n, true) {
			return n - 9
		}
	}
	return 0
}

// looksLikeType tells whether field n, unshifted, is AAA or AAA^A99; strict
// demands the trigger, or ACK.
func (h *msh) looksLikeType(n int, strict bool) bool {
	code, trigger, two := bytes.Cut(h.fields[n], h.enc[:1])
	upper := func(b byte) bool { return b >= 'A' && b <= 'Z' }
	if len(code) != 3 || !upper(code[0]) || !upper(code[1]) && !isAlphanumeric(code[1]) || !isAlphanumeric(code[2]) {
		return false
	}
	if !two {
		return !strict || string(code) == "ACK"
	}
	trigger, _, _ = bytes.Cut(trigger, h.enc[:1])
	return !strict || len(trigger) == 3 && upper(trigger[0]) && isAlphanumeric(trigger[1]) && isAlphanumeric(trigger[2])
}

// correlated tells whether the message can be answered by control id.
func (h *msh) correlated() bool {
	return h.id == "MSH" && len(bytes.TrimSpace(h.field(10))) > 0
}

// version is MSH-12 as a number: 231 for 2.3.1, 250 for 2.5; 0 when it is
// none.
func (h *msh) version() int {
	v := 0
	digits := 0
	for _, b := range h.component(12, 1) {
		switch {
		case b >= '0' && b <= '9' && digits < 3:
			v = 10*v + int(b-'0')
			digits++
		case b != '.':
			return 0
		}
	}
	for ; digits > 0 && digits < 3; digits++ {
		v *= 10
	}
	return v
}

// isAck tells whether the message is an acknowledgement or the response to a
// query or an order, which answers and is not answered.
func (h *msh) isAck() bool {
	switch string(h.component(9, 1)) {
	case "ACK", "MCF":
		return true
	case "", "RSP", "RTB", "TBR", "QCK", "OSR", "ORF", "ORR", "ORL", "ORG", "ORD", "ORS", "ORN", "RRA", "RRD", "RRE",
		"RRG", "EDR", "ERP", "SRR", "EAR", "ADR", "NMR", "MFK", "MFR", "MFD":
		return len(h.msa(1)) > 0
	}
	return false
}

// msa is a field of the MSA segment.
func (h *msh) msa(n int) []byte {
	for rest := h.segment; len(rest) > 0; {
		var seg []byte
		seg, rest = h.cutSegment(bytes.TrimLeft(rest, "\r\n"))
		if len(seg) < 4 || string(seg[:3]) != "MSA" || seg[3] != h.sep {
			continue
		}
		for range n {
			var more bool
			if _, seg, more = bytes.Cut(seg, []byte{h.sep}); !more {
				return nil
			}
		}
		seg, _, _ = bytes.Cut(seg, []byte{h.sep})
		return seg
	}
	return nil
}
