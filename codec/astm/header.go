package astm

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/assaybus/assaybus/codec"
)

// header takes H (LIS02-A2 §6): the delimiters, which hold until the next
// header, and who speaks. It reports false, and has done nothing but keep the
// record, when the header declares no delimiters.
func (w *walk) header(line string) bool {
	_, size := utf8.DecodeRuneInString(line[1:])
	field := line[1 : 1+size]
	definition, rest, more := strings.Cut(line[1+size:], field)
	d, issue := declared(field, definition)
	if d == (delimiters{field, "^", "~", `\`}) && (w.o.Has(quirkHL7Delimiters) || strings.Contains(w.whole, field+"^^^")) {
		// HL7's habit: ^~\& makes ^ the repeat by the letter of the standard,
		// but a test id ^^^CODE somewhere shows that it is the component.
		d.repeat, d.component = "~", "^"
		if w.o.Has(quirkHL7Delimiters) {
			w.needed(quirkHL7Delimiters)
		}
	}
	first := w.row == 0
	if issue == delimitersMissing && first && more {
		return false
	}
	if issue != delimitersMissing || first {
		w.d = d
	}
	fields := []string{line[:1], field + definition}
	if more {
		fields = append(fields, strings.Split(rest, field)...)
	}
	w.take(fields)
	switch issue {
	case delimitersNoEscape:
		w.warn(2, codec.WarnNoEscape)
	case delimitersOdd, delimitersMissing:
		w.warn(2, codec.WarnDelimiters)
	case delimitersFine:
	}
	w.forget()
	w.count.p, w.count.q, w.count.s = 0, 0, 0
	w.above = 'H'
	if first {
		w.identify()
	}
	return true
}

// identify reads who sent the message, why and when.
func (w *walk) identify() {
	m := w.m
	m.ControlID = w.compact(w.field(3))
	m.Sender = w.sender(w.field(5))
	w.recognise()
	if function := w.firstValued(w.field(11)); rocheFunction(function) {
		w.function = function
		m.Type = w.compact(w.field(11))
	}
	shift := w.shift()
	if shift != 0 {
		w.warn(12, codec.WarnShiftedHeader)
	}
	w.header12 = w.text(12 + shift)
	m.Processing, w.control = processing(w.header12)
	m.Version = w.text(13 + shift)
	m.SentAt = w.time(14 + shift)
}

// shift is -1 or 1 when the processing id stands beside its place and a time
// stands two fields behind it: DPC Immulite's result header is one field
// short, its query header one too long.
func (w *walk) shift() int {
	if known, _ := processing(w.text(12)); known != "" {
		return 0
	}
	for _, shift := range []int{-1, 1} {
		switch w.text(12 + shift) {
		case "P", "T", "D", "Q":
			if digits := w.text(14 + shift); len(digits) >= len("20261123") && digits[0] >= '1' && digits[0] <= '2' {
				return shift
			}
		}
	}
	return 0
}

// processing is what H.12 means. Mindray's CL series writes what the message
// is about there: PR and QR are results of patients and of controls, CR those
// of a calibration, RQ a query, QA its answer, SA an order (CL series, host
// interface manual).
func processing(code string) (meaning string, control bool) {
	switch code {
	case "P", "PR", "CR", "RQ", "QA", "SA":
		return "production", false
	case "T":
		return "training", false
	case "D":
		return "debugging", false
	case "Q", "QR":
		return "qc", true
	}
	return "", false
}

// mindray reports one of Mindray's own codes in H.12.
func (w *walk) mindray() bool { return len(w.header12) == 2 && w.m.Processing != "" }

// rocheFunction reports one of the functions that the Roche family writes in
// H.11 as function^mode (cobas and Elecsys host interface manuals).
func rocheFunction(code string) bool {
	switch code {
	case "TSREQ", "TSDWN", "RSUPL", "RSREQ", "PCUPL", "ICUPL", "ABUPL":
		return true
	}
	return false
}

// calibration reports a message whose R records are no results of specimens:
// photometric, ISE and absorbance data of the Roche family, calibrations of
// Mindray's.
func (w *walk) calibration() bool {
	switch w.function {
	case "PCUPL", "ICUPL", "ABUPL":
		return true
	}
	return w.header12 == "CR"
}

// sender reads H.5, whose components every vendor orders in its own way: the
// first is the name, the first that looks like a version the software, the
// first other one with four digits the serial number.
func (w *walk) sender(field string) *codec.Sender {
	var s codec.Sender
	for i, leaf := range strings.Split(w.compact(field), "^") {
		switch {
		case i == 0:
			s.Name = leaf
		case s.Software == "" && isVersion(leaf):
			s.Software = leaf
		case s.Serial == "" && !isVersion(leaf) && countDigits(leaf) >= 4 && !strings.Contains(leaf, " "):
			s.Serial = leaf
		case s.Name == "":
			s.Name = leaf
		}
	}
	if s == (codec.Sender{}) {
		return nil
	}
	return &s
}

// isVersion reports "7.01", "5.10.0.46252", "04.04.00.00", "00-24", "2.2.2.2b".
func isVersion(text string) bool {
	parts := strings.FieldsFunc(text, func(c rune) bool { return c == '.' || c == '-' })
	if len(parts) < 2 || len(text) > 20 {
		return false
	}
	return !slices.ContainsFunc(parts, func(p string) bool {
		return p[0] < '0' || p[0] > '9' || countDigits(p) < len(p)-1
	})
}

func countDigits(text string) int {
	n := 0
	for i := range len(text) {
		if text[i] >= '0' && text[i] <= '9' {
			n++
		}
	}
	return n
}
