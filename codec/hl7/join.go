package hl7

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

var _ codec.Joiner = (*Protocol)(nil)

// Part reads MSH-14 and DSC (HL7 v2.5.1 §2.10.2.2). It looks at the header
// and for a DSC segment only: every message that comes goes through here.
func (p *Protocol) Part(raw []byte) (codec.Part, bool) {
	if p.o.Continuation == continueSeparate {
		return codec.Part{}, false
	}
	h := readMSH(raw)
	if h.id == "" {
		plain, charset, _ := codec.Decode(raw, "", "", "")
		if !strings.HasPrefix(charset, "UTF-") {
			return codec.Part{}, false
		}
		raw, h = plain, readMSH(plain)
	}
	if !h.correlated() {
		return codec.Part{}, false
	}
	dsc := h.continuation(raw)
	head, _ := h.cutSegment(raw[nextMSH(raw, 0):])
	if dsc == nil && len(h.field(14)) == 0 && isPlain(head) {
		return codec.Part{}, false
	}
	if h.crs {
		head = slices.Concat(head, []byte{cr}) // or an LF in a field would end the segment
	}
	w := walk{o: &p.o}
	w.t.cut(head, &p.o)
	t := &w.t
	if t.header < 0 || !t.head.correlated() { // in its charset a separator was a trail byte: Parse refuses it
		return codec.Part{}, false
	}
	w.m, w.d = &codec.Message{Charset: t.charset}, t.d
	part := codec.Part{Sender: w.msh(3) + string(rune(t.d.field)) + w.msh(4)}
	if before := w.value(w.msh(14)); !acceptCondition(before) {
		part.Continues = before
	}
	if dsc != nil {
		plain, _, _ := codec.Decode(dsc, "", t.charset, p.o.Fallback)
		fields := strings.Split(string(plain), string(rune(t.d.field)))
		if fragments(w.word(w.msh(9), 1), strings.ToUpper(w.value(at(fields, 2)))) {
			part.Pointer = w.value(at(fields, 1))
		}
	}
	return part, part.Continues != "" || part.Pointer != ""
}

// fragments tells whether DSC means that the message itself goes on. I, and
// a query or the answer to one that does not say, mean that the one who asks
// may ask for more; each of these is complete (HL7 v2.5.1 §5.6.3).
func fragments(code, style string) bool {
	switch style {
	case "F":
		return true
	case "I":
		return false
	}
	switch code {
	case "QBP", "QRY", "QSB", "QVR", "SQM", "VQQ", "SPQ", "EQQ", "RQQ", "QCN",
		"DSR", "RSP", "ORF", "OSR", "ERP", "TBR", "RTB", "EDR":
		return false
	}
	return true
}

// acceptCondition is a value of MSH-15 and MSH-16 (table 0155): in MSH-14 it
// means that the sender has left a field out, not that the message continues
// another.
func acceptCondition(s string) bool {
	switch s {
	case "AL", "NE", "ER", "SU":
		return true
	}
	return false
}

// isPlain tells whether b is ASCII without shifts: its fields are where its
// separators are.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c == 0x1B {
			return false
		}
	}
	return true
}

// continuation is the last DSC segment of raw; nil without one.
func (h *msh) continuation(raw []byte) []byte {
	var last []byte
	for from := 0; ; {
		at := h.nextDSC(raw, from)
		if at < 0 {
			return last
		}
		last, _ = h.cutSegment(raw[at:])
		from = at + 3
	}
}

// nextDSC is where the next DSC segment begins, or -1.
func (h *msh) nextDSC(b []byte, from int) int {
	for name := []byte{'D', 'S', 'C', h.sep}; ; from++ {
		i := bytes.Index(b[from:], name)
		if i < 0 {
			return -1
		}
		if from += i; lineStart(b, from) || bytes.HasSuffix(b[:from], []byte("<13>")) || bytes.HasSuffix(b[:from], []byte("<CR>")) {
			return from
		}
	}
}

// Join makes the uncut message: the header of the first part, whose control
// id and time are the message's, then the segments of all parts without their
// headers and DSC. An ADD behind a later header goes on where the part before
// ended (HL7 v2.5.1 §2.10.2.1), byte by byte, so that even a character that
// was cut is whole again.
func (p *Protocol) Join(parts [][]byte) ([]byte, error) {
	var first msh
	var out []byte
	for n, raw := range parts {
		h := readMSH(raw)
		if n == 0 {
			first = h
			size := 0
			for _, raw := range parts {
				size += len(raw) + 1
			}
			out = make([]byte, 0, size)
		}
		if field, why := first.unlike(&h); why != "" {
			return nil, &codec.ParseError{Protocol: Name, Record: 1, Field: field, Err: fmt.Errorf("%w: part %d %s", codec.ErrParts, n+1, why)}
		}
		body := raw
		if n > 0 {
			_, body = h.cutSegment(raw[nextMSH(raw, 0):])
		}
		if body = h.withoutDSC(body); n < len(parts)-1 {
			body = h.withoutTrailer(body)
		}
		out = first.join(out, body)
	}
	if len(parts) == 0 {
		return nil, &codec.ParseError{Protocol: Name, Err: codec.ErrParts}
	}
	return out, nil
}

// unlike tells what keeps a part from being one of the message that h begins.
func (h *msh) unlike(part *msh) (field int, why string) {
	switch {
	case part.id != "MSH":
		return 0, "has no header that can be read; messages of UTF-16 are not joined"
	case part.sep != h.sep || !bytes.Equal(part.fields[2], h.fields[2]):
		return 2, "has other encoding characters than the first"
	case !bytes.Equal(part.component(9, 1), h.component(9, 1)) || !bytes.Equal(part.component(9, 2), h.component(9, 2)):
		return 9, "is of another type than the first"
	case !bytes.Equal(bytes.TrimSpace(part.field(18)), bytes.TrimSpace(h.field(18))):
		return 18, "is of another character set than the first"
	}
	return 0, ""
}

// join appends the segments of one more part to out.
func (h *msh) join(out, body []byte) []byte {
	body = bytes.Trim(body, "\r\n\x00\x1c")
	if len(body) == 0 {
		return out
	}
	end := byte(cr)
	if !h.crs {
		end = lf
	}
	if rest, ok := bytes.CutPrefix(body, []byte{'A', 'D', 'D', h.sep}); ok {
		if text := bytes.TrimRight(out, "\r\n"); bytes.ContainsAny(text[max(0, nextMSH(text, 0)):], "\r\n") {
			return append(append(text, rest...), end)
		}
	}
	return append(append(out, body...), end)
}

// withoutDSC is b without its DSC segments; b is not changed.
func (h *msh) withoutDSC(b []byte) []byte {
	at := h.nextDSC(b, 0)
	if at < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for ; at >= 0; at = h.nextDSC(b, 0) {
		out = append(out, b[:at]...)
		_, b = h.cutSegment(b[at:])
	}
	return append(out, b...)
}

// withoutTrailer is b, which another part follows, without the end of a batch
// and without the empty ADD that announces the other part's.
func (h *msh) withoutTrailer(b []byte) []byte {
	for {
		b = bytes.TrimRight(b, "\r\n\x00\x1c")
		last := bytes.LastIndexAny(b, "\r\n") + 1
		name, rest, _ := bytes.Cut(b[last:], []byte{h.sep})
		switch {
		case string(name) == "BTS", string(name) == "FTS", string(name) == "ADD" && len(rest) == 0:
			b = b[:last]
		default:
			return b
		}
	}
}
