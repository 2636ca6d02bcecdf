package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// newControl reads ORC, which stands before its OBR (ORU, OML) or behind
// (OUL): behind, when the OBR has none, no result has come and the numbers of
// the two do not contradict.
func (w *walk) newControl(i int, r []string) {
	if strings.EqualFold(w.value(at(r, 1)), "RF") && w.t.obr == 0 {
		w.refillQuery(i, r)
		return
	}
	if w.order != nil && w.orc == nil && w.result < 0 && len(w.trail) == 0 && w.agrees(r, 2) && w.agrees(r, 3) {
		w.orc, w.orcAt, w.orcTaken = r, i, true
		w.describeControl(&w.m.Orders[*w.order])
		return
	}
	w.closeOrder()
	w.orc, w.orcAt, w.orcTaken = r, i, false
	w.target = toPending
}

func (w *walk) agrees(orc []string, field int) bool {
	a, b := w.value(at(orc, field)), w.value(at(w.obr, field))
	return a == "" || b == "" || a == b
}

// newOrder reads OBR.
func (w *walk) newOrder(i int, r []string) {
	orc, orcAt, taken := w.orc, w.orcAt, w.orcTaken
	w.orcTaken = true // it is this OBR's, not an order by itself
	w.closeOrder()
	if !taken && orc != nil {
		w.orc, w.orcAt, w.orcTaken = orc, orcAt, true
	}
	w.obr = r
	if w.isControlWithoutOBX(i, r) {
		w.controlWithoutOBX(i, r)
		return
	}
	w.openOrder(i)
}

// openOrder makes an order of the current SPM, SAC, ORC and OBR.
func (w *walk) openOrder(i int) {
	r := w.obr
	w.specimen, w.second = w.resolve()
	o := codec.Order{Specimen: w.specimen, InstrumentSpecimen: w.second, Patient: w.patient, Record: i + 1}
	o.Placer, o.Filler = w.value(at(r, 2)), w.value(at(r, 3))
	o.Tests = w.tests(at(r, 4))
	if o.Priority = w.value(at(r, 5)); o.Priority == "" {
		o.Priority = w.word(at(r, 27), 6)
	}
	o.Status = w.value(at(r, 25))
	if o.Material = w.value(at(r, 15)); o.Material == "" {
		o.Material = w.word(at(r, 15), 2)
	}
	o.RequestedAt = w.time(at(r, 6), i, 6)
	w.orderTime = w.time(at(r, 7), i, 7)
	o.CollectedAt = w.orderTime
	o.ReceivedAt = w.time(at(r, 14), i, 14)
	w.describeControl(&o)
	w.describeSpecimen(&o)
	if w.priority != "" {
		o.Priority, w.priority = w.priority, ""
	}
	w.addOrder(o)
}

// addOrder makes o the current order.
func (w *walk) addOrder(o codec.Order) {
	for _, n := range w.pending {
		o.Comments = append(o.Comments, n.text)
	}
	w.pending = nil
	w.order, w.orderFrom, w.target = w.index(len(w.m.Orders)), len(w.m.Results), toOrder
	w.m.Orders = append(w.m.Orders, o)
	w.covered = true
	w.addGroup()
}

// tests are the codes of OBR-4: the identifier, else the alternate one, else
// the text.
func (w *walk) tests(field string) []string {
	for _, n := range [...]int{1, 4, 2} {
		if code := w.word(field, n); code != "" {
			w.lists = append(w.lists, code)
			return w.lists[len(w.lists)-1 : len(w.lists) : len(w.lists)]
		}
	}
	return nil
}

// describeControl adds what ORC says to an order.
func (w *walk) describeControl(o *codec.Order) {
	if w.orc == nil {
		return
	}
	fill(&o.Placer, w.value(at(w.orc, 2)))
	fill(&o.Filler, w.value(at(w.orc, 3)))
	fill(&o.Status, w.value(at(w.orc, 5)))
	fill(&o.Priority, w.word(at(w.orc, 7), 6))
	o.Action = w.value(at(w.orc, 1))
	w.retime(&o.RequestedAt, at(w.orc, 9), w.orcAt, 9)
}

// describeSpecimen adds what SPM and SAC say to an order.
func (w *walk) describeSpecimen(o *codec.Order) {
	if w.spm != nil {
		if material := w.value(at(w.spm, 4)); material != "" {
			o.Material = material
		}
		o.Role = w.value(at(w.spm, 11))
		w.retime(&o.CollectedAt, at(w.spm, 17), w.spmAt, 17)
		w.retime(&o.ReceivedAt, at(w.spm, 18), w.spmAt, 18)
	}
	if w.sac != nil {
		o.Container = w.value(at(w.sac, 3))
		o.Position = joined(w.value(at(w.sac, 10)), w.value(at(w.sac, 11)))
		fill(&o.Position, joined(w.value(at(w.sac, 13)), w.value(at(w.sac, 14))))
	}
}

// joined is carrier^position, or the one that is there.
func joined(carrier, position string) string {
	if carrier == "" || position == "" {
		return carrier + position
	}
	return carrier + "^" + position
}

func fill(into *string, value string) {
	if *into == "" {
		*into = value
	}
}

// timing reads the priority of TQ1-9, which stands before or behind OBR.
func (w *walk) timing(r []string) {
	if priority := w.value(at(r, 9)); priority != "" && w.order != nil && (w.orc == nil || w.orcTaken) {
		w.m.Orders[*w.order].Priority = priority
	} else if priority != "" {
		w.priority = priority
	}
}

// closeOrder ends the scope of OBR. An ORC that no OBR followed is an order
// by itself (LAW "nothing to do", ORL).
func (w *walk) closeOrder() {
	w.statusRows()
	w.orphanControl()
	if w.trailing { // the specimen of this OBR is not the next one's
		w.spm, w.sac = nil, nil
	}
	w.orc, w.obr, w.order, w.orcTaken = nil, nil, nil, false
	w.trail, w.result = nil, -1
	w.orderFrom = len(w.m.Results)
	if w.spm != nil || w.sac != nil {
		w.specimen, w.second = w.resolve()
	} else {
		w.specimen, w.second = "", ""
	}
}

// orphanControl makes an order of an ORC that no OBR followed.
func (w *walk) orphanControl() {
	if w.orc != nil && !w.orcTaken {
		w.obr, w.orcTaken = nil, true
		w.openOrder(w.orcAt)
	}
}
