package astm_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/astm"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/google/go-cmp/cmp"
)

// lines is records with CR behind each.
func lines(records ...string) []byte {
	return []byte(strings.Join(records, "\r") + "\r")
}

func parse(t *testing.T, o codec.Options, records ...string) *codec.Message {
	t.Helper()
	m, err := parser(t, o).Parse(lines(records...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseRefusesWhatIsNoMessage(t *testing.T) {
	tests := []struct {
		raw    string
		want   error
		record int
		field  int
	}{
		{"", astm.ErrNoHeader, 1, 0},
		{"\r\n \r", astm.ErrNoHeader, 1, 0},
		{"P|1\rL|1\r", astm.ErrNoHeader, 1, 0},
		{"HELLO\r", astm.ErrNoHeader, 1, 0},
		{"H1|\\^&\r", astm.ErrNoHeader, 1, 0},
		{"MSH|^~\\&|X\r", astm.ErrNoHeader, 1, 0},
		{"1H|\\^&\r2P|1\r", astm.ErrNoHeader, 1, 0}, // a frame's digit is the link's to take off
		{"H||\\^&||x\r", astm.ErrNoDelimiters, 1, 2},
	}
	for _, tt := range tests {
		m, err := parser(t, codec.Options{}).Parse([]byte(tt.raw))
		var p *codec.ParseError
		if m != nil || !errors.Is(err, tt.want) || !errors.As(err, &p) || p.Record != tt.record || p.Field != tt.field {
			t.Errorf("Parse(%q) = %v, %v, want %v at %d.%d", tt.raw, m, err, tt.want, tt.record, tt.field)
		}
	}
}

func TestOwns(t *testing.T) {
	tests := []struct {
		raw  string
		want bool
	}{
		{"H|\\^&|||X\r", true},
		{"h|\\^&\r", true},
		{"\r\n\x00 H@^\\|\r", true},
		{"\xEF\xBB\xBFH|\\^&\r", true},
		{"H||\\^&", true}, // ours to refuse
		{"H\rP|1\r", true},
		{"H", false},
		{"", false},
		{"HELLO", false},
		{"H 1", false},
		{"H\rello", false},
		{"H\xe9", false},
		{"MSH|^~\\&|", false},
		{"P|1", false},
	}
	for _, tt := range tests {
		if got := astm.Kind().Owns([]byte(tt.raw)); got != tt.want {
			t.Errorf("Owns(%q) = %v, want %v", tt.raw, got, tt.want)
		}
	}
}

func TestSpecimenPathAndCodeComponent(t *testing.T) {
	records := []string{
		`H|\^&`, `P|1|PRACTQ7^2|LAB|THIRDQ7`, `O|1|SEQ^BAR  ^1|I1^I2^ 0042|^^^T\^^^U`, `R|1|1^two^three^four^five|5`, `L|1|N`,
	}
	tests := []struct {
		paths     []string
		component int
		specimen  string
		code      string
	}{
		{nil, 0, "SEQ", "four"},
		{[]string{"O.3"}, 1, "SEQ", "1"},
		{[]string{"O.3.2"}, 2, "BAR", "two"},
		{[]string{"o.4.3"}, 5, "0042", "five"},
		{[]string{"P.4"}, 9, "LAB", "four"},
		{[]string{"O.99", "O.4.9", "P.5.1"}, 0, "THIRDQ7", "four"},
		{[]string{"O.4.9"}, 0, "", "four"},             // configured and empty: nothing else will do
		{[]string{"SPM-2.1", "Q.3"}, 0, "SEQ", "four"}, // of no such record
		{[]string{"P.3/[A-Z]{3}"}, 0, "PRA", "four"},
		{[]string{"O.3.2/[0-9]+", "O.4.3/[0-9]+$"}, 0, "0042", "four"},
		{[]string{"O.3.2/[0-9]+"}, 0, "", "four"}, // the pattern is not there
	}
	for _, tt := range tests {
		m := parse(t, codec.Options{SpecimenPath: tt.paths, CodeComponent: tt.component}, records...)
		r := m.Results[0]
		if r.Specimen != tt.specimen || m.Orders[0].Specimen != tt.specimen || r.Code != tt.code {
			t.Errorf("%v %d: specimen %q code %q, want %q %q", tt.paths, tt.component, r.Specimen, r.Code, tt.specimen, tt.code)
		}
		if warned := has(m, codec.WarnNoSpecimen); warned != (tt.specimen == "") {
			t.Errorf("%v: warned of no specimen: %v", tt.paths, warned)
		}
	}
}

// What has the form of a place and is none would leave another id in its
// place.
func TestSpecimenPathThatLeadsNowhere(t *testing.T) {
	for _, entry := range []string{"nonsense", "O.0", "O.x", "R.3", "O", "Q.4", "O.3.1.2", "O.3/[", "O.3/.*"} {
		if _, err := astm.New(codec.Options{SpecimenPath: []string{"O.3", entry}}); err == nil || !strings.Contains(privacytest.Error(err), "specimen_path") {
			t.Errorf("%s: error %v, want one that names specimen_path", entry, err)
		}
	}
}

func TestQueryComponent(t *testing.T) {
	tests := []struct {
		id    string
		paths []string
		want  string
	}{
		{"^BAR", nil, "BAR"},
		{"BAR", nil, "BAR"},
		{"^^BAR^7", nil, "BAR"},
		{"PAT^BAR", nil, "BAR"},
		{"1^2^BAR", nil, "BAR"}, // rack and position in front
		{"1^2^BAR^B", nil, "BAR"},
		{"PAT^2^BAR^B", nil, "2"}, // no rack: the standard's place
		{"1^2^BAR", []string{"O.4.3", "Q.3.3"}, "BAR"},
		{"BAR^2", []string{"Q.3.1"}, "BAR"},
		{"^BAR^2", []string{"Q.3"}, "BAR"},
		{"PAT^x BAR", []string{"Q.3.2/[A-Z]+$"}, "BAR"},
	}
	for _, tt := range tests {
		m := parse(t, codec.Options{SpecimenPath: tt.paths}, `H|\^&`, "Q|1|"+tt.id+"||ALL", "L|1|N")
		if diff := cmp.Diff([]string{tt.want}, m.Queries[0].Specimens); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", tt.id, tt.paths, diff)
		}
	}
}

// What makes a message one of quality control, and what does not.
func TestKindOfControls(t *testing.T) {
	head, r := `H|\^&|||C|||||||P|1`, `R|1|^^^GLU|5||||||F`
	tests := []struct {
		name string
		want string
		rows []string
	}{
		{"H.12", codec.KindQC, []string{`H|\^&|||C|||||||Q|1`, "P|1", "O|1|L1||^^^GLU", r}},
		{"Mindray H.12", codec.KindQC, []string{`H|\^&|||C|||||||QR|1`, "P|1", "O|1|L1||^^^GLU", r}},
		{"O.12", codec.KindQC, []string{head, "P|1", "O|1|L1||^^^GLU|||||||Q", r}},
		{"O.16", codec.KindQC, []string{head, "P|1", "O|1|L1||^^^GLU|||||||||||CTRL^^LOW", r}},
		{"O.26", codec.KindQC, []string{head, "P|1", "O|1|L1||^^^GLU|||||||||||||||||||||QC", r}},
		{"P", codec.KindQC, []string{head, "P|1||QC", "O|1|L1||^^^GLU", r}},
		{"answer to a query", codec.KindResult, []string{head, "P|1", "O|1|L1||^^^GLU|||||||||||||||||||||Q", r}},
		{"one of two", codec.KindResult, []string{head, "P|1", "O|1|L1||^^^GLU|||||||Q", r, "O|2|S1||^^^GLU", r}},
		{"patient", codec.KindResult, []string{head, "P|1||QCUMBER", "O|1|QC-7||^^^GLU", r}},
		{"Mindray calibration", codec.KindOther, []string{`H|\^&|||C|||||||CR|1`, "P|1", r}},
		{"no result yet", codec.KindOrder, []string{head, "P|1", "O|1|L1||^^^GLU|||||||Q"}},
	}
	for _, tt := range tests {
		if m := parse(t, codec.Options{}, append(tt.rows, "L|1|N")...); m.Kind != tt.want {
			t.Errorf("%s: kind %s, want %s", tt.name, m.Kind, tt.want)
		}
	}
}

func TestTerminators(t *testing.T) {
	for code, aborted := range map[string]bool{"": false, "N": false, "I": false, "F": false, "Q": false, "T": true, "R": true, "E": true, "t": true} {
		m := parse(t, codec.Options{}, `H|\^&`, "L|1|"+code)
		if m.Termination != code || has(m, codec.WarnAborted) != aborted || has(m, codec.WarnUnterminated) {
			t.Errorf("L.3 %q: termination %q, warnings %v", code, m.Termination, m.Warnings)
		}
	}
	if m := parse(t, codec.Options{}, `H|\^&`, "P|1"); !has(m, codec.WarnUnterminated) {
		t.Error("no warning of a message without L")
	}
}

// The parser keeps nothing of the caller's bytes.
func TestParseDoesNotKeepRaw(t *testing.T) {
	raw := lines(`H|\^&|||X`, "P|1||ID", "O|1|S1||^^^GLU", "R|1|^^^GLU|5|||||F", "L|1|N")
	m, err := parser(t, codec.Options{}).Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] = '!'
	}
	if got := m.Records[2][2] + m.Results[0].Value; got != "S15" {
		t.Errorf("after the bytes were overwritten: %q, want S15", got)
	}
}

func has(m *codec.Message, code string) bool {
	return slices.ContainsFunc(m.Warnings, func(w codec.Warning) bool { return w.Code == code })
}
