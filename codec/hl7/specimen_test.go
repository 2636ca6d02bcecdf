package hl7_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/hl7"
)

func parse(t interface {
	Helper()
	Fatalf(string, ...any)
}, o codec.Options, segments ...string) *codec.Message {
	t.Helper()
	p, err := hl7.New(o)
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	m, err := p.Parse([]byte(strings.Join(segments, "\r") + "\r"))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return m
}

// whose is what each result is attributed to: value=patient/specimen.
func whose(m *codec.Message) []string {
	var all []string
	for _, r := range m.Results {
		patient := "-"
		if r.Patient != nil {
			patient = m.Patients[*r.Patient].ID
		}
		all = append(all, r.Value+"="+patient+"/"+r.Specimen)
	}
	return all
}

const (
	oruHeader = `MSH|^~\&|A|B|||20261123083600||ORU^R01|1|P|2.5.1`
	oulHeader = `MSH|^~\&|A|B|||20261123083600||OUL^R22|1|P|2.5.1`
	lawHeader = `MSH|^~\&|A|B|||20261123083600||OUL^R22|1|P|2.5.1|||||||||LAB-29^IHE`
)

// Every nesting of patients, specimens, containers and orders that the
// standards allow, and the ones that senders make of them.
func TestSpecimenOfEveryNesting(t *testing.T) {
	obx := func(v string) string { return "OBX|1|NM|X||" + v + "||||||F" }
	for _, c := range []struct {
		name     string
		segments []string
		want     []string
	}{
		{"orders only", []string{oruHeader, "PID|||P1", "OBR|1||A", obx("1"), "OBR|2|B", obx("2"), obx("3")}, []string{"1=P1/A", "2=P1/B", "3=P1/B"}},
		{"filler before placer", []string{oruHeader, "OBR|1|P|F", obx("1")}, []string{"1=-/F"}},
		{"result class: barcode in the placer's", []string{oruHeader + "||||0", "OBR|1|P|7", obx("1")}, []string{"1=-/P"}},
		{"an order without number after one with", []string{oruHeader, "OBR|1||A", obx("1"), "OBR|2", obx("2")}, []string{"1=-/A", "2=-/"}},
		{"result before any order", []string{oruHeader, "PID|||P1", obx("1"), "OBR|1||A", obx("2")}, []string{"1=P1/", "2=P1/A"}},
		{"second patient inherits nothing", []string{oruHeader, "PID|||P1", "OBR|1||A", obx("1"), "PID|||P2", obx("2"), "OBR|1||B", obx("3")}, []string{"1=P1/A", "2=P2/", "3=P2/B"}},
		{"empty patient behind one", []string{oruHeader, "PID|||P1", "OBR|1||A", obx("1"), "PID|1", "OBR|1||B", obx("2")}, []string{"1=P1/A", "2=-/B"}},
		{"specimen first", []string{oulHeader, "SPM|1|A&N^B", "OBR|1||Z", obx("1"), "OBR|2", obx("2"), "SPM|2|C", "OBR|1", obx("3")}, []string{"1=-/A", "2=-/A", "3=-/C"}},
		{"specimen first, results of the specimen itself", []string{oulHeader, "SPM|1|A", obx("1"), "OBR|1", obx("2"), "SPM|2|C", obx("3")}, []string{"1=-/A", "2=-/A", "3=-/C"}},
		{"new specimen without id takes none from before", []string{lawHeader, "SPM|1|A", "SAC|||K", "OBR|1", obx("1"), "SPM|2", "OBR|1|AWOS", obx("2")}, []string{"1=-/A", "2=-/"}},
		{"the same, not LAW: the order's number", []string{oulHeader, "SPM|1|A", "OBR|1", obx("1"), "SPM|2", "OBR|1|B", obx("2")}, []string{"1=-/A", "2=-/B"}},
		{"container stands in", []string{oulHeader, "SPM|1", "SAC|||K1", "OBR|1", obx("1"), "SPM|2", "SAC|||K2", "OBR|1", obx("2")}, []string{"1=-/K1", "2=-/K2"}},
		{"two containers of one specimen", []string{oulHeader, "SPM|1", "SAC|||K1", "OBR|1", obx("1"), "SAC|||K2", "OBR|1", obx("2")}, []string{"1=-/K1", "2=-/K2"}},
		{"containers alone", []string{oulHeader, "SAC|||K1", "OBR|1", obx("1"), "SAC|||K2", "ORC|RE", "OBR|1", obx("2")}, []string{"1=-/K1", "2=-/K2"}},
		{"the instrument's part only", []string{oulHeader, "SPM|1|^B", "OBR|1||Z", obx("1")}, []string{"1=-/B"}},
		{"explicit null is no id", []string{oulHeader, `SPM|1|""`, `SAC|||""`, `OBR|1|""|Z`, obx("1")}, []string{"1=-/Z"}},
		{"specimen last", []string{oruHeader, "OBR|1||Z", obx("1"), obx("2"), "SPM|1|A"}, []string{"1=-/A", "2=-/A"}},
		{"specimen last in each group", []string{oruHeader, "OBR|1|Z", obx("1"), "SPM|1|A", "OBR|2", obx("2"), "SPM|1|B"}, []string{"1=-/A", "2=-/B"}},
		{"a group without its specimen, between two with", []string{oruHeader, "OBR|1", obx("1"), "SPM|1|A", "OBR|2", obx("2"), "OBR|3", obx("3"), "SPM|1|C"}, []string{"1=-/A", "2=-/", "3=-/C"}},
		{"specimen last with a container", []string{oruHeader, "OBR|1", obx("1"), "SPM|1", "SAC|||K", "OBR|2", obx("2"), "SPM|1|B"}, []string{"1=-/K", "2=-/B"}},
		{"results behind the last specimen are its", []string{oruHeader, "OBR|1", obx("1"), "SPM|1|A", obx("2")}, []string{"1=-/A", "2=-/A"}},
		{"several specimens of one order: none", []string{oruHeader, "OBR|1||Z", obx("1"), "SPM|1|A", "SPM|2|B"}, []string{"1=-/"}},
		{"the same specimen twice is one", []string{oruHeader, "OBR|1||Z", obx("1"), "SPM|1|A", "SPM|2|A"}, []string{"1=-/A"}},
		{"OUL with the specimen last", []string{oulHeader, "OBR|1", obx("1"), "SPM|1|A"}, []string{"1=-/A"}},
		{"OUL, order before the first specimen", []string{oulHeader, "OBR|1", obx("1"), "SPM|1|A", "OBR|2", obx("2")}, []string{"1=-/", "2=-/A"}},
		{"ORU, last order without specimen", []string{oruHeader, "OBR|1", obx("1"), "SPM|1|A", "OBR|2", obx("2")}, []string{"1=-/A", "2=-/"}},
		{"one patient first, the other last", []string{oruHeader, "PID|||P1", "SPM|1|A", "OBR|1", obx("1"), "PID|||P2", "OBR|1", obx("2"), "SPM|1|B"}, []string{"1=P1/A", "2=P2/B"}},
		{"control behind order, contradicting", []string{oulHeader, "OBR|1||A", "ORC|SC||B", "OBR|2||B", obx("1")}, []string{"1=-/B"}},
		{"control without order", []string{oruHeader, "ORC|RE||A", obx("1"), "ORC|RE||B", obx("2")}, []string{"1=-/A", "2=-/B"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, whose(parse(t, codec.Options{}, c.segments...))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSpecimenPath(t *testing.T) {
	segments := []string{oulHeader, "PID||P2|P3", "SPM|1|A1&A2^B", "SAC|||K", "ORC|RE|O2|O3", "OBR|1|R2|R3", "OBX|1|NM|X||1||||||F"}
	for _, c := range []struct{ paths, want string }{
		{"", "A1"}, {"OBR-2", "R2"}, {"obr-3", "R3"}, {"SPM-2.1", "A1"}, {"SPM-2.1.2", "A2"}, {"SPM-2.2", "B"},
		{"SAC-3", "K"}, {"PID-2", "P2"}, {"ORC-3", "O3"}, {"SPM-3 OBR-3", "R3"}, {"SPM-3", ""},
		{"O.4.3", "A1"}, {"QPD-3", "A1"},
		{"SPM-2/[0-9]+$", "1"}, {"SPM-2/[0-9]{2,}", ""}, {"SPM-2/[0-9]{2,} OBR-3", "R3"},
	} {
		m := parse(t, codec.Options{SpecimenPath: strings.Fields(c.paths)}, segments...)
		if got := m.Results[0].Specimen; got != c.want {
			t.Errorf("%q: got %q, want %q", c.paths, got, c.want)
		}
	}
	m := parse(t, codec.Options{SpecimenPath: []string{"QPD-4"}}, strings.Replace(oruHeader, "ORU^R01", "QBP^Q11", 1), "QPD|WOS|t|A|B")
	if d := cmp.Diff([]string{"B"}, m.Queries[0].Specimens); d != "" {
		t.Error(d)
	}
}

func TestSpecimenPathThatLeadsNowhere(t *testing.T) {
	for _, entry := range []string{"OBR-0", "OBR-x", "OBR-", "ZZZ-1", "SPM-2.1.1.1", "SPM-2.0", "-2", "O-4", "SPM-2/[", "SPM-2/.*"} {
		if _, err := hl7.New(codec.Options{SpecimenPath: []string{"SPM-2", entry}}); err == nil {
			t.Errorf("%q was taken", entry)
		}
	}
	if _, err := hl7.New(codec.Options{Continuation: "apart"}); err == nil {
		t.Error("an unknown continuation was taken")
	}
}

// TestSpecimenSafety builds groups in any number and both structures and
// demands that each result carries its own group's patient and specimen.
func TestSpecimenSafety(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := []string{oruHeader}
		var want []string
		n := 0
		for p := range rapid.IntRange(1, 4).Draw(t, "patients") {
			segments = append(segments, fmt.Sprintf("PID|1||P%d", p))
			form := rapid.SampledFrom([]string{"first", "last", "container", "order"}).Draw(t, "form")
			for s := range rapid.IntRange(1, 4).Draw(t, "specimens") {
				id := fmt.Sprintf("S%d.%d", p, s)
				order := "OBR|1|PLCX8801"
				switch form {
				case "first":
					segments = append(segments, "SPM|1|"+id)
				case "container":
					segments = append(segments, "SAC|||"+id)
				case "order":
					order = "OBR|1||" + id
				}
				orders := 1
				if form != "last" {
					orders = rapid.IntRange(1, 3).Draw(t, "orders")
				}
				for range orders {
					if rapid.Bool().Draw(t, "control first") {
						segments = append(segments, "ORC|RE")
					}
					segments = append(segments, order)
					for range rapid.IntRange(0, 3).Draw(t, "results") {
						n++
						segments = append(segments, fmt.Sprintf("OBX|1|NM|X||%d||||||F", n), "NTE|1|L|note")
						want = append(want, fmt.Sprintf("%d=P%d/%s", n, p, id))
					}
				}
				if form == "last" {
					segments = append(segments, "SPM|1|"+id)
				}
			}
		}
		if d := cmp.Diff(want, whose(parse(t, codec.Options{}, segments...))); d != "" {
			t.Errorf("%s\n%s", strings.Join(segments, "\n"), d)
		}
	})
}
