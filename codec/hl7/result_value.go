package hl7

import (
	"math"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// valueOf reads OBX-5: the text as sent with escapes decoded, the number
// where the text is one.
func (w *walk) valueOf(x *codec.Result, field string, record int) {
	x.Value = trim(w.whole(field))
	if x.Value == "" {
		x.Deleted = trim(field) == `""` // HL7 v2.5.1 §2.5.3: delete what you have
		return
	}
	if coded(x.ValueType) && w.systemOnly(field) {
		x.Value, x.Supplementary = "", true // the qualitative twin of a quantitative row (cobas pro)
		return
	}
	text := x.Value
	switch x.ValueType {
	case "SN": // comparator^number, with nothing behind it
		if w.d.part(field, 3) != "" || w.d.part(field, 4) != "" {
			return
		}
		text = w.word(field, 1) + w.word(field, 2)
	case "CE", "CWE", "CNE", "CF", "ED", "RP", "DT", "TM", "TS", "DTM", "DR", "EI":
		return
	}
	number, ok, comparator, code := codec.NumberOf(text, w.o.Comma())
	x.Comparator = comparator
	if code != "" {
		w.warn(record, 5, code)
	}
	if number = scaled(number, x.Units); ok && (w.class == 0 || number != -0x0FFFFFFF) { // Mindray chemistry: "no valid result"
		w.numbers = append(w.numbers, number)
		x.Number = &w.numbers[len(w.numbers)-1]
	}
}

func coded(valueType string) bool { return valueType == "CE" || valueType == "CWE" }

// systemOnly tells whether a coded value names a coding system and no code.
func (w *walk) systemOnly(field string) bool {
	if w.word(field, 1) != "" || w.word(field, 2) != "" {
		return false
	}
	system := w.word(field, 3)
	return strings.HasPrefix(system, "99") || strings.HasPrefix(system, "HL7")
}

// scaled applies the power of ten of UCUM units such as 10*-1.{copies}/mL,
// where the sender moved the point into the units (cobas 5800, 6800). 10*9/L
// is no such factor: it is what the laboratory reads.
func scaled(number float64, units string) float64 {
	power, ok := strings.CutPrefix(units, "10*")
	if !ok {
		return number
	}
	power, annotation, ok := strings.Cut(power, ".")
	if !ok || !strings.HasPrefix(annotation, "{") {
		return number
	}
	exponent, err := strconv.Atoi(power)
	if err != nil || exponent < -30 || exponent > 30 {
		return number
	}
	// Through the text, so that 367 and -1 give 36.7 and not 36.700000000000003.
	s, err := strconv.ParseFloat(strconv.FormatFloat(number, 'f', -1, 64)+"e"+strconv.Itoa(exponent), 64)
	if err != nil || math.IsInf(s, 0) {
		return number
	}
	return s
}
