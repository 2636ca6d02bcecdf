package hl7_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/codec"
)

func TestResultFields(t *testing.T) {
	number := func(f float64) *float64 { return &f }
	for _, c := range []struct {
		name, obx string
		want      codec.Result
	}{
		{"alternate code", "OBX|1|NM|^^^718-7^Hb^LN||9", codec.Result{Code: "718-7", Name: "Hb", CodeSystem: "LN", Value: "9", ValueType: "NM", Number: number(9)}},
		{"text for a code", "OBX|1|NM|^Hemoglobin||9", codec.Result{Code: "Hemoglobin", Name: "Hemoglobin", Value: "9", ValueType: "NM", Number: number(9)}},
		{"sub-id for a code", "OBX|1|NM||Hb|9", codec.Result{Code: "Hb", Name: "Hb", Value: "9", ValueType: "NM", Number: number(9)}},
		{"number for a sub-id", "OBX|1|NM|A|2|9", codec.Result{Code: "A", Aspect: "2", Value: "9", ValueType: "NM", Number: number(9)}},
		{"supplement is no alternate code", "OBX|1|ST|^^99X^S_OTHER^Other^LAW||9", codec.Result{CodeSystem: "99X", Value: "9", ValueType: "ST", Number: number(9), Supplementary: true}},
		{"raw data", "OBX|1|ST|A^A^99X^S_RAW^Raw^LAW||9", codec.Result{Code: "A", Name: "A", CodeSystem: "99X", Value: "9", ValueType: "ST", Number: number(9), Supplementary: true}},
		{"clinical information", "OBX|1|ST|A||9" + strings.Repeat("|", 24) + "SCI", codec.Result{Code: "A", Value: "9", ValueType: "ST", Number: number(9), Supplementary: true}},
		{"identifier", "OBX|1|EI|A||9", codec.Result{Code: "A", Value: "9", ValueType: "EI", Supplementary: true}},
		{"a time is no number", "OBX|1|TS|A||20261123", codec.Result{Code: "A", Value: "20261123", ValueType: "TS", Supplementary: true}},
		{"a code is no number", "OBX|1|CE|A||9^nine", codec.Result{Code: "A", Value: "9^nine", ValueType: "CE"}},
		{"repetitions", "OBX|1|ST|A||a~b~", codec.Result{Code: "A", Value: "a~b", ValueType: "ST"}},
		{"comparator", "OBX|1|ST|A||>= 250", codec.Result{Code: "A", Value: ">= 250", ValueType: "ST", Number: number(250), Comparator: ">="}},
		{"structured number", "OBX|1|SN|A||<^0.5", codec.Result{Code: "A", Value: "<^0.5", ValueType: "SN", Number: number(0.5), Comparator: "<"}},
		{"structured range", "OBX|1|SN|A||^1^-^2", codec.Result{Code: "A", Value: "^1^-^2", ValueType: "SN"}},
		{"units by text", "OBX|1|NM|A||9|^Copies/mL", codec.Result{Code: "A", Value: "9", ValueType: "NM", Number: number(9), Units: "Copies/mL"}},
		{"units in powers", "OBX|1|NM|A||9|10\\S\\9/L", codec.Result{Code: "A", Value: "9", ValueType: "NM", Number: number(9), Units: "10^9/L"}},
		{"power of ten applied", "OBX|1|NM|A||9|10*3.{copies}/mL^^UCUM", codec.Result{Code: "A", Value: "9", ValueType: "NM", Number: number(9000), Units: "10*3.{copies}/mL"}},
		{"power of ten of the laboratory", "OBX|1|NM|A||9|10*9/L^^UCUM", codec.Result{Code: "A", Value: "9", ValueType: "NM", Number: number(9), Units: "10*9/L"}},
		{"power of ten too large", "OBX|1|NM|A||9|10*999.{c}", codec.Result{Code: "A", Value: "9", ValueType: "NM", Number: number(9), Units: "10*999.{c}"}},
		{"power of ten without annotation", "OBX|1|NM|A||9|10*3.L", codec.Result{Code: "A", Value: "9", ValueType: "NM", Number: number(9), Units: "10*3.L"}},
		{"failed, reason in the flag", "OBX|1||A|||||QNS^Too little^99X|||X", codec.Result{Code: "A", Flags: []string{"QNS"}, Status: "X", Comments: []string{"Too little"}}},
		{"failed with a value", "OBX|1|ST|A||err|||QNS^Too little|||X", codec.Result{Code: "A", Value: "err", ValueType: "ST", Flags: []string{"QNS"}, Status: "X"}},
		{"corrected, lower case", "OBX|1|ST|A||x||||||c", codec.Result{Code: "A", Value: "x", ValueType: "ST", Status: "C"}},
		{"null flag", `OBX|1|ST|A||x|||""`, codec.Result{Code: "A", Value: "x", ValueType: "ST"}},
		{"operator by name", "OBX|1|ST|A||x|||||||||||^North", codec.Result{Code: "A", Value: "x", ValueType: "ST", Operator: "North"}},
		{"analysed, not observed", "OBX|1|ST|A||x|||||||||20261122|||||20261123083600", codec.Result{Code: "A", Value: "x", ValueType: "ST", ObservedAt: "2026-11-23T08:36:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parse(t, codec.Options{}, oruHeader, "OBR|1", c.obx).Results[0]
			if c.want.Status == "" {
				c.want.Status = "F"
			}
			got.Order, got.Record = nil, 0
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHeaderAndSender(t *testing.T) {
	m := parse(t, codec.Options{}, `MSH|^~\&|^1.2.3^ISO|Site|||20261123083600+0530||ORU^R01^ORU_R01|7|D^A|2.5.1`, "SFT|Maker|3.1|Product|9", "SFT|Maker|4|Other|9")
	if d := cmp.Diff(&codec.Sender{Name: "1.2.3", Facility: "Site", Software: "Product 3.1"}, m.Sender); d != "" {
		t.Error(d)
	}
	if m.SentAt != "2026-11-23T08:36:00+05:30" || m.Processing != "debugging" || m.Type != "ORU^R01^ORU_R01" {
		t.Errorf("got %s %s %s", m.SentAt, m.Processing, m.Type)
	}
	m = parse(t, codec.Options{}, `MSH|^~\&|||||20261123||ACK|7|P|2.5`, "SFT|Maker|3.1", "MSA|AE|6|no")
	if d := cmp.Diff(&codec.Ack{Code: "AE", ControlID: "6", Text: "no"}, m.Ack); d != "" || m.Sender.Software != "3.1" {
		t.Error(d, m.Sender)
	}
}

// A field too many before MSH-9 is as common as one too few.
func TestShiftedHeader(t *testing.T) {
	m := parse(t, codec.Options{}, `MSH|^~\&|A|B|C|D|E|20261123083600||ORU^R01|77|P|2.5`, "OBR|1||S", "OBX|1|NM|A||9")
	if m.Type != "ORU^R01" || m.ControlID != "77" || m.Version != "2.5" || m.SentAt != "" {
		t.Errorf("got %q %q %q %q", m.Type, m.ControlID, m.Version, m.SentAt)
	}
	if d := cmp.Diff([]codec.Warning{{Record: 1, Field: 9, Code: codec.WarnShiftedHeader}}, m.Warnings); d != "" {
		t.Error(d)
	}
}

func TestQueries(t *testing.T) {
	for _, c := range []struct {
		header string
		rest   []string
		want   codec.Query
	}{
		{"QBP^Q11", []string{"QPD|WOS^x|t|A~B~A"}, codec.Query{Name: "WOS", Tag: "t", Specimens: []string{"A", "B"}, Record: 2}},
		{"QBP^Q11", []string{"QPD|WOS|t|ALL"}, codec.Query{Name: "WOS", Tag: "t", All: true, Record: 2}},
		{"QBP^Q11", []string{"QPD|WOS_ALL|t"}, codec.Query{Name: "WOS_ALL", Tag: "t", All: true, Record: 2}},
		{"QBP^Q11", []string{"QPD|WOS_BY_RACK|t|R17"}, codec.Query{Name: "WOS_BY_RACK", Tag: "t", Record: 2}},
		{"QBP^Q11", []string{"QPD|INIBAR|t|A|50001|1"}, codec.Query{Name: "INIBAR", Tag: "t", Specimens: []string{"A"}, Record: 2}},
		{"QBP^Z03", []string{"QPD|Z03|t|P|S"}, codec.Query{Name: "Z03", Tag: "t", Patient: "P", Specimens: []string{"S"}, Record: 2}},
		{"QRY^Q02", []string{"QRD|1|R|D|2|||RD||OTH", "QRF||20261123|20261124000000"}, codec.Query{Tag: "2", From: "2026-11-23", Until: "2026-11-24T00:00:00Z", Record: 2}},
		{"QRY^Q02", []string{"QRF||||3|5"}, codec.Query{Specimens: []string{"3"}, To: "5", Record: 2}},
		{"ORM^O01", []string{"ORC|RF|B"}, codec.Query{Specimens: []string{"B"}, Record: 2}},
	} {
		m := parse(t, codec.Options{}, append([]string{strings.Replace(oruHeader, "ORU^R01", c.header, 1)}, c.rest...)...)
		if d := cmp.Diff([]codec.Query{c.want}, m.Queries); d != "" || m.Kind != codec.KindQuery {
			t.Errorf("%v: %s\n%s", c.rest, m.Kind, d)
		}
	}
}

// What GB 18030 needs besides the golden files: separators in the characters
// of the header, which come before the name of the charset.
func TestCharsetBehindCharacters(t *testing.T) {
	raw := []byte("MSH|^~\\&|\x96||\x96||||20261123083600||ORU^R01|1|P|2.3.1||||||GB18030\rOBR|1||S\rOBX|1|ST|A||\x96|||||||F\r")
	m := parse(t, codec.Options{}, string(raw))
	if m.Charset != "GB18030" || m.Sender.Name != "東" || m.Sender.Facility != "東" || m.SentAt == "" || len(m.Warnings) > 0 || m.Results[0].Value != "東" {
		t.Errorf("got %s %+v %q", m.Charset, m.Sender, m.Results[0].Value)
	}
}

// Segments are read as a stream, so no version is special.
func TestVersions(t *testing.T) {
	for _, version := range []string{"2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.2", "2.9^DEU", ""} {
		header := `MSH|^~\&|A|B|||20261123083600||ORU^R01|1|P|` + version
		m := parse(t, codec.Options{}, header, "PID|1||P1", "OBR|1||S1|T", "OBX|1|NM|X||5.9|mmol/L|||||F")
		want, _, _ := strings.Cut(version, "^")
		if m.Version != want || m.Kind != codec.KindResult || len(m.Warnings) > 0 || m.Results[0].Specimen != "S1" || m.Results[0].Value != "5.9" {
			t.Errorf("version %q: got %q, %s, %v", version, m.Version, m.Kind, m.Warnings)
		}
	}
}

// A time without a zone is the instrument's, a date stays a date, and what
// does not exist is left out.
func TestTimes(t *testing.T) {
	zone := time.FixedZone("CAT", 2*60*60)
	for _, c := range []struct{ sent, want string }{
		{"20261123083600", "2026-11-23T08:36:00+02:00"},
		{"20261123083600.25-0500", "2026-11-23T08:36:00.25-05:00"},
		{"20261123", "2026-11-23"},
		{"202611", "2026-11"},
		{"00000000000000", ""},
		{`""`, ""},
		{"20261323083600", "warning"},
		{"20260229", "warning"},
	} {
		m := parse(t, codec.Options{Location: zone}, oruHeader, "OBR|1||S1", "OBX|1|ST|A||x|||||||||"+c.sent)
		got := m.Results[0].ObservedAt
		if len(m.Warnings) > 0 {
			if w := m.Warnings[len(m.Warnings)-1]; got != "" || w.Code != codec.WarnBadTimestamp || w.Record != 3 || w.Field != 14 {
				t.Errorf("%s: %q with warning %+v", c.sent, got, w)
			}
			got = "warning"
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.sent, got, c.want)
		}
	}
}

// A header that names one character for components and for repetitions means
// components: there are some in every message.
func TestSameSeparatorTwice(t *testing.T) {
	m := parse(t, codec.Options{}, `MSH|^^\&|||||20260102030405||ORU^R01|1|P|2.5`, "OBR|1||S1", "OBX|1|NM|718-7^Hb^LN^S_OTHER||9")
	got := m.Results[0]
	if got.Code != "718-7" || got.Name != "Hb" || got.CodeSystem != "LN" || !got.Supplementary {
		t.Errorf("got %q %q %q %v, want 718-7 Hb LN true", got.Code, got.Name, got.CodeSystem, got.Supplementary)
	}
}
