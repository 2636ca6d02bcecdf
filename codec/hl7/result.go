package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// observation reads OBX (HL7 v2.5.1 §7.4.2).
func (w *walk) observation(i int, r []string) {
	w.orphanControl()
	if w.order == nil && !w.covered {
		w.covered = true
		w.addGroup()
	}
	w.result, w.target = len(w.m.Results), toResult
	w.m.Results = append(w.m.Results, codec.Result{})
	x := &w.m.Results[w.result] // filled in place: a Result is too large to be passed around
	x.Specimen, x.InstrumentSpecimen, x.Patient, x.Order, x.Record = w.specimen, w.second, w.patient, w.order, i+1
	x.ValueType = w.value(at(r, 2))
	x.Range = trim(w.whole(at(r, 7)))
	x.Flags = w.flagsOf(at(r, 8))
	x.Status = w.status(at(r, 11), i)
	x.Operator = w.person(at(r, 16))
	x.Equipment = w.equipment(at(r, 18))
	id := w.words(at(r, 3))
	w.identify(x, r, &id)
	x.Units = w.units(at(r, 6), i)
	x.ObservedAt = w.observedAt(r, i)
	if x.Supplementary = w.supplementary(x, r, id[3]); !w.attach(x, r, i) {
		w.valueOf(x, at(r, 5), i)
	}
	if x.Status == "X" && x.Value == "" {
		if reason := w.word(at(r, 8), 2); reason != "" {
			x.Comments = append(x.Comments, reason)
		}
	}
}

// identify finds the test; id are the words of OBX-3. The code is component 1 of OBX-3 (or the one that
// Options.CodeComponent says), else the alternate one, else its text, else
// OBX-4, where chemistry analyzers of Mindray and their like have the test's
// name. Of a code with sub-components (GeneXpert: host test & result code &
// assay) the first is the code, and the second stands in for a missing name.
// OBX-4 is otherwise what keeps rows of one code apart: the aspect.
func (w *walk) identify(x *codec.Result, r []string, id *[6]string) {
	if w.fromEDAN && w.identifyEDAN(x, r) {
		return
	}
	x.Code, x.Name, x.CodeSystem = id[0], id[1], id[2]
	switch {
	case w.o.CodeComponent > 0:
		x.Code = w.word(at(r, 3), w.o.CodeComponent)
		if w.o.CodeComponent >= 4 && w.o.CodeComponent <= 6 {
			fill(&x.Name, id[4])
			x.CodeSystem = id[5]
		}
	case x.Code == "" && !strings.HasPrefix(id[3], "S_"):
		if x.Code = id[3]; x.Code != "" {
			fill(&x.Name, id[4])
			x.CodeSystem = id[5]
		} else {
			x.Code = x.Name
		}
	}
	if x.Name == "" {
		x.Name = strings.TrimSpace(w.decode(w.d.subpart(w.d.part(w.d.first(at(r, 3)), 1), 2)))
	}
	aspect := at(r, 4)
	if len(aspect) > 256 { // an image that has slipped a field (URIT)
		return
	}
	x.Aspect = trim(w.whole(aspect))
	if x.Name == "" && x.Aspect != "" && !startsWithDigit(x.Aspect) && x.ValueType != "ED" && strings.IndexByte(aspect, w.d.component) < 0 {
		x.Name, x.Aspect = x.Aspect, ""
		fill(&x.Code, x.Name)
	}
}

func startsWithDigit(s string) bool { return s != "" && isDigit(s[0]) }

// flagsOf are the identifiers of OBX-8, one for each repetition.
func (w *walk) flagsOf(field string) []string {
	if field == "" {
		return nil
	}
	begin := len(w.lists)
	for more := true; more; {
		var first string
		first, field, more = w.d.nextRepetition(field)
		if flag := w.value(first); flag != "" {
			w.lists = append(w.lists, flag)
		}
	}
	if begin == len(w.lists) {
		return nil
	}
	return w.lists[begin:len(w.lists):len(w.lists)]
}

// status is OBX-11 by HL7 table 0085; a missing one is final, as instruments
// that leave it out mean it.
func (w *walk) status(field string, record int) string {
	if field == "F" {
		return field // as nearly every result is
	}
	s := w.value(field)
	if len(s) == 1 && s[0] >= 'a' && s[0] <= 'z' {
		s = strings.ToUpper(s)
	}
	switch {
	case s == "":
		return "F"
	case len(s) > 1 || strings.IndexByte("BCDFINOPRSUVWX", s[0]) < 0:
		w.warn(record, 11, codec.WarnUnknownStatus)
	}
	return s
}

// person is component 1, else 2: the id of a person, else the family name.
func (w *walk) person(field string) string {
	if field == "" {
		return ""
	}
	if id := w.word(field, 1); id != "" {
		return id
	}
	return w.word(field, 2)
}

// equipment are the identifiers of OBX-18, repetitions as sent.
func (w *walk) equipment(field string) string {
	if field == "" {
		return ""
	}
	if w.d.repetition == 0 || strings.IndexByte(field, w.d.repetition) < 0 {
		return w.value(field)
	}
	if field == w.lastUnit {
		return w.lastNamed
	}
	w.lastUnit = field
	var b strings.Builder
	b.Grow(len(field))
	for more := true; more; {
		var first string
		first, field, more = w.d.nextRepetition(field)
		if id := w.value(first); id != "" {
			if b.Len() > 0 {
				b.WriteByte(w.d.repetition)
			}
			b.WriteString(id)
		}
	}
	w.lastNamed = b.String()
	return w.lastNamed
}

// units are the code of OBX-6, else its text. An unescaped caret of a power
// (10^9/L) is no component separator (protocols.md §6.1).
func (w *walk) units(field string, record int) string {
	if field == "" {
		return ""
	}
	switch code := w.word(field, 1); code {
	case "":
		return w.word(field, 2)
	case "10":
		if text := w.word(field, 2); startsWithDigit(text) {
			w.warn(record, 6, codec.WarnUnescapedUnits)
			return code + string(rune(w.d.component)) + text
		}
		return code
	default:
		return code
	}
}

// observedAt is when the analysis was (OBX-19), else when the observation was
// (OBX-14), else the time of the whole order (OBR-7), which holds for all its
// observations (HL7 v2.5.1 §7.4.1.7). One that is there and cannot be read is
// no reason to take another's.
func (w *walk) observedAt(r []string, i int) string {
	for _, n := range [...]int{19, 14} {
		if t := w.time(at(r, n), i, n); t != "" || w.unreadable {
			return t
		}
	}
	if w.order != nil {
		return w.orderTime
	}
	return ""
}
