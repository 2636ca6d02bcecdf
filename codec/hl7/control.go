package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// controlWithoutOBX reads the quality control of Mindray chemistry analyzers,
// which stands in OBR alone: OBR-2 number and OBR-3 name of the test, OBR-6
// time, OBR-13 control, OBR-14 lot, OBR-17 level, OBR-18 mean, OBR-19 standard
// deviation, OBR-20 value, OBR-21 units (BS-200E host interface manual).
// Several controls of one run are components of these fields.
func (w *walk) controlWithoutOBX(i int, r []string) {
	if at(r, 20) == "" || i+1 < len(w.t.records) && w.t.records[i+1][0] == "OBX" {
		return
	}
	o := &w.m.Orders[*w.order]
	o.Specimen, o.Placer, o.Filler, o.Material, o.ReceivedAt = "", "", "", "", "" // other things stand there
	o.Role = "Q"
	o.Tests = nil
	if code := w.value(at(r, 2)); code != "" {
		o.Tests = []string{code}
	}
	controls := strings.Count(at(r, 20), string(rune(w.d.component))) + 1
	o.InstrumentSpecimen = strings.TrimSpace(w.whole(at(r, 13)))
	w.groups[len(w.groups)-1].control = true
	for n := 1; n <= controls; n++ {
		x := codec.Result{
			InstrumentSpecimen: w.word(at(r, 13), n),
			Code:               w.value(at(r, 2)),
			Name:               w.value(at(r, 3)),
			ValueType:          "NM",
			Status:             "F",
			ObservedAt:         w.time(at(r, 6), i, 6),
			Patient:            w.patient,
			Order:              w.order,
			Record:             i + 1,
		}
		x.Aspect = w.word(at(r, 17), n)
		if x.Units = w.word(at(r, 21), n); x.Units == "" {
			x.Units = w.word(at(r, 21), 1)
		}
		w.valueOf(&x, w.d.part(at(r, 20), n), i)
		if x.Value != "" {
			w.m.Results = append(w.m.Results, x)
		}
	}
}
