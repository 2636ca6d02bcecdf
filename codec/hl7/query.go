package hl7

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// query reads QPD, QRD and QRF. In a response they are an echo and ask for
// nothing.
func (w *walk) query(i int, r []string) {
	if w.answers {
		return
	}
	switch r[0] {
	case "QPD":
		w.parameters(i, r)
	case "QRD":
		w.definition(i, r)
	case "QRF":
		w.filter(i, r)
	}
}

// parameters reads QPD: the query's name, its tag and the specimen (IHE LAW
// LAB-27 puts SAC-3 into QPD-3). GeneXpert's Z03 has the patient in QPD-3 and
// the specimen in QPD-4 (GeneXpert LIS interface protocol). Queries by rack,
// tray or sequence number (WOS_BY_…, INISEQ of cobas pro) name no specimen;
// what they name is in the records.
func (w *walk) parameters(i int, r []string) {
	q := codec.Query{Name: w.value(at(r, 1)), Tag: w.value(at(r, 2)), Record: i + 1}
	ids := 3
	if w.trigger == "Z03" {
		q.Patient, ids = w.value(at(r, 3)), 4
	}
	configured := w.configuredQuery(&q, r)
	switch {
	case configured, strings.HasPrefix(q.Name, "WOS_BY_"), q.Name == "INISEQ":
	case q.Name == "WOS_ALL":
		q.All = true
	default:
		q.Specimens = w.appendIDs(nil, at(r, ids))
	}
	w.addQuery(q)
}

// definition reads QRD: the id of the query, and whom it is about, which
// Mindray and EDAN use for the barcode.
func (w *walk) definition(i int, r []string) {
	q := codec.Query{Tag: w.value(at(r, 4)), Record: i + 1}
	if !w.configuredQuery(&q, r) {
		q.Specimens = w.appendIDs(nil, at(r, 8))
	}
	w.addQuery(q)
}

// filter reads QRF: a window of times (QRF-2, QRF-3) and, where the original
// mode has one, a range of ids (QRF-4, QRF-5: Mindray chemistry and CLIA).
func (w *walk) filter(i int, r []string) {
	if len(w.m.Queries) == 0 {
		w.addQuery(codec.Query{Record: i + 1})
	}
	q := &w.m.Queries[len(w.m.Queries)-1]
	q.From, q.Until = w.time(at(r, 2), i, 2), w.time(at(r, 3), i, 3)
	if len(q.Specimens) > 0 {
		return
	}
	if w.configuredQuery(q, r) {
		return
	}
	if from, to := w.value(at(r, 4)), w.value(at(r, 5)); from != "" && to != "" {
		q.Specimens, q.To = []string{from}, to
	}
}

// configuredQuery takes the specimen from where the configuration says; true
// when it says something about this segment.
func (w *walk) configuredQuery(q *codec.Query, r []string) bool {
	about := false
	for _, p := range w.paths {
		if p.segment != r[0] {
			continue
		}
		about = true
		if id := w.follow(p, r); id != "" {
			q.Specimens = []string{id}
			return true
		}
	}
	return about
}

func (w *walk) addQuery(q codec.Query) {
	if len(q.Specimens) == 1 && q.Specimens[0] == "ALL" {
		q.All, q.Specimens = true, nil
	}
	w.m.Queries = append(w.m.Queries, q)
}

// refillQuery reads an ORC that asks for an order: ORC-1 RF with the barcode
// in ORC-3 (Mindray BC series; EDAN has it in ORC-2).
func (w *walk) refillQuery(i int, r []string) {
	w.refill = true
	q := codec.Query{Record: i + 1}
	if !w.configuredQuery(&q, r) {
		q.Specimens = w.appendIDs(nil, at(r, 3))
		if len(q.Specimens) == 0 {
			q.Specimens = w.appendIDs(nil, at(r, 2))
		}
	}
	w.addQuery(q)
}

// display reads one DSP line of a sample download, DSR^Q03. The lines are
// numbered slots (Mindray chemistry and CLIA host interface manuals): 1
// admission number, 3 name, 4 birth, 5 sex, 21 barcode, 22 sample number, 23
// time, 24 emergency, 26 type; from 29 on one test each.
func (w *walk) display(i int, r []string) {
	if w.code != "DSR" {
		return
	}
	value, slot := w.value(at(r, 3)), at(r, 1)
	if w.order == nil {
		index := len(w.m.Orders)
		w.m.Orders = append(w.m.Orders, codec.Order{Record: i + 1})
		w.order = &index
	}
	o := &w.m.Orders[*w.order]
	switch slot {
	case "1", "3", "4", "5":
		w.displayPatient(i, slot, value, r)
	case "21":
		o.Specimen = value
	case "22":
		o.InstrumentSpecimen = value
	case "23":
		o.CollectedAt = w.time(value, i, 3)
	case "24":
		o.Priority = value
	case "26":
		o.Material = value
	default:
		if len(slot) == 2 && slot >= "29" && value != "" || len(slot) > 2 && value != "" {
			o.Tests = append(o.Tests, value)
			w.display29 = true
		}
	}
}

func (w *walk) displayPatient(i int, slot, value string, r []string) {
	if value == "" {
		return
	}
	if w.patient == nil {
		index := len(w.m.Patients)
		w.m.Patients = append(w.m.Patients, codec.Patient{Record: i + 1})
		w.patient = &index
		w.m.Orders[*w.order].Patient = w.patient
	}
	p := &w.m.Patients[*w.patient]
	switch slot {
	case "1":
		p.ID, p.IDs = value, []string{value}
	case "3":
		p.Name = w.name(at(r, 3))
	case "4":
		p.BirthDate = w.birth(at(r, 3), i)
	case "5":
		p.Sex = w.sex(at(r, 3))
	}
}
