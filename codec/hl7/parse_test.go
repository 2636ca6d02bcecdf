package hl7_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

func TestParseRefuses(t *testing.T) {
	p, err := hl7.New(codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		raw           string
		want          error
		record, field int
	}{
		{"", hl7.ErrNoHeader, 0, 0},
		{"PID|1", hl7.ErrNoHeader, 0, 0},
		{"BHS|^~\\&|A\rPID|1\rBTS|1", hl7.ErrNoHeader, 0, 0},
		{"MSH", hl7.ErrNoHeader, 0, 0},
		{"MSHABC|x", hl7.ErrNoHeader, 0, 0},
		{"MSH|^~\\&|||||20261123||ORU^R01||P|2.3", hl7.ErrNoControlID, 1, 10},
		{"BHS|^~\\&|A\rMSH|^~\\&|||||20261123||ORU^R01|   |P|2.3", hl7.ErrNoControlID, 2, 10},
		{"MSH|", hl7.ErrNoControlID, 1, 10},
	} {
		_, err := p.Parse([]byte(c.raw))
		var pe *codec.ParseError
		if !errors.Is(err, c.want) || !errors.As(err, &pe) || pe.Record != c.record || pe.Field != c.field {
			t.Errorf("%q: got %v, want %v at %d.%d", c.raw, err, c.want, c.record, c.field)
		}
	}
}

// The segments of a message without escapes are those of the plainest split.
func TestRecordsAreANaiveSplit(t *testing.T) {
	field := rapid.StringMatching(`[A-Za-z0-9 .^~&+-]{0,12}`)
	name := rapid.SampledFrom([]string{"PID", "OBR", "OBX", "NTE", "ORC", "SPM", "SAC", "ZZZ", "TQ1", "INV", "QPD", "DSC"})
	rapid.Check(t, func(t *rapid.T) {
		lines := []string{`MSH|^~\&|A|B|||20261123083600||ORU^R01|1|P|2.5.1`}
		for range rapid.IntRange(0, 12).Draw(t, "segments") {
			lines = append(lines, strings.Join(append([]string{name.Draw(t, "name")}, rapid.SliceOfN(field, 0, 20).Draw(t, "fields")...), "|"))
		}
		end := rapid.SampledFrom([]string{"\r", "\n", "\r\n", "\r\r"}).Draw(t, "end")
		m := parseText(t, strings.Join(lines, end))
		want := [][]string{append([]string{"MSH", "|"}, strings.Split(lines[0], "|")[1:]...)}
		for _, line := range lines[1:] {
			want = append(want, strings.Split(line, "|"))
		}
		if d := cmp.Diff(want, m.Records); d != "" {
			t.Error(d)
		}
	})
}

// A message built of random fields gives the fields back.
func TestFieldsComeBack(t *testing.T) {
	word := rapid.StringMatching(`[A-Za-z0-9äß東.|^~\\&-]{1,10}`)
	escape := strings.NewReplacer(`|`, `\F\`, `^`, `\S\`, `&`, `\T\`, `~`, `\R\`, `\`, `\E\`).Replace
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) string { return word.Draw(t, label) }
		want := codec.Result{
			Specimen: draw("specimen"), Code: draw("code"), Name: draw("name"), CodeSystem: draw("system"),
			Value: draw("value"), ValueType: "FT", Units: draw("units"), Range: draw("range"),
			Flags: []string{draw("flag"), draw("flag")}, Status: "C", ObservedAt: "2026-11-23T08:36:00Z",
			Operator: draw("operator"), Equipment: draw("equipment"), Comments: []string{draw("comment")}, Record: 4,
		}
		e := escape
		if e(want.Units) == "10" {
			t.Skip("10 before nothing is a number of units")
		}
		m := parseText(t, strings.Join([]string{
			`MSH|^~\&|A|B|||20261123083600||ORU^R01|1|P|2.5.1||||||UNICODE UTF-8`,
			"PID|1||" + e(draw("patient")),
			"OBR|1||" + e(want.Specimen) + "|P",
			"OBX|1|FT|" + e(want.Code) + "^" + e(want.Name) + "^" + e(want.CodeSystem) + "||" + e(want.Value) + "|" + e(want.Units) + "|" +
				e(want.Range) + "|" + e(want.Flags[0]) + "~" + e(want.Flags[1]) + "|||C|||||" + e(want.Operator) + "||" + e(want.Equipment) + "|20261123083600",
			"NTE|1|L|" + e(want.Comments[0]),
		}, "\r"))
		got := m.Results[0]
		got.Number, got.Comparator, got.Patient, got.Order, got.Supplementary = nil, "", nil, nil, false
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func parseText(t *rapid.T, text string) *codec.Message {
	t.Helper()
	p, err := hl7.New(codec.Options{})
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	m, err := p.Parse([]byte(text))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return m
}

// sane is what holds for every message that parse delivers.
func sane(t testing.TB, raw []byte, o codec.Options) {
	t.Helper()
	p, err := hl7.New(o)
	if err != nil {
		t.Fatal(err)
	}
	kept := bytes.Clone(raw)
	m, err := p.Parse(raw)
	if !bytes.Equal(raw, kept) {
		t.Fatal("raw was changed")
	}
	if err != nil {
		if _, ok := errors.AsType[*codec.ParseError](err); !ok {
			t.Fatalf("%v is no ParseError", err)
		}
		return
	}
	codectest.Validate(t, m)
	text, err := json.Marshal(m)
	if err != nil || !utf8.Valid(text) {
		t.Fatalf("no JSON: %v", err)
	}
	for _, x := range m.Results {
		if x.Order != nil && *x.Order >= len(m.Orders) || x.Patient != nil && *x.Patient >= len(m.Patients) || x.Record < 1 || x.Record > len(m.Records) {
			t.Fatalf("result points nowhere: %+v", x)
		}
		if x.Order != nil && x.Specimen != "" && x.Specimen != m.Orders[*x.Order].Specimen {
			t.Fatalf("specimen of the result %q, of its order %q", x.Specimen, m.Orders[*x.Order].Specimen)
		}
	}
	for _, w := range m.Warnings {
		if codec.WarningHelp[w.Code] == "" || w.Record > len(m.Records) {
			t.Fatalf("warning %+v", w)
		}
	}
}

func TestParseNeverPanics(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"MSH|^~\\&|A|B|||20261123083600||ORU^R01|1|P|2.5.1", "MSH|^~\\&|||||||OML^O21|2", "MSH#*", "BHS|^~\\&", "\r", "\r", "\r", "\n", "|", "|", "^", "~", "\\", "&", "\"\"",
		"PID|1||P", "SPM|1|S", "SAC|||K", "ORC|RF", "ORC|SC|1", "OBR|1||2", "OBX|1|NM|A||5", "OBX|1|ED|A||^I^B^Base64^Qk", "NTE|1|L|x", "QPD|Q|t|1", "QRD|||||||8",
		"QRF||||1|9", "DSP|29||x", "DSP|3||x", "MSA|AA|1", "ADD|x|y", "DSC|p", "INV|a|b|CO", "TQ1|||||||||S", "\\X41\\", "\\M2442\\", "\\.sp9999999\\", "<13>", "\xff\xfe", "東",
	})
	rapid.Check(t, func(r *rapid.T) {
		raw := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(r, "pieces"), "")
		if rapid.Bool().Draw(r, "header") {
			raw = "MSH|^~\\&|A|B|||20261123083600||ORU^R01|1|P|2.5.1||||2||\r" + raw
		}
		sane(tb{t, r}, []byte(raw), codec.Options{})
	})
}

// tb lets helpers that take a testing.TB report to a property, which shrinks.
type tb struct {
	testing.TB
	property *rapid.T
}

func (t tb) Errorf(format string, args ...any) { t.property.Errorf(format, args...) }
func (t tb) Fatalf(format string, args ...any) { t.property.Fatalf(format, args...) }
func (t tb) Fatal(args ...any)                 { t.property.Fatal(args...) }

// FuzzParse feeds bytes of every kind; the seeds are the golden messages.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(codectest.Root(f), "testdata", "hl7", "messages", "*.raw"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, "", false)
	}
	f.Add([]byte("MSH|^~\\&|||||||ORU^R01|1\rOBX|1|NM|A||161.152"), "GBK", true)
	f.Fuzz(func(t *testing.T, raw []byte, charset string, comma bool) {
		codectest.Ends(t)
		sane(t, raw, codec.Options{Charset: charset, DecimalComma: comma})
	})
}

// The end of one escape sequence begins no other: what stands between \T\ and
// \T\ is text, whatever it looks like.
func TestShiftBetweenSequences(t *testing.T) {
	for text, want := range map[string]string{
		`\T\C0000\T\`:       "&C0000&",
		`\F\M280042\F\`:     "|M280042|",
		`\X41\C2842\X42\`:   "AC2842B",
		`x\.br\C2842\.br\y`: "x\nC2842\ny",
		`a\C2842\b`:         "ab",
		`C:\temp\C2842 \T\`: `C:\temp\C2842 &`,
	} {
		m := parse(t, codec.Options{}, oruHeader, "OBR|1||S1|T", "OBX|1|ST|A||"+text+"|||||F")
		if got := m.Results[0].Value; got != want {
			t.Errorf("%s: value %q, want %q", text, got, want)
		}
	}
}
