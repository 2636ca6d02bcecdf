package hl7_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/hl7"
)

// A value that a line end cut never looks whole.
func TestCutResults(t *testing.T) {
	for name, tt := range map[string]struct {
		obx    string // ~ stands for the line end
		cut    bool
		number bool
		status string
	}{
		"whole":                  {"OBX|1|NM|K||4.1|mmol/L|3-5|N|||F", false, true, "F"},
		"in a number":            {"OBX|1|NM|K||4~.1|mmol/L|3-5|N|||F", true, false, ""},
		"behind a digit":         {"OBX|1|NM|K||15~0|10*3/uL|150-400|N|||F", true, false, ""},
		"in a text":              {"OBX|1|ST|K||first part of a~second part|g/L||H|||F", true, false, ""},
		"two line ends":          {"OBX|1|NM|K||4~.~1|mmol/L|3-5|N|||F", true, false, ""},
		"in the units":           {"OBX|1|NM|K||4.1|10*3~/uL|3-5|N|||F", true, false, ""},
		"in the range":           {"OBX|1|NM|K||4.1|mmol/L|3-~5|N|||F", true, false, ""},
		"before the status":      {"OBX|1|NM|K||4.1|mmol/L|3-5|N|~||F", true, false, ""},
		"behind the status":      {"OBX|1|NM|K||4.1|mmol/L|3-5|N|||F|||2026~0301", false, true, "F"},
		"a segment of the house": {"OBX|1|NM|K||4.1|mmol/L|3-5|N|||F~ZZZ|1", false, true, "F"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "MSH|^~\\&|A|B|C|D|20260301101500||ORU^R01|K1|P|2.5\rOBR|1|SPCK1||K\r" + strings.ReplaceAll(tt.obx, "~", "\r") + "\rOBX|2|NM|NA||141|mmol/L|||||F\r"
			m, err := hl7.NewFixed(codec.Options{}).Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			x := m.Results[0]
			if cut := x.Questionable && slices.Contains(x.Warnings, codec.WarnCutValue); cut != tt.cut {
				t.Errorf("cut %v, want %v: %+v", cut, tt.cut, x)
			}
			if (x.Number != nil) != tt.number || x.Status != tt.status {
				t.Errorf("number %v, status %q; want %v, %q", x.Number, x.Status, tt.number, tt.status)
			}
			if next := m.Results[1]; next.Number == nil || *next.Number != 141 || next.Questionable || next.Specimen != "SPCK1" {
				t.Errorf("the result behind it is %+v", next)
			}
		})
	}
}

// The explicit null is told apart from a value that is empty.
func TestDeletedValue(t *testing.T) {
	for value, want := range map[string]bool{`""`: true, "": false, " ": false, `"`: false, `""x`: false, "5": false} {
		m, err := hl7.NewFixed(codec.Options{}).Parse([]byte("MSH|^~\\&|A|B|C|D|20260301101500||ORU^R01|K2|P|2.5\rOBR|1|SPCK2||K\rOBX|1|NM|K||" + value + "|mmol/L|||||F\r"))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Results[0].Deleted; got != want {
			t.Errorf("value %q: deleted %v, want %v", value, got, want)
		}
	}
}
