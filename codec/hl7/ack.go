package hl7

import (
	"bytes"
	"strconv"
)

// fault is what an error acknowledgement says: a code of table 0357 and the
// place, never content.
type fault struct {
	code  int
	text  string
	field int // of MSH; 0 = none
}

// The faults, with the texts of table 0357.
var (
	faultStore       = fault{207, "Application internal error", 0}
	faultTooLarge    = fault{207, "Application internal error: message over the size limit", 0}
	faultContent     = fault{102, "Data type error", 0}
	faultNoMSH       = fault{100, "Segment sequence error", 1}
	faultNoControlID = fault{101, "Required field missing", 10}
)

// appendAck appends one acknowledgement in its block, in the delimiters of
// the message that it answers. Nothing of the message but header fields is in
// it (HL7 v2 §2.9, §2.13.1).
func (p *Protocol) appendAck(dst []byte, h *msh, code string, f fault) []byte {
	version := h.version()
	dst = append(dst, sb)
	dst = p.appendMSH(dst, h, version)
	dst = append(dst, "MSA"...)
	dst = append(dst, h.sep)
	dst = append(dst, code...)
	dst = append(dst, h.sep)
	if h.id == "MSH" {
		dst = appendEcho(dst, h.field(10)) // byte for byte, even if empty or 0
	}
	positive := code[1] == 'A'
	if old := version < 250 && h.id == "MSH"; old {
		dst = append(dst, h.sep)
		if positive {
			dst = append(dst, "Message accepted"...)
		} else {
			dst = append(dst, f.text...)
		}
		dst = append(dst, h.sep, h.sep, h.sep)
		dst = strconv.AppendInt(dst, int64(f.code), 10) // MSA-6; Mindray waits for the 0
	}
	dst = append(dst, cr)
	if !positive {
		dst = appendERR(dst, h, version, f)
	}
	return append(dst, eb, cr)
}

// appendMSH appends the header segment: the parties change sides, the rest is
// echoed where the instrument relies on it.
func (p *Protocol) appendMSH(dst []byte, h *msh, version int) []byte {
	now := p.now().In(p.o.Location)
	var fields [22][]byte
	fields[11], fields[12] = h.field(11), h.field(12)
	layout := "20060102150405"
	switch h.id {
	case "MSH":
		fields[18], fields[21] = h.field(18), h.field(21)
		if _, known := condition(h.field(16)); !known {
			fields[16] = h.field(16) // Mindray: the class of the result
		}
		if zoned(h.component(7, 1)) {
			layout += "-0700"
		}
	default:
		fields[11], fields[12] = []byte("P"), []byte("2.5.1")
	}
	if h.id != "" {
		fields[3], fields[4], fields[5], fields[6] = h.field(5), h.field(6), h.field(3), h.field(4)
	}
	last := 12
	for n := len(fields) - 1; n > last; n-- {
		if len(fields[n]) > 0 {
			last = n
		}
	}
	dst = append(dst, "MSH"...)
	dst = append(dst, h.sep)
	dst = append(dst, h.enc...)
	for n := 3; n <= last; n++ {
		dst = append(dst, h.sep)
		switch n {
		case 7:
			dst = now.AppendFormat(dst, layout)
		case 9:
			dst = appendType(dst, h, version)
		case 10:
			dst = p.appendID(dst, h)
		default:
			dst = appendEcho(dst, fields[n])
		}
	}
	return append(dst, cr)
}

// appendType appends MSH-9: ACK alone up to v2.2 and without a trigger. The
// third component came with v2.3.1, where Mindray does not expect it: there
// it is given to those who sent one.
func appendType(dst []byte, h *msh, version int) []byte {
	dst = append(dst, "ACK"...)
	trigger := h.component(9, 2)
	if h.id != "MSH" || len(trigger) == 0 || version > 0 && version < 230 {
		return dst
	}
	dst = append(dst, h.enc[0])
	dst = appendEcho(dst, trigger)
	if version >= 240 || version == 231 && len(h.component(9, 3)) > 0 {
		dst = append(dst, h.enc[0])
		dst = append(dst, "ACK"...)
	}
	return dst
}

func (p *Protocol) appendID(dst []byte, h *msh) []byte {
	if p.o.Has(quirkEchoControl) && h.correlated() {
		return appendEcho(dst, h.field(10))
	}
	return append(dst, p.id()...)
}

// appendERR appends what was wrong: since v2.5 location, code and severity
// have fields of their own, before they were components of ERR-1.
func appendERR(dst []byte, h *msh, version int, f fault) []byte {
	comp, sub := h.enc[0], byte('&')
	if len(h.enc) > 3 {
		sub = h.enc[3]
	}
	place := func() {
		if f.field > 0 {
			dst = append(dst, "MSH"...)
			dst = append(dst, comp, '1', comp)
			dst = strconv.AppendInt(dst, int64(f.field), 10)
		}
	}
	dst = append(dst, "ERR"...)
	dst = append(dst, h.sep)
	if version < 250 && h.id == "MSH" {
		if place(); f.field == 0 {
			dst = append(dst, comp, comp)
		}
		dst = append(dst, comp)
		dst = appendCode(dst, f, sub)
		return append(dst, cr)
	}
	dst = append(dst, h.sep)
	place()
	dst = append(dst, h.sep)
	dst = appendCode(dst, f, comp)
	dst = append(dst, h.sep, 'E', h.sep, h.sep, h.sep, h.sep)
	dst = append(dst, f.text...)
	return append(dst, cr)
}

func appendCode(dst []byte, f fault, sep byte) []byte {
	dst = strconv.AppendInt(dst, int64(f.code), 10)
	dst = append(dst, sep)
	dst = append(dst, f.text...)
	dst = append(dst, sep)
	return append(dst, "HL70357"...)
}

// appendEcho appends a field of the message without the bytes that would end
// our segment or our block.
func appendEcho(dst, field []byte) []byte {
	if bytes.IndexByte(field, sb) < 0 && bytes.IndexByte(field, eb) < 0 {
		return append(dst, field...)
	}
	for _, b := range field {
		if b != sb && b != eb {
			dst = append(dst, b)
		}
	}
	return dst
}

// zoned tells whether a time ends in an offset from UTC.
func zoned(t []byte) bool {
	i := bytes.LastIndexAny(t, "+-")
	return i >= 4 && len(t)-i >= 5 && !bytes.ContainsAny(t[:i], "-")
}

// appendBlock appends raw in a block.
func appendBlock(dst, raw []byte) []byte {
	dst = append(dst, sb)
	dst = append(dst, raw...)
	return append(dst, eb, cr)
}
