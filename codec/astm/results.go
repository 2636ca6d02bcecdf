package astm

import (
	"slices"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// The fields of R that more than one function reads.
const (
	fieldCode   = 3
	fieldValue  = 4
	fieldStatus = 9
)

// takeResult is R (LIS02-A2 §9).
func (w *walk) takeResult() {
	w.counted(&w.count.r)
	if w.order == nil {
		w.warn(0, codec.WarnOrphanResult)
	}
	r := w.add()
	r.Value = w.value()
	r.Units = w.text(5)
	r.Range = w.text(6)
	r.Flags = w.flags(w.field(7))
	r.ObservedAt = w.observedAt()
	r.Operator = w.firstOf(11)
	r.Equipment = w.compact(w.field(14))
	r.Attachment = w.blob
	r.Code, r.Name = w.code(w.field(fieldCode))
	w.number(r)
	w.status(r)
	w.warnSpecimen(r.Specimen)
}

// add begins a result of the record, the order and the patient at hand. It is
// filled in its place, and warnSpecimen looks at it last.
func (w *walk) add() *codec.Result {
	w.result = len(w.m.Results)
	w.m.Results = append(w.m.Results, codec.Result{})
	r := &w.m.Results[w.result]
	r.Patient, r.Order, r.Record = w.patient, w.order, w.row
	if w.order != nil {
		o := &w.m.Orders[*w.order]
		r.Specimen, r.InstrumentSpecimen = o.Specimen, o.InstrumentSpecimen
	}
	return r
}

// warnSpecimen says, once a message each, that an order names no specimen or
// several.
func (w *walk) warnSpecimen(specimen string) {
	if specimen != "" || w.order == nil || w.calibration() {
		return
	}
	switch o := &w.m.Orders[*w.order]; {
	case len(o.Specimens) > 0:
		if !w.severalSpecimens {
			w.severalSpecimens = true
			w.warn(0, codec.WarnSeveralSpecimens)
		}
	case o.Role != "Q" && !w.noSpecimen:
		w.noSpecimen = true
		w.warn(0, codec.WarnNoSpecimen)
	}
}

// code is the test of a universal test id (LIS02-A2 §5.6.1): the component
// that the options name, otherwise component 4, otherwise the first that holds
// something. The name is the component behind it when it has letters.
func (w *walk) code(id string) (code, name string) {
	at := 0
	for _, n := range [...]int{w.o.CodeComponent, 4, 1, 2, 3, 5, 6, 7, 8} {
		if n == 0 || n == 4 && w.o.CodeComponent != 4 && w.typed(id) {
			continue
		}
		if code = w.decode(w.d.nth(id, n)); code != "" {
			at = n
			break
		}
	}
	if at == 0 {
		return w.firstValued(id), ""
	}
	if w.function != "" {
		code = applicationCode(code)
	}
	if next := w.decode(w.d.nth(id, at+1)); strings.ContainsFunc(next, isLetter) {
		name = next
	}
	return code, name
}

// typed reports number^name^^type, Mindray's test id, whose component 4 is the
// type of the result (CL series, host interface manual).
func (w *walk) typed(id string) bool {
	return w.mindray() && w.d.nth(id, 1) != "" && w.d.nth(id, 2) != "" && w.d.nth(id, 3) == ""
}

// applicationCode cuts the dilution off a Roche test id: 117 of 117/1/not,
// 685 of 685/ (application code / dilution / pre-dilution; cobas and Elecsys
// host interface manuals). Only messages with a Roche function in H.11 have it.
func applicationCode(code string) string {
	number, _, slashed := strings.Cut(code, "/")
	if slashed && number != "" && countDigits(number) == len(number) {
		return number
	}
	return code
}

func isLetter(c rune) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0xC0 }

// value is R.4 as the instrument wrote it: escapes decoded, all components
// that hold something kept in their places. An attachment has no value here.
func (w *walk) value() string {
	if w.blob != nil {
		return ""
	}
	text := strings.TrimSpace(w.field(fieldValue))
	for w.d.component != "" && strings.HasSuffix(text, w.d.component) {
		text = strings.TrimRight(strings.TrimSuffix(text, w.d.component), " ")
	}
	return w.decode(text)
}

// number reads R.4 as a number when exactly one of its components holds
// something: "^24.7" is one, "-1^0.750" is not.
func (w *walk) number(r *codec.Result) {
	switch {
	case r.Attachment != nil:
		r.ValueType = "ED"
		return
	case r.Value == "":
		return
	}
	text := r.Value
	if w.d.component != "" && strings.Contains(w.field(fieldValue), w.d.component) {
		text = w.only(w.field(fieldValue))
	}
	w.plainNumber(r, text, fieldValue)
}

// plainNumber reads text, which is r's value or a component of it.
func (w *walk) plainNumber(r *codec.Result, text string, field int) {
	number, ok, comparator, warn := codec.NumberOf(text, w.o.Comma())
	if warn != "" {
		w.warn(field, warn)
	}
	r.Comparator = comparator
	switch {
	case !ok:
		r.ValueType = "ST"
		return
	case comparator == "":
		r.ValueType = "NM"
	default:
		r.ValueType = "SN"
	}
	w.numbers = append(w.numbers, number)
	r.Number = &w.numbers[len(w.numbers)-1]
}

// only is the single component of text that holds something; "" if there are
// several.
func (w *walk) only(text string) string {
	found := ""
	for more := text; more != ""; {
		var leaf string
		leaf, more = cutAt(more, w.d.component)
		if leaf = w.decode(leaf); leaf == "" {
			continue
		}
		if found != "" {
			return ""
		}
		found = leaf
	}
	return found
}

// flags are the leaves of R.7 (ARCHITECT writes EXP^<).
func (w *walk) flags(field string) []string {
	if strings.TrimSpace(field) == "" {
		return nil
	}
	if !strings.Contains(field, w.d.repeat) && !strings.Contains(field, w.d.component) {
		if leaf := w.decode(field); leaf != "" {
			w.flagged = append(w.flagged, leaf)
			return w.flagged[len(w.flagged)-1 : len(w.flagged) : len(w.flagged)]
		}
	}
	var flags []string
	for repeat := range w.repeats(field) {
		for leaf := range strings.SplitSeq(w.compact(repeat), "^") {
			if leaf != "" {
				flags = append(flags, leaf)
			}
		}
	}
	return flags
}

// observedAt is when the test was completed (R.13), otherwise when it was
// started (R.12): Siemens DCA and Sysmex fill one of the two.
func (w *walk) observedAt() string {
	if strings.TrimSpace(w.field(13)) != "" {
		return w.time(13)
	}
	return w.time(12)
}

// status maps R.9 (LIS02-A2 §9.9) and its repeats (Hologic Panther: F\R).
// What is not final in itself is only so next to an F. N, "information needed
// to run an order", is no result at all.
func (w *walk) status(r *codec.Result) {
	sent := strings.ToUpper(w.field(fieldStatus))
	if sent == "F" { // as nearly every result is
		r.Status = sent
		return
	}
	var few [4]string
	seen := few[:0]
	for repeat := range w.repeats(sent) {
		if s := w.firstValued(repeat); s != "" {
			seen = append(seen, s)
		}
	}
	has := func(s string) bool { return slices.Contains(seen, s) }
	r.Retransmitted, r.Questionable = has("R"), has("W")
	switch {
	case len(seen) == 0, has("F"):
		r.Status = "F"
	case has("C"):
		r.Status = "C"
	case has("X"):
		r.Status = "X"
	case has("P"), has("S"), has("I"):
		r.Status = "P"
	case has("V"), has("Q"), has("R"), has("W"), has("M"):
		r.Status = "F"
	case has("N"):
		r.Status, r.Supplementary = "N", true
	default:
		r.Status = seen[0]
		w.warn(fieldStatus, codec.WarnUnknownStatus)
	}
}
