package astm_test

import (
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
)

// A value that a line end cut never looks whole; where no field was cut, the
// line is joined and nothing is lost.
func TestCutResults(t *testing.T) {
	type outcome struct {
		value, units, status string
		number               float64 // 0 = none
		cut, joined          bool
	}
	tests := []struct {
		name, rows string
		want       outcome
	}{
		{"in the number", "R|1|^^^T|4\r.2|g/L||N||F", outcome{value: "4\r.2", units: "g/L", status: "F", cut: true, joined: true}},
		{"in the number, nothing behind", "R|1|^^^T|4\r.2", outcome{value: "4\r.2", cut: true, joined: true}},
		{"in a text", "R|1|^^^T|not\rdetected|||||F", outcome{value: "not\rdetected", status: "F", cut: true, joined: true}},
		{"in the units", "R|1|^^^T|4.2|g\r/L", outcome{value: "4.2", units: "g\r/L", cut: true, joined: true}},
		{"in the range", "R|1|^^^T|4.2|g/L|3\r-5", outcome{value: "4.2", units: "g/L", cut: true, joined: true}},
		{"in the status", "R|1|^^^T|4.2|g/L||||P\r^F", outcome{value: "4.2", units: "g/L", cut: true, joined: true}},
		{"two tails", "R|1|^^^T|4\r.\r2|g/L||||F", outcome{value: "4\r.\r2", units: "g/L", status: "F", cut: true, joined: true}},
		{"before a delimiter", "R|1|^^^T|4.2\r|g/L||||F", outcome{value: "4.2", units: "g/L", status: "F", number: 4.2, joined: true}},
		{"behind a delimiter", "R|1|^^^T|4.2|\r1/L||||F", outcome{value: "4.2", units: "1/L", status: "F", number: 4.2, joined: true}},
		{"behind the status", "R|1|^^^T|4.2|g/L||||F||op\r12", outcome{value: "4.2", units: "g/L", status: "F", number: 4.2, joined: true}},
		{"an empty line is none", "R|1|^^^T|4.2|g/L||||F\r\rC|1|I|x|G", outcome{value: "4.2", units: "g/L", status: "F", number: 4.2}},
		{"not cut", "R|1|^^^T|4.2|g/L||||F", outcome{value: "4.2", units: "g/L", status: "F", number: 4.2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := parse(t, codec.Options{}, append([]string{`H|\^&|||X`, "P|1", "O|1|SX81||^^^T"}, append(strings.Split(tt.rows, "\r"), "L|1|N")...)...)
			r := m.Results[0]
			got := outcome{
				value: r.Value, units: r.Units, status: r.Status,
				cut: len(r.Warnings) == 1 && r.Warnings[0] == codec.WarnCutValue, joined: warned(m, codec.WarnJoinedLine),
			}
			if r.Number != nil {
				got.number = *r.Number
			}
			if got != tt.want || r.Questionable != tt.want.cut || len(m.Results) != 1 || r.Supplementary {
				t.Errorf("got %+v, want %+v; questionable %v, supplementary %v", got, tt.want, r.Questionable, r.Supplementary)
			}
		})
	}
}

// An id that a line end cut is no specimen.
func TestCutSpecimen(t *testing.T) {
	m := parse(t, codec.Options{}, `H|\^&|||X`, "P|1", "O|1|SX", "81||^^^T", "R|1|^^^T|5||||||F", "L|1|N")
	if m.Results[0].Specimen != "" || !warned(m, codec.WarnJoinedLine) || !warned(m, codec.WarnNoSpecimen) {
		t.Error("a part of an id passed for the specimen, or no warning says so")
	}
}
