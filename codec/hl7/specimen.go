package hl7

import (
	"slices"

	"github.com/assaybus/assaybus/codec"
)

// resolve finds the specimen of the current scope. A configured path decides
// alone. Otherwise it is SPM-2 (placer's part, HL7 EIP), else SAC-3, else the
// instrument's part of SPM-2, else the order's numbers:
//
//   - OBR-3, the filler's, else OBR-2, the placer's;
//   - OBR-2 first when MSH-16 holds a result class, as only Mindray chemistry
//     and CLIA, Getein and EDAN do: theirs is the barcode, OBR-3 the running
//     number (host interface manuals, protocols.md §11);
//   - neither under an IHE LAW profile (MSH-21), where OBR-2 is the number of
//     the work order step and the specimen is always in SPM or SAC (LAB-29).
//
// second is the other name that the instrument has for it.
func (w *walk) resolve() (specimen, second string) {
	configured := false
	for _, p := range w.paths {
		if p.query() {
			continue
		}
		configured = true
		if id := w.follow(p, w.scoped(p.segment)); id != "" {
			return id, ""
		}
	}
	if configured {
		return "", ""
	}
	placer, filler := w.specimenIDs()
	switch container := w.value(at(w.sac, 3)); {
	case placer != "":
		return placer, filler
	case container != "":
		return container, filler
	case filler != "":
		return filler, ""
	case w.law, w.classIs('1', '2'): // a calibration has no specimen
		return "", ""
	}
	ordered, filled := w.value(at(w.obr, 2)), w.value(at(w.obr, 3))
	if w.obr == nil {
		ordered, filled = w.value(at(w.orc, 2)), w.value(at(w.orc, 3))
	}
	switch {
	case w.class != 0 && ordered != "" && filled != ordered:
		return ordered, filled
	case filled != "":
		return filled, ""
	}
	return ordered, ""
}

// specimenIDs are the two parts of SPM-2, without repeating one.
func (w *walk) specimenIDs() (placer, filler string) {
	placer, filler = w.value(at(w.spm, 2)), w.word(at(w.spm, 2), 2)
	if filler == placer || w.trailing && len(w.trail) > 1 {
		filler = ""
	}
	return placer, filler
}

func (w *walk) scoped(segment string) []string {
	switch segment {
	case "PID":
		return w.pid
	case "SPM":
		return w.spm
	case "SAC":
		return w.sac
	case "ORC":
		return w.orc
	case "OBR":
		return w.obr
	}
	return nil
}

// layout tells, for one patient's part of the message, whether SPM stands
// before its OBR (OUL_R22, OML_O33) or behind (ORU_R01, ORU_R30, OUL_R24,
// OML_O21). Senders mix the structures up, so the order of the segments
// decides; only when it fits neither does the type of the message.
func (w *walk) layout(from int) {
	w.trailing = false
	if w.t.spm == 0 || w.t.obr == 0 {
		return
	}
	part := w.t.records[from:]
	if next := slices.IndexFunc(part, func(r []string) bool { return r[0] == "PID" }); next >= 0 && from > 0 {
		part = part[:next]
	}
	firstSPM, lastSPM := span(part, "SPM")
	firstOBR, lastOBR := span(part, "OBR")
	if firstSPM < 0 || firstOBR < 0 || firstSPM < firstOBR {
		return
	}
	specimenFirst := w.code == "OUL" && w.trigger != "R24" || w.code == "OML" && w.trigger != "O21"
	w.trailing = lastSPM > lastOBR || !specimenFirst
}

// span is where the first and the last segment of a name stand, or -1.
func span(records [][]string, name string) (first, last int) {
	first, last = -1, -1
	for i, r := range records {
		if r[0] != name {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	return first, last
}

// newSpecimen begins a specimen group, or names the specimen of the order
// before.
func (w *walk) newSpecimen(i int, r []string) {
	if w.trailing && w.order != nil {
		w.spm, w.sac = r, nil
		w.target = toOrder
		w.trailingSpecimen()
		return
	}
	w.closeSpecimen()
	w.spm, w.spmAt, w.sac, w.covered = r, i, nil, false
	w.specimen, w.second = w.resolve()
	w.target = toPending
}

// newContainer names the container of the current specimen, or begins a
// group by itself (OUL_R21).
func (w *walk) newContainer(i int, r []string) {
	if w.trailing && w.order != nil && w.spm != nil {
		w.sac = r
		w.m.Orders[*w.order].Container = w.value(at(r, 3))
		w.trailingSpecimen()
		return
	}
	if w.spm == nil {
		w.closeSpecimen()
		w.spmAt = i
	} else { // another container of the same specimen (OUL_R22)
		w.closeOrder()
	}
	w.sac = r
	w.specimen, w.second = w.resolve()
	w.target = toPending
}

// trailingSpecimen gives the specimen named behind an order to the order and
// its results. Several specimens under one order: nobody knows which result
// is of which, so the results get none.
func (w *walk) trailingSpecimen() {
	id, second := w.resolve()
	o := &w.m.Orders[*w.order]
	w.describeSpecimen(o)
	if id == "" || known(w.trail, id) {
		return
	}
	w.trail = append(w.trail, id)
	switch len(w.trail) {
	case 1:
	case 2:
		id, second = "", ""
		o.CollectedAt, o.ReceivedAt, o.Container, o.Position = w.orderTime, "", "", ""
		if len(w.m.Results) > w.orderFrom {
			w.warn(o.Record-1, 0, codec.WarnSeveralSpecimens)
		}
		o.Specimens = w.trail
	default:
		o.CollectedAt, o.ReceivedAt, o.Container, o.Position = w.orderTime, "", "", ""
		o.Specimens = w.trail
		return
	}
	w.specimen, w.second = id, second
	o.Specimen, o.InstrumentSpecimen = id, second
	for k := w.orderFrom; k < len(w.m.Results); k++ {
		w.m.Results[k].Specimen, w.m.Results[k].InstrumentSpecimen = id, second
	}
}

// known tells whether an id is in a list. A list of a thousand ids is an
// attack, not a laboratory: it is delivered, but not compared with itself.
func known(ids []string, id string) bool {
	return slices.Contains(ids[:min(len(ids), 64)], id)
}

// closeSpecimen ends the scope of SPM and SAC: a group without any order is
// an order by itself, so that its specimen is told.
func (w *walk) closeSpecimen() {
	w.closeOrder()
	if !w.covered && (w.spm != nil || w.sac != nil) && w.specimen != "" {
		o := codec.Order{Specimen: w.specimen, InstrumentSpecimen: w.second, Patient: w.patient, Record: w.spmAt + 1}
		w.describeSpecimen(&o)
		w.m.Orders = append(w.m.Orders, o)
	}
	w.spm, w.sac, w.covered, w.named = nil, nil, false, false
	w.specimen, w.second = "", ""
}
