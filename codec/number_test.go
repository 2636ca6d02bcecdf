package codec_test

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

func TestNumber(t *testing.T) {
	const none = "none"
	tests := []struct {
		value      string
		comma      codec.Comma
		want       string // the number as strconv writes it, or none
		comparator string
		warn       string
	}{
		{value: "5.90", want: "5.9"},
		{value: "  173. ", want: "173"},
		{value: ".5", want: "0.5"},
		{value: "-1.00", want: "-1"},
		{value: "+1.2", want: "1.2"},
		{value: "+12", want: "12"},
		{value: "007", want: "7"},
		{value: "2.52E+3", want: "2520"},
		{value: "1e-3", want: "0.001"},
		{value: "<5", want: "5", comparator: "<"},
		{value: "< 839", want: "839", comparator: "<"},
		{value: "> 15000.00", want: "15000", comparator: ">"},
		{value: ">=40", want: "40", comparator: ">="},
		{value: "<= 0.01", want: "0.01", comparator: "<="},
		{value: "≤ 3", want: "3", comparator: "<="},
		{value: "≥3", want: "3", comparator: ">="},
		{value: "1,234.5", want: "1234.5"},
		{value: "1,234,567", want: "1234567"},
		{value: "161,152", want: none, warn: codec.WarnAmbiguousNumber},
		{value: "5,9", want: none, warn: codec.WarnAmbiguousNumber},
		{value: "0,123", want: none, warn: codec.WarnAmbiguousNumber},
		{value: "<0,5", want: none, warn: codec.WarnAmbiguousNumber},
		{value: "1.234,5", want: none},
		{value: "5,9", comma: codec.CommaDecimal, want: "5.9"},
		{value: "40,00", comma: codec.CommaDecimal, want: "40"},
		{value: "161.152", comma: codec.CommaDecimal, want: "161152"},
		{value: "1.234,5", comma: codec.CommaDecimal, want: "1234.5"},
		{value: ">8", comma: codec.CommaDecimal, want: "8", comparator: ">"},
		{value: "2,52E+3", comma: codec.CommaDecimal, want: "2520"},
		{value: "5.9", comma: codec.CommaDecimal, want: none, warn: codec.WarnAmbiguousNumber},
		{value: "1,234.5", comma: codec.CommaDecimal, want: none},
		{value: "", want: none},
		{value: " ", want: none},
		{value: "<", want: none},
		{value: "< ", want: none},
		{value: ".", want: none},
		{value: ",", want: none},
		{value: "-", want: none},
		{value: "+", want: none},
		{value: "+1", want: none},
		{value: "1+", want: none},
		{value: "+++", want: none},
		{value: "-----", want: none},
		{value: "*****", want: none},
		{value: "-1^0.750", want: none},
		{value: "2.52E+3 (3.40)", want: none},
		{value: "2.52E", want: none},
		{value: "E5", want: none},
		{value: "1E5.5", want: none},
		{value: "1E+-5", want: none},
		{value: "3/4", want: none},
		{value: "1:80", want: none},
		{value: "5 %", want: none},
		{value: "1 234", want: none},
		{value: "1e999", want: none},
		{value: "1e-999", want: none},
		{value: "NaN", want: none},
		{value: "Inf", want: none},
		{value: "0x10", want: none},
		{value: "1_000", want: none},
		{value: "1,2,3", want: none},
		{value: "1,2345,678", want: none},
		{value: "1.2.3", want: none},
		{value: "٣", want: none},
		{value: "<>5", want: none},
		{value: "--5", want: none},
		{value: "161,152", comma: codec.CommaThousands, want: "161152"},
		{value: "< 1,000", comma: codec.CommaThousands, want: "1000", comparator: "<"},
		{value: "1,234,567.5", comma: codec.CommaThousands, want: "1234567.5"},
		{value: "5,9", comma: codec.CommaThousands, want: none, warn: codec.WarnAmbiguousNumber},
		{value: "5.9", comma: codec.CommaThousands, want: "5.9"},
	}
	for _, tt := range tests {
		n, comparator, warn := codec.Number(tt.value, tt.comma)
		got := none
		if n != nil {
			got = strconv.FormatFloat(*n, 'f', -1, 64)
		}
		if got != tt.want || comparator != tt.comparator || warn != tt.warn {
			t.Errorf("Number(%q, %v) = %s %q %q, want %s %q %q", tt.value, tt.comma, got, comparator, warn, tt.want, tt.comparator, tt.warn)
		}
	}
}

// What strconv writes is read back, and nothing is read that strconv cannot.
func TestNumberAgreesWithStrconv(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64Range(-1e15, 1e15).Draw(t, "f")
		text := strconv.FormatFloat(f, 'f', 3, 64)
		want, _ := strconv.ParseFloat(text, 64)
		if got, _, _ := codec.Number(text, codec.CommaUnknown); got == nil || *got != want {
			t.Fatalf("Number(%q) = %v, want %v", text, got, want)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"5.9", "< 839", "161,152", "2.52E+3", "+++", "1e999", "≤ 3", "-.e5"} {
		for comma := range 3 {
			f.Add(seed, uint8(comma))
		}
	}
	f.Fuzz(func(t *testing.T, value string, comma uint8) {
		codectest.Ends(t)
		n, comparator, warn := codec.Number(value, codec.Comma(comma%3))
		if n == nil && comparator != "" {
			t.Errorf("a comparator %q without a number", comparator)
		}
		if n != nil && warn != "" {
			t.Errorf("a number with the warning %q", warn)
		}
	})
}
