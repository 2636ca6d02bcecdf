package hl7_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/hl7"
)

// The zone of MSH-7 holds for every time of the message that has none of its
// own; both win over the instrument's.
func TestZoneOfTheMessage(t *testing.T) {
	harare := time.FixedZone("", 2*3600)
	for name, tt := range map[string]struct {
		sent, field string
		zone        *time.Location
		want        string
	}{
		"the message's":            {"20260301101500+0300", "20260301101400", nil, "2026-03-01T10:14:00+03:00"},
		"before the instrument's":  {"20260301101500+0300", "20260301101400", harare, "2026-03-01T10:14:00+03:00"},
		"its own":                  {"20260301101500+0300", "20260301101400-0500", harare, "2026-03-01T10:14:00-05:00"},
		"with a fraction":          {"20260301101500.123+0300", "20260301101400.5", nil, "2026-03-01T10:14:00.5+03:00"},
		"UTC by a Z":               {"20260301101500Z", "20260301101400", harare, "2026-03-01T10:14:00Z"},
		"with a colon":             {"20260301101500+05:30", "20260301101400", nil, "2026-03-01T10:14:00+05:30"},
		"none: the instrument's":   {"20260301101500", "20260301101400", harare, "2026-03-01T10:14:00+02:00"},
		"none at all":              {"20260301101500", "20260301101400", nil, "2026-03-01T10:14:00Z"},
		"an offset of no time":     {"+0300", "20260301101400", harare, "2026-03-01T10:14:00+02:00"},
		"an offset that is none":   {"20260301101500+9900", "20260301101400", harare, "2026-03-01T10:14:00+02:00"},
		"a date stays a date":      {"20260301101500+0300", "20260301", nil, "2026-03-01"},
		"microseconds, no point":   {"20260301101500+0300", "20260301101400920350", nil, "2026-03-01T10:14:00.92035+03:00"},
		"milliseconds, no point":   {"20260301101500", "20260301101400920", nil, "2026-03-01T10:14:00.92Z"},
		"behind another component": {"20260301101500+0300^S", "20260301101400^S", nil, "2026-03-01T10:14:00+03:00"},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("MSH|^~\\&|A|B|C|D|%s||ORU^R01|Z1|P|2.5\rPID|1||PATZ1\rOBR|1|SPCZ1||GLU|||%s\rOBX|1|NM|GLU||5.1|mmol/L||N|||F|||%s\r", tt.sent, tt.field, tt.field)
			m, err := hl7.NewFixed(codec.Options{Location: tt.zone}).Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Results[0].ObservedAt; got != tt.want {
				t.Errorf("OBX-14 is %s, want %s", got, tt.want)
			}
			if got := m.Orders[0].CollectedAt; got != tt.want {
				t.Errorf("OBR-7 is %s, want %s", got, tt.want)
			}
		})
	}
}

// The same of a query.
func TestZoneOfAQuery(t *testing.T) {
	m, err := hl7.NewFixed(codec.Options{}).Parse([]byte("MSH|^~\\&|A|B|C|D|20260924143134+0300||QRY^Q02|Z2|P|2.5.1\rQRD|20260924143100|R|D|1|||RD|SPCZ2|OTH|||T\rQRF|A|20260924000000|20260924120000\r"))
	if err != nil {
		t.Fatal(err)
	}
	if q := m.Queries[0]; q.From != "2026-09-24T00:00:00+03:00" || q.Until != "2026-09-24T12:00:00+03:00" {
		t.Errorf("asked from %s until %s", q.From, q.Until)
	}
}

// A time that is there and cannot be read is left out and warned about, never
// replaced by another field's.
func TestUnreadableTimeIsNotAbsent(t *testing.T) {
	for name, tt := range map[string]struct {
		analysed, observed string
		want               string
		warned             bool
	}{
		"read":                        {"", "20260301101400", "2026-03-01T10:14:00Z", false},
		"absent":                      {"", "", "2026-03-01T10:00:00Z", false},
		"the null":                    {"", `""`, "2026-03-01T10:00:00Z", false},
		"no such day":                 {"", "20260231101400", "", true},
		"24 o'clock":                  {"", "20260301240000", "", true},
		"words":                       {"", "yesterday", "", true},
		"of the analysis, unreadable": {"2026", "20260301101400", "2026", false},
		"of the analysis, no time":    {"20261301", "20260301101400", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("MSH|^~\\&|A|B|C|D|20260301101500||ORU^R01|Z3|P|2.5\rOBR|1|SPCZ3||GLU|||20260301100000\rOBX|1|NM|GLU||5.1|mmol/L||N|||F|||%s|||||%s\r", tt.observed, tt.analysed)
			m, err := hl7.NewFixed(codec.Options{}).Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			warned := false
			for _, w := range m.Warnings {
				warned = warned || w.Code == codec.WarnBadTimestamp
			}
			if got := m.Results[0].ObservedAt; got != tt.want || warned != tt.warned {
				t.Errorf("observed at %q, warned %v; want %q, %v", got, warned, tt.want, tt.warned)
			}
		})
	}
}

// Whole components that say so make a control; a patient whose name begins so
// is a patient.
func TestControlsByWord(t *testing.T) {
	for name, tt := range map[string]struct{ id, name, test, role, want string }{
		"authority":                      {"QCZ1^^^QC", "Lot^One", "GLU", "", codec.KindQC},
		"authority of a second id":       {"PATZ4~QCZ2^^^qc", "Lot^One", "GLU", "", codec.KindQC},
		"name":                           {"QCZ3", "QC^Control", "GLU", "", codec.KindQC},
		"given name":                     {"QCZ4", "Level 1^Control", "GLU", "", codec.KindQC},
		"order":                          {"QCZ5", "", "^^^QC^Quality Control", "", codec.KindQC},
		"order, words":                   {"QCZ6", "", "GLU^Quality Control", "", codec.KindQC},
		"a name that begins so":          {"PATZ5", "Controlli^Ada", "GLU", "", codec.KindResult},
		"a name that holds it":           {"PATZ6", "Mc Control^Ada", "GLU", "", codec.KindResult},
		"an id that holds it":            {"QC-PATZ7", "Ada^Vera", "GLU", "", codec.KindResult},
		"SPM says that it is a patient":  {"PATZ8", "Control^Vera", "GLU", "P", codec.KindResult},
		"an order that only begins so":   {"PATZ9", "Ada^Vera", "QCP^Qc panel", "", codec.KindResult},
		"a type of id that is no marker": {"PATZ10^^^LAB^QC", "Ada^Vera", "GLU", "", codec.KindResult},
	} {
		t.Run(name, func(t *testing.T) {
			spm := ""
			if tt.role != "" {
				spm = "SPM|1|SPCZ4||SER|||||||" + tt.role + "\r"
			}
			text := fmt.Sprintf("MSH|^~\\&|BS-200|LAB|||20260301101500||ORU^R01|Z4|P|2.3.1\rPID|1||%s||%s\r%sOBR|1||SPCZ4|%s\rOBX|1|NM|GLU||5.6|mmol/L|||||C\r", tt.id, tt.name, spm, tt.test)
			m, err := hl7.NewFixed(codec.Options{}).Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if m.Kind != tt.want {
				t.Errorf("kind %s, want %s", m.Kind, tt.want)
			}
		})
	}
}
