package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// isControlWithoutOBX tells whether an OBR of the class quality control holds
// its value itself.
func (w *walk) isControlWithoutOBX(i int, r []string) bool {
	return w.classIs('2', '1') && at(r, 20) != "" && (i+1 >= len(w.t.records) || w.t.records[i+1][0] != "OBX")
}

// controlWithoutOBX reads the quality control of Mindray chemistry analyzers,
// which stands in OBR alone: OBR-2 number and OBR-3 name of the test, OBR-6
// time, OBR-13 control, OBR-14 lot, OBR-17 level, OBR-18 mean, OBR-19 standard
// deviation, OBR-20 value, OBR-21 units (BS-200E host interface manual).
// Several controls of one run are components of these fields.
func (w *walk) controlWithoutOBX(i int, r []string) {
	at13, values := strings.TrimSpace(w.whole(at(r, 13))), at(r, 20)
	o := codec.Order{InstrumentSpecimen: at13, Role: "Q", RequestedAt: w.time(at(r, 6), i, 6), Patient: w.patient, Record: i + 1}
	if code := w.value(at(r, 2)); code != "" {
		o.Tests = []string{code}
	}
	w.specimen, w.second, w.orderTime = "", "", o.RequestedAt
	w.addOrder(o)
	w.groups[len(w.groups)-1].control = true
	const most = 100 // controls of one run; the manuals have three
	controls := min(strings.Count(values, string(rune(w.d.component)))+1, most)
	for n := 1; n <= controls; n++ {
		x := codec.Result{
			InstrumentSpecimen: w.word(at(r, 13), n),
			Code:               w.value(at(r, 2)),
			Name:               w.value(at(r, 3)),
			ValueType:          "NM",
			Status:             "F",
			ObservedAt:         o.RequestedAt,
			Patient:            w.patient,
			Order:              w.order,
			Record:             i + 1,
		}
		x.Aspect = w.word(at(r, 17), n)
		if x.Units = w.word(at(r, 21), n); x.Units == "" {
			x.Units = w.word(at(r, 21), 1)
		}
		w.valueOf(&x, w.d.part(values, n), i)
		if x.Value != "" {
			w.m.Results = append(w.m.Results, x)
		}
	}
}
