package astm

import (
	"slices"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// takePatient is P (LIS02-A2 §7).
func (w *walk) takePatient() {
	w.forget()
	w.counted(&w.count.p)
	for n := 3; n <= 6; n++ {
		w.controlPatient = w.controlPatient || w.anyLeaf(w.field(n), codec.ControlWord)
	}
	for i, p := range w.paths {
		if p.letter == 'P' {
			w.paths[i].id = w.follow(p)
		}
	}
	if w.place != nil && w.place.letter == 'P' {
		w.ofPatient = w.field(w.place.field)
	}
	p := codec.Patient{Sex: w.text(9), BirthDate: w.time(8), Name: w.name(w.field(6)), Record: w.row}
	if len(p.BirthDate) > len("2026-11-23") {
		p.BirthDate = p.BirthDate[:len("2026-11-23")]
	}
	for n := 3; n <= 5; n++ { // practice, laboratory, third id
		if id := w.firstValued(w.field(n)); id != "" && !slices.Contains(p.IDs, id) {
			p.IDs = append(p.IDs, id)
		}
	}
	if len(p.IDs) > 0 {
		p.ID = p.IDs[0]
	}
	at := len(w.m.Patients)
	w.patient = &at
	w.m.Patients = append(w.m.Patients, p)
}

// name reads last^first^middle (LIS02-A2 §5.6.6).
func (w *walk) name(field string) *codec.Name {
	first, _ := cutAt(field, w.d.repeat)
	n := codec.Name{
		Family: w.decode(w.d.nth(first, 1)),
		Given:  w.decode(w.d.nth(first, 2)),
		Middle: w.decode(w.d.nth(first, 3)),
	}
	if n == (codec.Name{}) {
		return nil
	}
	return &n
}

// The fields of O that more than one function reads.
const (
	fieldSpecimen = 3
	fieldCarrier  = 4
	fieldTests    = 5
	fieldAction   = 12
)

// takeOrder is O (LIS02-A2 §8).
func (w *walk) takeOrder() {
	w.counted(&w.count.o)
	w.count.r, w.result = 0, -1
	if w.patient == nil {
		w.warn(0, codec.WarnOrphanOrder)
	}
	o := codec.Order{
		InstrumentSpecimen: w.carrier(),
		Tests:              w.tests(w.field(fieldTests)),
		Priority:           w.firstOf(6),
		RequestedAt:        w.time(7),
		CollectedAt:        w.time(8),
		Action:             w.firstOf(fieldAction),
		ReceivedAt:         w.time(15),
		Material:           w.compact(w.field(16)),
		Status:             strings.ToUpper(w.firstOf(26)),
		Patient:            w.patient,
		Record:             w.row,
	}
	w.specimen(&o)
	w.position(&o)
	if w.controlOrder() {
		o.Role = "Q"
	}
	at := len(w.m.Orders)
	w.order = &at
	w.m.Orders = append(w.m.Orders, o)
	if w.header12 == "QR" {
		w.takeControls()
	}
}

// firstOf is the first repeat and component of field n.
func (w *walk) firstOf(n int) string {
	first, _ := cutAt(w.field(n), w.d.repeat)
	return w.firstValued(first)
}

// carrier is O.4 without empty ends: its first repeat that holds something.
func (w *walk) carrier() string {
	for repeat := range w.repeats(w.field(fieldCarrier)) {
		if text := w.compact(repeat); text != "" {
			return text
		}
	}
	return ""
}

// tests are the codes of O.5 or Q.5, each once.
func (w *walk) tests(field string) []string {
	if strings.TrimSpace(field) == "" {
		return nil
	}
	out := make([]string, 0, 1+strings.Count(field, w.d.repeat))
	for repeat := range w.repeats(field) {
		if code, _ := w.code(repeat); code != "" {
			out = append(out, code)
		}
	}
	return distinct(out)
}

// distinct keeps the first of equal strings.
func distinct(list []string) []string {
	if len(list) < 2 {
		return list
	}
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}

// controlOrder tells quality control from patients' work: all of the message
// (H.12), the action code Q (LIS02-A2 §8.4.12), QC in O.26, in a component of
// O.4 (Roche), as specimen descriptor (CTRL^^…, Horiba), or as patient.
func (w *walk) controlOrder() bool {
	if w.control || strings.EqualFold(w.firstOf(fieldAction), "Q") || codec.ControlWord(w.text(26)) {
		return true
	}
	if w.anyLeaf(w.field(16), codec.ControlWord) || w.anyLeaf(w.field(fieldCarrier), func(leaf string) bool { return leaf == "QC" }) {
		return true
	}
	return w.controlPatient
}

// anyLeaf reports whether a component of any repeat satisfies is.
func (w *walk) anyLeaf(field string, is func(string) bool) bool {
	for repeat := range w.repeats(field) {
		for more := repeat; more != ""; {
			var leaf string
			leaf, more = cutAt(more, w.d.component)
			if is(strings.TrimSpace(leaf)) {
				return true
			}
		}
	}
	return false
}

// repeats are the repeats of a field.
func (w *walk) repeats(field string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for more := field; more != ""; {
			var repeat string
			if repeat, more = cutAt(more, w.d.repeat); !yield(repeat) {
				return
			}
		}
	}
}
