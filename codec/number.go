package codec

import (
	"math"
	"strconv"
	"strings"
)

// Comma is what a comma in a number of an instrument means.
type Comma int

// What a comma can be.
const (
	CommaUnknown   Comma = iota // nobody said
	CommaDecimal                // "5,9", and a point groups thousands
	CommaThousands              // "161,152"
)

// Number reads value as a number with an optional comparator (< > <= >=; ≤
// and ≥ are written <= and >=). It never guesses: number is nil and
// comparator empty for everything that is not one plain number, such as
// "-1^0.750", "+++", "2.52E+3 (3.40)", "3/4", "0x10" or "NaN". warn is
// [WarnAmbiguousNumber] when there is one number, but its comma or point may
// be decimal as well as thousands.
//
// With [CommaUnknown] the point is decimal, and commas are thousands where
// they can be nothing else ("1,234.5", "1,234,567"); "161,152" and "5,9" are
// ambiguous. With [CommaThousands] "161,152" is 161152; "5,9" stays ambiguous.
// With [CommaDecimal] the two change places: "5,9" is 5.9, "161.152" is 161152
// and "5.9" is ambiguous. A single digit behind a plus sign is a grade, not a
// number ("+1" of a urine strip).
func Number(value string, comma Comma) (number *float64, comparator string, warn string) {
	f, ok, comparator, warn := NumberOf(value, comma)
	if ok {
		number = &f
	}
	return number, comparator, warn
}

// NumberOf is [Number] without an allocation; ok tells whether there is a
// number.
func NumberOf(value string, comma Comma) (number float64, ok bool, comparator string, warn string) {
	if f, ok := plainNumber(value, comma); ok {
		return f, true, "", ""
	}
	text := strings.TrimSpace(value)
	comparator, text = cutComparator(text)
	mantissa, exponent, ok := cutExponent(text)
	if !ok || grade(text) {
		return 0, false, "", ""
	}
	plain, state := normalise(mantissa, comma)
	switch state {
	case notNumber:
		return 0, false, "", ""
	case ambiguous:
		return 0, false, "", WarnAmbiguousNumber
	case certain:
	}
	f, err := strconv.ParseFloat(plain+exponent, 64)
	if err != nil || f == 0 && strings.ContainsAny(mantissa, "123456789") || math.IsInf(f, 0) {
		return 0, false, "", "" // beyond what a float64 holds
	}
	return f, true, comparator, ""
}

// plainNumber reads what nearly every value is, in one pass: digits with at
// most one decimal point, few enough that both parts of the fraction are exact
// and so is its rounding.
func plainNumber(text string, comma Comma) (float64, bool) {
	const exact = 15 // digits that a float64 always holds
	if len(text) > exact {
		return 0, false
	}
	var digits uint64
	point := -1
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits = 10*digits + uint64(c-'0')
		case c == '.' && point < 0 && comma != CommaDecimal:
			point = i
		default:
			return 0, false
		}
	}
	switch {
	case text == "", text == ".":
		return 0, false
	case point < 0:
		return float64(digits), true
	}
	return float64(digits) / math.Pow10(len(text)-point-1), true
}

// cutComparator takes the comparator off the front, and the blanks behind it.
func cutComparator(text string) (comparator, rest string) {
	size := 1
	switch {
	case strings.HasPrefix(text, "<="):
		comparator, size = "<=", 2
	case strings.HasPrefix(text, ">="):
		comparator, size = ">=", 2
	case strings.HasPrefix(text, "<"):
		comparator = "<"
	case strings.HasPrefix(text, ">"):
		comparator = ">"
	case strings.HasPrefix(text, "≤"):
		comparator, size = "<=", len("≤")
	case strings.HasPrefix(text, "≥"):
		comparator, size = ">=", len("≥")
	default:
		return "", text
	}
	return comparator, strings.TrimLeft(text[size:], " \t")
}

// cutExponent splits "2.52E+3" before the E. ok is false when what follows
// the E is no exponent.
func cutExponent(text string) (mantissa, exponent string, ok bool) {
	at := strings.IndexByte(text, 'E')
	if at < 0 {
		at = strings.IndexByte(text, 'e')
	}
	if at < 0 {
		return text, "", true
	}
	digits := strings.TrimLeft(text[at+1:], "+-")
	signs := len(text) - at - 1 - len(digits)
	return text[:at], text[at:], signs <= 1 && allDigits(digits)
}

// grade is a plus sign and a single digit.
func grade(text string) bool {
	return len(text) == 2 && text[0] == '+'
}

type reading int

const (
	notNumber reading = iota
	certain
	ambiguous
)

// normalise writes a mantissa the way strconv reads it.
func normalise(mantissa string, comma Comma) (string, reading) {
	sign, digits := "", mantissa
	if mantissa != "" && (mantissa[0] == '-' || mantissa[0] == '+') {
		sign, digits = mantissa[:1], mantissa[1:]
	}
	decimalComma := comma == CommaDecimal
	decimal, thousands := ".", ","
	if decimalComma {
		decimal, thousands = ",", "."
	}
	whole, fraction, hasFraction := strings.Cut(digits, decimal)
	if !digitsOrNothing(fraction) || whole == "" && fraction == "" {
		return "", notNumber
	}
	groups := strings.Count(whole, thousands)
	switch {
	case groups == 0:
		if !digitsOrNothing(whole) {
			return "", notNumber
		}
		if !hasFraction || !decimalComma {
			return mantissa, certain // as it stands
		}
		return sign + whole + "." + fraction, certain
	case grouped(whole, thousands):
		// One point in thousands position is what the option is about; one
		// comma without it may as well be a decimal comma nobody configured.
		if groups == 1 && !hasFraction && comma == CommaUnknown {
			return "", ambiguous
		}
		return sign + strings.ReplaceAll(whole, thousands, "") + "." + fraction, certain
	case groups == 1 && !hasFraction:
		before, after, _ := strings.Cut(whole, thousands)
		if digitsOrNothing(before) && digitsOrNothing(after) && before+after != "" {
			return "", ambiguous
		}
	}
	return "", notNumber
}

// grouped reports one to three digits followed by groups of exactly three.
func grouped(whole, separator string) bool {
	first, rest, _ := strings.Cut(whole, separator)
	if len(first) > 3 || !allDigits(first) || first == "0" {
		return false
	}
	for group := range strings.SplitSeq(rest, separator) {
		if len(group) != 3 || !allDigits(group) {
			return false
		}
	}
	return true
}

func allDigits(s string) bool { return s != "" && digitsOrNothing(s) }

func digitsOrNothing(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
