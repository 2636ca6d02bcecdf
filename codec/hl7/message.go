package hl7

import (
	"bytes"
	"errors"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// The reasons for which bytes are not a message.
var (
	// ErrNoHeader is a message without MSH: nobody can say whose it is.
	ErrNoHeader = errors.New("no MSH segment: look at the raw message, the instrument's protocol may not be HL7")
	// ErrNoControlID is a message without MSH-10: it cannot be answered.
	ErrNoControlID = errors.New("no message control id in MSH-10: have the sender number its messages")
)

// continueSeparate as Options.Continuation: DSC-1 says that another message
// comes, but each is complete by itself (Mindray DSR^Q03).
const continueSeparate = "separate"

// Parse decodes one message: one MSH, with or without the envelope of a batch
// or file around it (see [Messages]). Segments are read as a stream, so that
// any structure of versions 2.1 to 2.8 will do (HL7 v2.5.1 §2.6). It fails
// with a [codec.ParseError] wrapping [ErrNoHeader] or [ErrNoControlID].
// Records[i][n] is field n of segment i, MSH-1 and MSH-2 included.
func (p *Protocol) Parse(raw []byte) (*codec.Message, error) {
	w := walk{o: &p.o, paths: p.paths, result: -1}
	t := &w.t
	t.cut(raw, &p.o)
	if t.header < 0 || t.head.id != "MSH" {
		return nil, &codec.ParseError{Protocol: Name, Err: ErrNoHeader}
	}
	if !t.head.correlated() {
		return nil, &codec.ParseError{Protocol: Name, Record: t.header + 1, Field: 10, Err: ErrNoControlID}
	}
	w.reserve()
	w.header()
	w.layout(0)
	for i, record := range t.records {
		w.segment(i, record)
	}
	w.closePatient()
	w.flushNotes()
	w.unattributed()
	w.m.Kind = w.kind()
	return w.m, nil
}

// owns tells whether raw is HL7 by its content, whatever link brought it: it
// begins with a header segment, or has one behind something that is not the
// header of an ASTM message.
func owns(raw []byte) bool {
	begin := bytes.TrimLeft(raw, " \t\r\n\v\x00\xEF\xBB\xBF")
	if startsMessage(begin) == codec.Yes {
		return true
	}
	return nextMSH(raw, 0) >= 0 && !(len(begin) > 1 && begin[0] == 'H' && isSeparator(begin[1]))
}

// segment gives one segment to who reads it.
func (w *walk) segment(i int, r []string) {
	switch r[0] {
	case "PID":
		w.newPatient(i, r)
	case "SPM":
		w.newSpecimen(i, r)
	case "SAC":
		w.newContainer(i, r)
	case "ORC":
		w.newControl(i, r)
	case "OBR":
		w.newOrder(i, r)
	case "TQ1":
		w.timing(r)
	case "INV":
		w.inventory(r)
	case "OBX":
		w.observation(i, r)
	case "NTE":
		w.note(i, r)
	case "QPD", "QRD", "QRF":
		w.query(i, r)
	case "DSP":
		w.display(i, r)
	case "MSA":
		w.acknowledgement(r)
	case "QAK":
		w.ack().Query = w.value(at(r, 2))
	case "SFT":
		w.software(r)
	case "FHS", "BHS":
		if id := w.value(at(r, 11)); id != "" {
			w.m.Batch = id
		}
	case "DSC":
		if w.o.Continuation != continueSeparate {
			w.m.Pointer = w.value(at(r, 1))
		}
	case "ADD": // not joined to a segment before: the message before goes on
		w.warn(i, 0, codec.WarnContinued)
	default:
		if !segmentName(r[0]) {
			w.warn(i, 0, codec.WarnUnknownRecord)
			w.cutResult(i)
		}
	}
}

// segmentName tells whether s can be the name of a segment.
func segmentName(s string) bool {
	upper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	return len(s) == 3 && upper(s[0]) && (upper(s[1]) || isDigit(s[1])) && (upper(s[2]) || isDigit(s[2]))
}

// unattributed warns once for each order whose reportable results have no
// specimen, though nothing says that it has several.
func (w *walk) unattributed() {
	if w.classIs('1', '2') {
		return // a calibration has no specimen
	}
	var last *int
	for i := range w.m.Results {
		x := &w.m.Results[i]
		if x.Specimen != "" || x.InstrumentSpecimen != "" || x.Supplementary || i > 0 && x.Order == last && last != nil {
			continue
		}
		if last = x.Order; x.Order == nil || len(w.m.Orders[*x.Order].Specimens) == 0 {
			w.warn(x.Record-1, 0, codec.WarnNoSpecimen)
		}
	}
}

// header reads MSH. Its fields are those of the record, moved by the header's
// shift from MSH-9 on.
func (w *walk) header() {
	m, i := w.m, w.t.header
	if w.t.head.shift != 0 {
		w.warn(i, 9, codec.WarnShiftedHeader)
	}
	name, facility := w.person(w.msh(3)), w.person(w.msh(4)) // namespace, else universal id
	if name != "" || facility != "" {
		m.Sender = &codec.Sender{Name: name, Facility: facility}
	}
	w.zone = w.o.Location
	if zone := codec.Zone(w.d.subpart(w.d.part(w.d.first(w.msh(7)), 1), 1)); zone != nil && w.t.head.shift == 0 {
		w.zone = zone // HL7 v2.5.1 §2.15.9.7: the default for all times of the message
	}
	if w.t.head.shift == 0 { // otherwise nobody knows which field is missing
		m.SentAt = w.time(w.msh(7), i, 7)
	}
	m.Type = w.wholeType(w.msh(9))
	m.ControlID = strings.TrimSpace(w.decode(w.msh(10)))
	m.Version = w.value(w.msh(12))
	m.Continues = w.value(w.msh(14))
	w.code, w.trigger = w.word(w.msh(9), 1), w.word(w.msh(9), 2)
	switch w.processing = strings.ToUpper(w.value(w.msh(11))); w.processing {
	case "P":
		m.Processing = "production"
	case "T":
		m.Processing = "training"
	case "D":
		m.Processing = "debugging"
	case "Q":
		m.Processing = "qc" // Mindray BC host interface manual: MSH-11 Q
	}
	if c := strings.TrimSpace(w.msh(16)); len(c) == 1 && isDigit(c[0]) {
		w.class = c[0]
	}
	w.fromEDAN = w.edan()
	for profile := w.msh(21); profile != ""; {
		var first string
		first, profile, _ = w.d.nextRepetition(profile)
		w.law = w.law || strings.HasPrefix(first, "LAB-2") && strings.HasSuffix(first, "IHE")
	}
}

// msh is field n of the header, found where the sender put it.
func (w *walk) msh(n int) string {
	if n >= 9 {
		n += w.t.head.shift
	}
	return at(w.t.records[w.t.header], n)
}

// wholeType is MSH-9 with the usual component separator.
func (w *walk) wholeType(field string) string {
	s := strings.TrimRight(strings.TrimSpace(w.d.first(field)), string(rune(w.d.component)))
	if w.d.component != '^' {
		s = strings.ReplaceAll(s, string(rune(w.d.component)), "^")
	}
	return w.decode(s)
}

// software reads SFT: SFT-2 version and SFT-3 product.
func (w *walk) software(r []string) {
	version := strings.TrimSpace(w.value(at(r, 3)) + " " + w.value(at(r, 2)))
	if version == "" || w.m.Sender != nil && w.m.Sender.Software != "" {
		return
	}
	if w.m.Sender == nil {
		w.m.Sender = &codec.Sender{}
	}
	w.m.Sender.Software = version
}

func (w *walk) ack() *codec.Ack {
	if w.m.Ack == nil {
		w.m.Ack = &codec.Ack{}
	}
	return w.m.Ack
}

// acknowledgement reads MSA. Its presence means that the message answers.
func (w *walk) acknowledgement(r []string) {
	a := w.ack()
	a.Code, a.ControlID, a.Text = w.value(at(r, 1)), w.whole(at(r, 2)), w.whole(at(r, 3))
	w.answers = true
}
