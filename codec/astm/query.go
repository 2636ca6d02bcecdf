package astm

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// takeQuery is Q (LIS02-A2 §11).
func (w *walk) takeQuery() {
	if w.completesControl() {
		return
	}
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
		a := w.asked(repeat)
		if q.Rack == "" && q.Position == "" {
			q.Rack, q.Position = a.rack, a.position
		}
		switch {
		case strings.EqualFold(a.specimen, "ALL"):
			q.All = true
		case a.specimen != "":
			q.Specimens = append(q.Specimens, a.specimen)
			if q.Patient == "" && a.patient != a.specimen {
				q.Patient = a.patient
			}
		}
		if a.unsure {
			w.choose(3)
		}
	}
	q.Specimens = distinct(q.Specimens)
	q.To = w.asked(w.field(4)).specimen
	w.m.Queries = append(w.m.Queries, q)
}

// asked is what a range id asks for.
type asked struct {
	specimen, patient string
	rack, position    string
	unsure            bool // another component could be the specimen as well
}

// asked reads a range id. Where its layout is known it decides where the
// specimen is: the place that the options name or a known sender has,
// rack^position^id^attribute (Sysmex), ^^id^sequence^rack^position^^type^container
// (Roche). Otherwise it is the only one of the first three components that is
// there (Immucor uses the first, others the third), or the second, behind the
// patient (LIS02-A2 §11.3). No id is no specimen and no patient.
func (w *walk) asked(id string) asked {
	var leaf [3]string
	there, last := 0, 0
	for n := range leaf {
		part := w.d.nth(id, n+1)
		leaf[n] = w.decode(part)
		if part != "" {
			there++
			last = n
		}
	}
	var a asked
	switch {
	case w.rack(id):
		a = asked{specimen: leaf[2], rack: leaf[0], position: leaf[1]}
	case w.rocheRange(id):
		a = asked{specimen: leaf[2], rack: w.decode(w.d.nth(id, 5)), position: w.decode(w.d.nth(id, 6))}
	case w.asking != nil:
		a.patient = leaf[0]
	case there == 1:
		a = asked{specimen: leaf[last], unsure: last != 1 && codec.ShortNumber(leaf[last])}
	case there > 1 && placeNumber(leaf[0], longestRack) && leaf[0] != "" && placeNumber(leaf[1], 2) && leaf[1] != "":
		// Rack and position, or a patient and a specimen with short numbers.
		a = asked{specimen: leaf[2], rack: leaf[0], position: leaf[1], unsure: true}
	case there > 1:
		a = asked{specimen: leaf[1], patient: leaf[0], unsure: true}
	}
	if p := w.asking; p != nil {
		a.specimen = w.at(*p, id)
	}
	if a.specimen = identity(a.specimen); a.specimen == "" {
		a.patient = ""
	}
	return a
}

// rocheRange reports ^^id^sequence^rack^position^^type^container, the Q.3 of
// the Roche family (cobas and Elecsys host interface manuals).
func (w *walk) rocheRange(id string) bool {
	return rocheType(w.decode(w.d.nth(id, 8))) && rocheContainer(w.decode(w.d.nth(id, 9)))
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
