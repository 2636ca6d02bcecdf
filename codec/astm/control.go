package astm

import (
	"slices"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// The quirks of the record layer.
const (
	quirkHL7Delimiters      = "hl7-delimiters"
	quirkControlAfterResult = "qc-after-result"
)

// recordQuirks are the tolerances of the record layer that only configuration
// can know.
func recordQuirks() []codec.Quirk {
	return []codec.Quirk{
		{Name: quirkHL7Delimiters, Help: `the header H|^~\& means HL7's delimiters also where no test id ^^^CODE shows it (middleware that speaks both)`},
		{Name: quirkControlAfterResult, Help: "a Q record behind an R with a number in Q.4 is a control's result, not a query (OpenELIS mock server); below the order of a control it always completes the R before it"},
	}
}

// takeControls reads the control results that Mindray's CL series writes into
// O.12 of a message with QR in H.12, without any R record: repeats of
// number^name^lot^expiry^mean^level^SD^result (CL series, host interface
// manual). They belong to no specimen.
func (w *walk) takeControls() {
	order := &w.m.Orders[*w.order]
	order.Action = ""
	code, name := "", ""
	if len(order.Tests) > 0 {
		code, name = w.code(w.field(fieldTests))
	}
	for repeat := range w.repeats(w.field(fieldAction)) {
		value := w.decode(w.d.nth(repeat, 8))
		if value == "" {
			continue
		}
		r := w.add()
		r.Code, r.Name, r.Value, r.Status, r.ObservedAt = code, name, value, "F", order.RequestedAt
		r.Aspect = w.aspectOf(repeat, 2, 3, 6)
		if mean, sd := w.decode(w.d.nth(repeat, 5)), w.decode(w.d.nth(repeat, 7)); mean != "" && sd != "" {
			r.Range = mean + " +- " + sd
		}
		w.plainNumber(r, value, fieldAction)
		w.warnSpecimen(r.Specimen)
	}
}

// controlInQuery takes Q|n|code^lot^level|value|units… behind a result as what
// it is for the OpenELIS mock server: a control's result, of no specimen. It
// reports false when Q.4 is no number.
func (w *walk) controlInQuery() bool {
	value := w.text(4)
	if _, err := strconv.ParseFloat(value, 64); err != nil {
		return false
	}
	w.needed(quirkControlAfterResult)
	w.forget()
	order := codec.Order{Role: "Q", Record: w.row}
	if code := w.decode(w.d.nth(w.field(3), 1)); code != "" {
		order.Tests = []string{code}
	}
	at := len(w.m.Orders)
	w.order = &at
	w.m.Orders = append(w.m.Orders, order)
	r := w.add()
	r.Code = w.decode(w.d.nth(w.field(3), 1))
	r.Aspect = w.aspectOf(w.field(3), 2, 3)
	r.Value, r.Units, r.Status = value, w.text(5), "F"
	w.plainNumber(r, value, 4)
	w.warnSpecimen(r.Specimen)
	return true
}

// completesControl takes a Q that stands directly behind a result of a
// control, and has a number in Q.4 or names the result's test again, as what
// it is there: lot and level of that result, no query. It asks for nothing, so
// the order stays open and the measurement stands once.
func (w *walk) completesControl() bool {
	control := w.controlPatient || w.order != nil && w.m.Orders[*w.order].Role == "Q"
	if w.above != 'R' || w.result < 0 || !control {
		return false
	}
	r := &w.m.Results[w.result]
	number, isNumber, _, _ := codec.NumberOf(w.text(4), w.o.Comma())
	if !isNumber && !w.namesTest(r.Code) {
		return false
	}
	w.needed(quirkControlAfterResult)
	if isNumber && r.Value == "" {
		r.Value, r.ValueType = w.text(4), "NM"
		w.numbers = append(w.numbers, number)
		r.Number = &w.numbers[len(w.numbers)-1]
	}
	r.Lot = w.lot(r)
	return true
}

// namesTest reports a Q that has code as a test in Q.5 or as a component of
// Q.3.
func (w *walk) namesTest(code string) bool {
	return code != "" && (slices.Contains(w.tests(w.field(fieldTests)), code) ||
		w.anyLeaf(w.field(3), func(leaf string) bool { return w.decode(leaf) == code }))
}

// lot are the components of Q.3 that are not the result's test: lot and level.
func (w *walk) lot(r *codec.Result) string {
	var parts []string
	first, _ := cutAt(w.field(3), w.d.repeat)
	for more := first; more != ""; {
		var leaf string
		leaf, more = cutAt(more, w.d.component)
		if leaf = w.decode(leaf); leaf != "" && leaf != r.Code {
			parts = append(parts, leaf)
		}
	}
	return strings.Join(parts, "^")
}

// aspectOf joins the given components of text.
func (w *walk) aspectOf(text string, components ...int) string {
	var parts []string
	for _, n := range components {
		if leaf := w.decode(w.d.nth(text, n)); leaf != "" {
			parts = append(parts, leaf)
		}
	}
	return strings.Join(parts, "^")
}
