package hl7

import (
	"strings"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// walk is the state of reading one message segment by segment: what is
// current is what a result belongs to.
type walk struct {
	t text
	m *codec.Message
	o *codec.Options
	d delimiters

	code, trigger string // MSH-9
	processing    string // MSH-11
	class         byte   // MSH-16 as a result class (Mindray chemistry, Getein, EDAN); 0 = none
	law           bool   // MSH-21 names an IHE LAW profile
	fromEDAN      bool   // MSH-4 names EDAN
	answers       bool   // there is an MSA
	refill        bool   // an order that asks for an order: ORC-1 RF
	display29     bool   // DSP lines of a sample download
	paths         []path // Options.SpecimenPath as far as it is HL7's

	pid, spm, sac, orc, obr []string // the current segments; nil = none
	spmAt, orcAt            int      // their records
	orcTaken                bool     // orc belongs to an order already
	trailing                bool     // in this patient's part SPM comes behind its OBR
	patient, order          *int
	specimen, second        string   // of the current scope
	trail                   []string // specimens named behind the current OBR
	covered                 bool     // the current SPM or SAC has an order or a result
	orderFrom               int      // first result of the current order
	result                  int      // the current result, or -1
	target                  target
	pending                 []note
	groups                  []group
	named                   bool           // INV of the current specimen names a control
	priority                string         // of a TQ1 before its OBR
	orderTime               string         // OBR-7
	zone                    *time.Location // of times without one
	unreadable              bool           // the last time that was read does not exist
	controlPatient          bool           // PID says that it is no patient but a control
	lastTime, lastRead      string         // many results carry the same time
	lastUnit, lastNamed     string         // and the same equipment

	lists   []string  // one backing array for the lists that mostly hold one
	numbers []float64 // one for what Number points to
	indexes []int     // one for what Patient and Order point to
}

type target int

const (
	toMessage target = iota
	toPatient
	toOrder
	toResult
	toPending // the order that will follow
)

type note struct {
	text, source string
	record       int
}

// group is what one order or specimen group is for.
type group struct {
	control     bool // says that it is quality control
	named       bool // and names the control in INV
	calibration bool // says that it is calibration
}

// reserve makes the message and room for what the text holds.
func (w *walk) reserve() {
	t := &w.t
	w.d = t.d
	w.m = &codec.Message{
		Schema: codec.Schema, Protocol: Name, Charset: t.charset,
		Records: t.records, Warnings: t.warn,
	}
	if t.obx > 0 {
		w.m.Results = make([]codec.Result, 0, t.obx)
		w.numbers = make([]float64, 0, t.obx)
	}
	if t.obr > 0 {
		w.m.Orders = make([]codec.Order, 0, t.obr)
	}
	w.indexes = make([]int, 0, t.obr+1)
	w.lists = make([]string, 0, t.obx+t.obr+1)
}

// index is n in a place of its own.
func (w *walk) index(n int) *int {
	w.indexes = append(w.indexes, n)
	return &w.indexes[len(w.indexes)-1]
}

// warn notes a tolerance; record counts from 0 here and from 1 outside.
func (w *walk) warn(record, field int, code string) {
	w.m.Warnings = append(w.m.Warnings, codec.Warning{Record: record + 1, Field: field, Code: code})
}

// note attaches NTE to the nearest observation, order or patient.
func (w *walk) note(i int, r []string) {
	n := note{text: w.noteText(r), source: w.value(at(r, 2)), record: i + 1}
	if n.text == "" {
		return
	}
	switch w.target {
	case toPatient:
		if w.patient != nil {
			p := &w.m.Patients[*w.patient]
			p.Comments = append(p.Comments, n.text)
			return
		}
	case toOrder:
		o := &w.m.Orders[*w.order]
		o.Comments = append(o.Comments, n.text)
		return
	case toResult:
		if w.result >= 0 {
			x := &w.m.Results[w.result]
			x.Comments = append(x.Comments, n.text)
			return
		}
	case toPending:
		w.pending = append(w.pending, n)
		return
	case toMessage:
	}
	w.m.Comments = append(w.m.Comments, codec.Comment{Text: n.text, Source: n.source, Record: n.record})
}

// noteText is NTE-3, repetitions as lines; senders that shift their fields
// have it in NTE-4, or in NTE-2 where a one-letter source belongs.
func (w *walk) noteText(r []string) string {
	text := strings.TrimSpace(w.lines(at(r, 3)))
	if text == "" {
		text = strings.TrimSpace(w.lines(at(r, 4)))
	}
	if text == "" && len(at(r, 2)) > 2 {
		text = strings.TrimSpace(w.lines(at(r, 2)))
	}
	return text
}

// lines is a field with one line for each repetition.
func (w *walk) lines(field string) string {
	if w.d.repetition == 0 || strings.IndexByte(field, w.d.repetition) < 0 {
		return w.whole(field)
	}
	var b strings.Builder
	for more := true; more; {
		var first string
		if first, field, more = w.d.nextRepetition(field); b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(w.whole(first))
	}
	return b.String()
}

// flushNotes gives notes that waited for an order to the message.
func (w *walk) flushNotes() {
	for _, n := range w.pending {
		w.m.Comments = append(w.m.Comments, codec.Comment{Text: n.text, Source: n.source, Record: n.record})
	}
	w.pending = nil
}
