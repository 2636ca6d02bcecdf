package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// newPatient reads PID and begins a scope of its own: nothing of the patient
// before belongs to this one.
func (w *walk) newPatient(i int, r []string) {
	w.closePatient()
	w.pid, w.controlPatient = r, w.controlIdentity(r)
	w.layout(i + 1)
	p := codec.Patient{Record: i + 1}
	// PID-3 is the list that the receiver knows; PID-2 and PID-4 are where
	// older versions and some instruments have it.
	for _, n := range [...]int{3, 2, 4} {
		if n == 3 && w.fromEDAN {
			continue
		}
		p.IDs = w.appendIDs(p.IDs, at(r, n))
	}
	if len(p.IDs) > 0 {
		p.ID = p.IDs[0]
	}
	p.Name = w.name(at(r, 5))
	p.BirthDate = w.birth(at(r, 7), i)
	p.Sex = w.sex(at(r, 8))
	if p.ID == "" && p.Name == nil && p.BirthDate == "" && p.Sex == "" {
		return // a PID without anybody in it
	}
	w.patient, w.target = w.index(len(w.m.Patients)), toPatient
	w.m.Patients = append(w.m.Patients, p)
}

func (w *walk) appendIDs(ids []string, field string) []string {
	for more := field != ""; more; {
		var first string
		first, field, more = w.d.nextRepetition(field)
		if id := w.value(first); id != "" && !known(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// name reads an XPN: family, given, further given names.
func (w *walk) name(field string) *codec.Name {
	if field == "" {
		return nil
	}
	n := codec.Name{Family: w.word(field, 1), Given: w.word(field, 2), Middle: w.word(field, 3)}
	if n == (codec.Name{}) {
		return nil
	}
	return &n
}

// birth is a date: the hour that instruments add is nobody's.
func (w *walk) birth(field string, record int) string {
	leaf := w.value(field)
	if len(leaf) > 8 && strings.Trim(leaf[:8], "0123456789") == "" {
		leaf = leaf[:8]
	}
	return w.time(leaf, record, 7)
}

// sex is HL7 table 0001 where it is one of its letters, else as sent.
func (w *walk) sex(field string) string {
	s := w.value(field)
	if len(s) == 1 && strings.Contains("mfuoaMFUOA", s) {
		return strings.ToUpper(s)
	}
	return s
}

func (w *walk) closePatient() {
	w.closeSpecimen()
	w.pid, w.patient, w.controlPatient = nil, nil, false
	w.target = toMessage
}
