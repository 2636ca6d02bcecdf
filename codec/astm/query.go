package astm

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// takeQuery is Q (LIS02-A2 §11).
func (w *walk) takeQuery() {
	if w.above == 'R' && w.o.Has(quirkControlAfterResult) && w.controlInQuery() {
		return
	}
	w.forget()
	w.counted(&w.count.q)
	q := codec.Query{
		Tests:  w.tests(w.field(fieldTests)),
		Status: w.firstOf(13),
		From:   w.time(7),
		Until:  w.time(8),
		Record: w.row,
	}
	for repeat := range w.repeats(w.field(3)) {
		switch id := w.asked(repeat); {
		case strings.EqualFold(id, "ALL"):
			q.All = true
		case id != "":
			q.Specimens = append(q.Specimens, id)
			if patient := w.decode(w.d.nth(repeat, 1)); q.Patient == "" && patient != id && !w.rack(repeat) {
				q.Patient = patient
			}
		}
	}
	q.Specimens = distinct(q.Specimens)
	q.To = w.asked(w.field(4))
	w.m.Queries = append(w.m.Queries, q)
}

// asked is the specimen id of a range id: the component that the options
// name, else the only one of the first three that holds something, else the
// second (LIS02-A2 §11.3 has patient^specimen; Immucor uses the first, Roche
// and Sysmex the third).
func (w *walk) asked(id string) string {
	if p := w.asking; p != nil {
		return w.at(*p, id)
	}
	var leaves [4]string
	only, valued := "", 0
	for i := range leaves {
		leaves[i] = w.decode(w.d.nth(id, i+1))
		if i < 3 && leaves[i] != "" {
			only = leaves[i]
			valued++
		}
	}
	switch {
	case valued <= 1:
		return only
	case w.rack(id):
		return leaves[2]
	}
	return leaves[1]
}

// rack reports rack^position^id^attribute with one of Sysmex's attributes
// (M manual, A analyzer, B barcode reader, C host computer; Sysmex ASTM host
// interface specification), in Q.3 and O.4: the bytes say where the id is, and a
// rack must never pass for a specimen.
func (w *walk) rack(id string) bool {
	switch w.decode(w.d.nth(id, 4)) {
	case "M", "A", "B", "C":
		return w.racked(id)
	}
	return false
}

// racked reports that rack and position are numbers and an id follows.
func (w *walk) racked(id string) bool {
	rack, place := w.decode(w.d.nth(id, 1)), w.decode(w.d.nth(id, 2))
	return rack+place != "" && countDigits(rack+place) == len(rack+place) && w.decode(w.d.nth(id, 3)) != ""
}

// takeComment is C (LIS02-A2 §10). It belongs to the deepest record that is
// open. Some instruments leave no source out and begin with the text (IH-Com).
func (w *walk) takeComment() {
	source, text := w.compact(w.field(3)), w.commentText(4)
	if text == "" && len(source) > 1 {
		source, text = "", w.commentText(3)
	}
	if text == "" {
		return // Sysmex sends C|1 to say nothing
	}
	switch {
	case w.result >= 0:
		r := &w.m.Results[w.result]
		r.Comments = append(r.Comments, text)
	case w.order != nil:
		o := &w.m.Orders[*w.order]
		o.Comments = append(o.Comments, text)
	case w.patient != nil:
		p := &w.m.Patients[*w.patient]
		p.Comments = append(p.Comments, text)
	default:
		w.m.Comments = append(w.m.Comments, codec.Comment{Text: text, Source: source, Record: w.row})
	}
}

// commentText is field n with its padding taken out and its repeats joined.
func (w *walk) commentText(n int) string {
	var parts []string
	for repeat := range w.repeats(w.field(n)) {
		if part := w.compact(repeat); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, `\`)
}
