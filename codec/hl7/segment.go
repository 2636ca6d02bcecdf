package hl7

import (
	"bytes"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// text is a message decoded and cut into segments and fields. Every string
// is a part of one string, so a message of any size costs a few allocations.
type text struct {
	d       delimiters
	head    msh        // the header segment, in the raw bytes' order
	header  int        // index of the header in records
	records [][]string // HL7 numbers: [0] is the segment's name, [n] field n
	charset string
	obx     int // how many there are, to make room for
	obr     int
	spm     int
	parts   []string // of the last field, which ADD segments continue
	warn    []codec.Warning
}

// cut decodes raw and splits it, in this order (HL7 v2.5.1 §2.5, the charset
// first because trail bytes of GBK, Big5 and Shift_JIS may equal delimiters).
func (t *text) cut(raw []byte, o *codec.Options) {
	t.header = -1
	t.head = readMSH(raw)
	if t.head.id == "" { // UTF-16 begins with a byte order mark or not at all
		if plain, charset, _ := codec.Decode(raw, "", "", ""); charset == "UTF-16" || charset == "UTF-32" {
			raw = plain
			t.head = readMSH(raw)
			t.charset = charset
		}
	}
	t.d, t.warn = readDelimiters(&t.head)
	declared := t.declared()
	if bytes.IndexByte(raw, t.d.escape) >= 0 {
		var shifted bool
		if raw, shifted = translateShifts(raw, t.d.escape); shifted {
			declared += "~ISO IR87"
		}
	}
	plain, charset, warn := codec.Decode(raw, declared, o.Charset, o.Fallback)
	if t.charset == "" {
		t.charset = charset
	}
	if len(plain) > 0 && len(raw) > 0 && &plain[0] != &raw[0] {
		t.head = readMSH(plain) // bytes of characters may have looked like delimiters
	}
	for _, code := range warn {
		t.warn = append(t.warn, codec.Warning{Code: code})
	}
	t.split(string(plain))
}

// declared is MSH-18 with its repetitions joined by "~". Segments glued to it
// by the literal text of a dump do not belong to it.
func (t *text) declared() string {
	s := string(t.head.field(18))
	s, _, _ = strings.Cut(s, "<")
	if s = t.behindCharacters(s); t.d.repetition != '~' && t.d.repetition != 0 {
		s = strings.ReplaceAll(s, string(rune(t.d.repetition)), "~")
	}
	return s
}

// behindCharacters looks for MSH-18 further on when characters of GB 18030,
// Big5 or Shift_JIS in the fields before may hold field separators: there
// charset names may be looked for, and nothing else can be one.
func (t *text) behindCharacters(declared string) string {
	ascii := true
	for _, f := range t.head.fields[3:7] {
		for _, c := range f {
			ascii = ascii && c < 0x80
		}
	}
	if ascii {
		return declared
	}
	for _, f := range t.head.fields[18:] {
		switch _, charset, _ := codec.Decode(nil, string(f), "", ""); charset {
		case "GB18030", "Big5", "Shift_JIS":
			return string(f)
		}
	}
	return declared
}

// split cuts the decoded text into segments. They end in CR; LF ends one when
// there is no CR, next to a CR, or when what follows can only be a segment.
// Blank segments are dropped.
func (t *text) split(s string) {
	s = strings.TrimLeft(s, "\ufeff \t\r\n\v\x00\x1c")
	end := byte('\r')
	if strings.IndexByte(s, '\n') >= 0 {
		if strings.IndexByte(s, '\r') < 0 {
			end = '\n'
		}
		if end == '\n' || strings.Contains(s, "\r\n") {
			t.warn = append(t.warn, codec.Warning{Code: codec.WarnLineFeed})
		}
	}
	segments := strings.Count(s, string(rune(end))) + 1
	fields := make([]string, 0, strings.Count(s, string(rune(t.d.field)))+segments+1) // a header has one more
	t.records = make([][]string, 0, segments)
	for s != "" {
		segment := s
		if at := strings.IndexByte(s, end); at >= 0 {
			segment, s = s[:at], s[at+1:]
		} else {
			s = ""
		}
		fields = t.unglue(fields, trimEnds(segment))
	}
	t.joinParts(fields)
}

// trimEnds takes off what may stand before and behind a segment.
func trimEnds(segment string) string {
	odd := func(c byte) bool { return c == '\n' || c == 0 || c == eb }
	for segment != "" && odd(segment[0]) {
		segment = segment[1:]
	}
	for segment != "" && odd(segment[len(segment)-1]) {
		segment = segment[:len(segment)-1]
	}
	return segment
}

// unglue adds a segment, or the several that it holds: behind a lone LF, or
// behind the literal text <13> or <CR> of a dump tool that has become part of
// the message (Roche cITm). Both only where a segment's name and the field
// separator follow.
func (t *text) unglue(fields []string, segment string) []string {
	if strings.IndexByte(segment, '\n') < 0 && strings.IndexByte(segment, '<') < 0 {
		return t.add(fields, segment)
	}
	from := 0
	for i := 0; i < len(segment); i++ {
		n, code := seam(segment[i:], t.d.field)
		if n == 0 {
			continue
		}
		fields = t.add(fields, segment[from:i])
		t.warn = append(t.warn, codec.Warning{Record: len(t.records), Code: code})
		from = i + n
		i = from - 1
	}
	return t.add(fields, segment[from:])
}

// seam tells whether s begins with what parts two segments: its length and
// the warning that it deserves.
func seam(s string, field byte) (int, string) {
	const mark = len("<13>")
	switch {
	case s[0] == '\n' && beginsSegment(s[1:], field):
		return 1, codec.WarnLineFeed
	case (strings.HasPrefix(s, "<13>") || strings.HasPrefix(s, "<CR>")) && beginsSegment(s[mark:], field):
		return mark, codec.WarnGluedSegments
	}
	return 0, ""
}

func beginsSegment(s string, field byte) bool {
	return len(s) > 3 && s[3] == field && segmentName(s[:3])
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// add splits one segment into fields, which stand behind those of the
// segments before.
func (t *text) add(fields []string, segment string) []string {
	if segment == "" || segment[0] <= ' ' && strings.TrimLeft(segment, " \t\v\f") == "" {
		return fields
	}
	name := segment[:min(3, len(segment))]
	separator := t.d.field
	if name == "ADD" && len(segment) > 3 && segment[3] == separator && len(t.records) > t.header+1 {
		return t.rejoin(fields, segment[4:])
	}
	t.joinParts(fields)
	begin := len(fields)
	switch name {
	case "MSH", "FHS", "BHS":
		if len(segment) > 3 && isSeparator(segment[3]) {
			separator = segment[3]
			if name == t.head.id && t.header < 0 {
				t.header = len(t.records)
			}
			fields = append(fields, name, segment[3:4])
			segment = segment[4:]
		}
	case "OBX":
		t.obx++
	case "OBR":
		t.obr++
	case "SPM":
		t.spm++
	}
	from := 0
	for i := range len(segment) {
		if segment[i] == separator {
			fields = append(fields, segment[from:i])
			from = i + 1
		}
	}
	fields = append(fields, segment[from:])
	t.records = append(t.records, fields[begin:len(fields):len(fields)])
	return fields
}

// rejoin appends what an ADD segment carries to the last field of the segment
// before (HL7 v2.5.1 §2.10.2.1). An ADD behind the header continues the last
// message and stays a record. The parts of one field are joined at once when
// the last is there: a sender may cut a field into any number.
func (t *text) rejoin(fields []string, rest string) []string {
	last := len(t.records) - 1
	begin := len(fields) - len(t.records[last])
	if len(t.parts) == 0 {
		t.parts = append(t.parts, fields[len(fields)-1])
		t.warn = append(t.warn, codec.Warning{Record: last + 1, Code: codec.WarnContinued})
	}
	for more := true; more; {
		var part string
		part, rest, more = cutByte(rest, t.d.field)
		t.parts = append(t.parts, part)
		if more {
			t.joinParts(fields)
			fields = append(fields, "")
			t.parts = append(t.parts, "")
		}
	}
	t.records[last] = fields[begin:len(fields):len(fields)]
	return fields
}

// joinParts gives the last field the parts that ADD segments brought.
func (t *text) joinParts(fields []string) {
	if len(t.parts) > 0 {
		fields[len(fields)-1] = strings.Join(t.parts, "")
		t.parts = t.parts[:0]
	}
}
