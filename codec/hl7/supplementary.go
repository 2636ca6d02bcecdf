package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// supplementary tells whether an OBX is something else than a result that a
// laboratory reports:
//
//   - types that are times, ranges of times and ids (DR, DT, TM, TS, DTM, EI)
//     and encapsulated data or a pointer to such (ED, RP);
//   - OBX-3 component 4, which is kind, of the form S_OTHER, S_RAW (IHE LAW);
//   - OBX-29 SCI or AOE: clinical information, answers on order entry
//     (HL7 table 0936);
//   - the patient's age (LOINC 30525-0);
//   - in Mindray's coding system 99MRC the modes and groups of a run (codes
//     01… and 08…) and the lines and lengths of histograms and scattergrams
//     (15…), and coordinates of scattergram clusters (host interface manual
//     of the BC series);
//   - a value that says that there is none (cobas 6800 ValueNotSet).
func (w *walk) supplementary(x *codec.Result, r []string, kind string) bool {
	switch x.ValueType {
	case "DR", "DT", "TM", "TS", "DTM", "EI", "ED", "RP":
		return true
	}
	if strings.HasPrefix(kind, "S_") {
		return true
	}
	switch w.value(at(r, 29)) {
	case "SCI", "AOE":
		return true
	}
	switch x.CodeSystem {
	case "LN":
		if x.Code == "30525-0" {
			return true
		}
	case "99MRC":
		return strings.HasPrefix(x.Code, "08") || strings.HasPrefix(x.Code, "01") || strings.HasPrefix(x.Code, "15") ||
			clusterCoordinate(x)
	}
	return at(r, 5) == "ValueNotSet"
}

// clusterCoordinate tells names such as Neu-X: a place in a scattergram, no
// concentration, and so without units.
func clusterCoordinate(x *codec.Result) bool {
	n := len(x.Name)
	return x.Units == "" && n > 2 && x.Name[n-2] == '-' && x.Name[n-1] >= 'X' && x.Name[n-1] <= 'Z'
}

// statusRows marks the rows of an order that have no status as supplementary
// when others of the same order have one: GeneXpert sends OBX-11 only with
// outcomes, not with probes and their cycles.
func (w *walk) statusRows() {
	rows := w.m.Results[w.orderFrom:]
	some, all := false, true
	for i := range rows {
		if w.hasStatus(&rows[i]) {
			some = true
		} else {
			all = false
		}
	}
	if !some || all {
		return
	}
	for i := range rows {
		if !w.hasStatus(&rows[i]) {
			rows[i].Supplementary = true
		}
	}
}

func (w *walk) hasStatus(x *codec.Result) bool {
	r := w.t.records[x.Record-1]
	return r[0] != "OBX" || at(r, 11) != ""
}
