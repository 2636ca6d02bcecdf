package astm

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// recognise finds out whether the sender is one whose fields are known. What
// the instrument's options say wins.
func (w *walk) recognise() {
	var few [12]string
	components := few[:0]
	for more := w.field(5); more != "" && len(components) < len(few)-1; {
		var leaf string
		leaf, more = cutAt(more, w.d.component)
		components = append(components, leaf)
	}
	n := codec.FamilyOf(Name, append(components, w.field(6))...)
	if n < 0 {
		return
	}
	w.known = &w.p.families[n]
	if w.known.Specimen != "" && len(w.paths) == 0 {
		w.place = &w.p.places[n]
	}
	if w.known.Query != "" && w.asking == nil {
		w.asking = &w.p.queries[n]
	}
}

// specimen finds the specimen id: where the instrument's options say and
// nowhere else, otherwise where the known sender has it, otherwise by the
// standard.
func (w *walk) specimen(o *codec.Order) {
	switch {
	case len(w.paths) > 0:
		for _, p := range w.paths {
			if o.Specimen = p.id; p.letter == 'O' {
				o.Specimen = w.follow(p)
			}
			if o.Specimen != "" {
				return
			}
		}
	case w.place != nil:
		w.knownSpecimen(o)
	default:
		w.standardSpecimen(o)
	}
}

// knownSpecimen takes the id from the known sender's place. Only a field that
// is not there at all leaves the decision to O.3, the standard's place:
// blanks in it are an id that is missing.
func (w *walk) knownSpecimen(o *codec.Order) {
	p := w.place
	text := w.field(p.field)
	if p.letter == 'P' {
		text = w.ofPatient
	}
	if !given(text) {
		if given(w.field(fieldSpecimen)) && (p.letter != 'O' || p.field != fieldSpecimen) {
			w.choose(fieldSpecimen)
			w.attribute(o, w.field(fieldSpecimen), 1)
		}
		return
	}
	w.attribute(o, text, p.component)
	if p.letter == 'P' && o.Specimen != "" && w.firstValued(w.field(fieldSpecimen)) != "" {
		w.choose(fieldSpecimen)
	}
}

// attribute gives the order the ids that are component n of the repeats of
// text. Several are several specimens, and then it is none of them alone.
func (w *walk) attribute(o *codec.Order, text string, n int) {
	var first string
	var ids []string
	for repeat := range w.repeats(text) {
		id := identity(w.decode(w.d.nth(repeat, n)))
		if id == "" || id == first {
			continue
		}
		if first == "" {
			first = id
			continue
		}
		if ids == nil {
			ids = append(ids, first)
		}
		ids = append(ids, id)
	}
	if ids = distinct(ids); len(ids) > 1 {
		o.Specimens = ids
		return
	}
	o.Specimen = first
}

// standardSpecimen takes the id from O.3 component 1 (LIS02-A2 §8.4.3), and
// from O.4, the instrument's own number, where O.3 is not there at all. Where
// another component or field could be meant as well, it says so.
func (w *walk) standardSpecimen(o *codec.Order) {
	if text := w.field(fieldSpecimen); given(text) {
		w.attribute(o, text, 1)
		if o.Specimen+first(o.Specimens) != "" && (w.composed(text) || codec.ShortNumber(o.Specimen)) {
			w.choose(fieldSpecimen)
		}
		return
	}
	for repeat := range w.repeats(w.field(fieldCarrier)) {
		if w.compact(repeat) == "" {
			continue
		}
		switch {
		case w.rack(repeat):
			o.Specimen = identity(w.decode(w.d.nth(repeat, 3)))
		case w.rocheCarrier(repeat):
		default:
			if o.Specimen = identity(w.decode(w.d.nth(repeat, 1))); o.Specimen != "" {
				w.choose(fieldCarrier)
			}
		}
		return
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// composed reports that a repeat of text has something, if only blanks, in
// another component than the first: a type, a rack or a number may be first.
func (w *walk) composed(text string) bool {
	if w.d.component == "" || index(text, w.d.component) < 0 {
		return false
	}
	for repeat := range w.repeats(text) {
		_, more := cutAt(repeat, w.d.component)
		for more != "" {
			var leaf string
			if leaf, more = cutAt(more, w.d.component); leaf != "" {
				return true
			}
		}
	}
	return false
}

// given reports a field that is there: blanks and empty components are a
// place without an id, and no other place is looked at then.
func given(field string) bool { return field != "" && field != null }

// null is the explicit null (LIS02-A2 §5.4.4).
const null = `""`

// choose says, once a message, that field n was taken where another place
// could have been meant.
func (w *walk) choose(n int) {
	if !w.chosen {
		w.chosen = true
		w.warn(n, codec.WarnSpecimenChosen)
	}
}

// rack reports rack^position^id^attribute in Q.3 and O.4: with one of Sysmex's
// attributes (M manual, A analyzer, B barcode reader, C host computer; Sysmex
// ASTM host interface specification) behind numbers that can be a rack and a
// place, or from a sender that always writes so. The id may be missing; a rack
// must never pass for a specimen.
func (w *walk) rack(text string) bool {
	if w.known != nil && w.known.Racked {
		return true
	}
	switch w.decode(w.d.nth(text, 4)) {
	case "M", "A", "B", "C", "m", "a", "b", "c":
	default:
		return false
	}
	return w.placed(w.d.nth(text, 1)) && w.placed(w.d.nth(text, 2))
}

// placed reports a component that can be a rack or a place in one: a number,
// or nothing. Blanks are neither: an id that was not read may have been there.
func (w *walk) placed(component string) bool {
	text := w.decode(component)
	return component == "" || text != "" && placeNumber(text, longestRack)
}

// longestRack is how many digits the number of a rack has at most.
const longestRack = 8

// placeNumber reports a number of up to most digits, or none.
func placeNumber(text string, most int) bool {
	return len(text) <= most && countDigits(text) == len(text)
}

// rocheCarrier reports sequence^rack^position^^type^container, the O.4 of the
// Roche family (cobas and Elecsys host interface manuals): it holds no id.
func (w *walk) rocheCarrier(text string) bool {
	return rocheType(w.decode(w.d.nth(text, 5))) && rocheContainer(w.decode(w.d.nth(text, 6)))
}

// rocheType is the type of a specimen in the Roche family: S0 to S5, QC.
func rocheType(text string) bool {
	return len(text) == 2 && (text[0] == 'S' && text[1] >= '0' && text[1] <= '9' || text == "QC")
}

// rocheContainer is standard or micro cup.
func rocheContainer(text string) bool { return text == "SC" || text == "MC" }

// position is where the specimen stands: rack and place by the layout of O.4,
// otherwise what it holds behind the instrument's own number (Abbott:
// id^carrier^position).
func (w *walk) position(o *codec.Order) {
	text, _ := cutAt(w.field(fieldCarrier), w.d.repeat)
	if strings.TrimSpace(text) == "" {
		return
	}
	rack, place := w.decode(w.d.nth(text, 2)), w.decode(w.d.nth(text, 3))
	if w.rack(text) {
		rack, place = w.decode(w.d.nth(text, 1)), rack
	} else if place == o.Specimen {
		place = ""
	}
	if rack == o.Specimen {
		rack = ""
	}
	if o.Position = rack + place; rack != "" && place != "" {
		o.Rack, o.Position = rack, rack+"^"+place
	}
}
