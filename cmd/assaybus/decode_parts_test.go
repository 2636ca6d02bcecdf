package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// decoded runs decode --json on one capture: a message in words per line.
func decoded(t *testing.T, code int, capture string, args ...string) []string {
	t.Helper()
	var out, complaint strings.Builder
	if got := hearing(t.Context(), append([]string{"decode", "--json", "-"}, args...), strings.NewReader(capture), &out, &complaint); got != code {
		t.Fatalf("exit %d, want %d: %s%s", got, code, out.String(), complaint.String())
	}
	var words []string
	for line := range strings.Lines(out.String()) {
		var m struct {
			codec.Message
			Error  string `json:"error"`
			Number int    `json:"message"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		word := fmt.Sprint(m.ControlID, " ", m.Kind)
		switch {
		case m.Error != "":
			word = fmt.Sprint(m.Error, " ", m.Number)
		case len(m.Warnings) > 0 && m.Warnings[0].Code == codec.WarnPart:
			word += " part"
		}
		for _, r := range m.Results {
			word += " " + r.Specimen + ":" + r.Code + "=" + r.Value
		}
		words = append(words, word)
	}
	return words
}

func TestDecodeJoinsParts(t *testing.T) {
	one, two, three := hl7Part(1), hl7Part(2), hl7Part(3)
	other := strings.ReplaceAll(strings.ReplaceAll(one, "|A|B|", "|X|B|"), "|c1|", "|x1|")
	otherEnd := strings.ReplaceAll(strings.ReplaceAll(hl7Part(2), "|A|B|", "|X|B|"), "|c2|", "|x2|")
	otherEnd = strings.Replace(otherEnd, "DSC|ptr2|F\r", "", 1)
	whole := strings.Replace(strings.Replace(one, "DSC|ptr1|F\r", "", 1), "|c1|", "|w|", 1)
	const all = "c1 result SPCR-1:A=1 SPCR-2:B=2 SPCR-2:C=3"
	for _, tt := range []struct {
		name     string
		messages []string
		want     []string
	}{
		{"all there", []string{one, two, three}, []string{"c1 other part", "c2 other part", all}},
		{"others between", []string{whole, one, whole, two, three, whole}, []string{"w result SPCR-1:A=1", "c1 other part", "w result SPCR-1:A=1", "c2 other part", all, "w result SPCR-1:A=1"}},
		{"repeated", []string{one, one, two, one, two, three}, []string{"c1 other part", "c1 other part", "c2 other part", "c1 other part", "c2 other part", all}},
		{"two senders", []string{one, other, two, otherEnd, three}, []string{"c1 other part", "x1 other part", "c2 other part", "x1 result SPCR-1:A=1 SPCR-2:B=2", all}},
		{"begun anew", []string{one, strings.Replace(one, "|c1|", "|n1|", 1), two, three}, []string{"c1 result SPCR-1:A=1", "n1 other part", "c2 other part", strings.Replace(all, "c1", "n1", 1)}},
		{"no end", []string{one, two, whole}, []string{"c1 result SPCR-1:A=1", "c2 result :B=2", "w result SPCR-1:A=1"}},
		{"no beginning", []string{two, three}, []string{"c2 result :B=2", "c3 result :C=3"}},
		{"no middle", []string{one, three}, []string{"c1 result SPCR-1:A=1", "c3 result :C=3"}},
		{"only a first", []string{one}, []string{"c1 result SPCR-1:A=1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			capture := "\x0b" + strings.Join(tt.messages, "\x1c\r\x0b") + "\x1c\r"
			if diff := cmp.Diff(tt.want, decoded(t, exitOK, capture)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	separate := decoded(t, exitOK, one+two+three, "--dsc", "separate")
	if diff := cmp.Diff([]string{"c1 result SPCR-1:A=1", "c2 result :B=2", "c3 result :C=3"}, separate); diff != "" {
		t.Errorf("separate (-want +got):\n%s", diff)
	}
	unlike := decoded(t, exitFailed, one+two+strings.Replace(three, "ORU^R01", "OUL^R22", 1))
	if diff := cmp.Diff([]string{"c1 other part", "c2 other part", "unparsable 3"}, unlike); diff != "" {
		t.Errorf("unlike (-want +got):\n%s", diff)
	}
}

// The files of testdata/hl7/parts: the last line is the golden file.
func TestDecodePartsAsGolden(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(codectest.Root(t), "testdata", "hl7", "parts", "*.raw"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		golden, err := os.ReadFile(strings.TrimSuffix(file, "raw") + "golden.json")
		if err != nil {
			t.Fatal(err)
		}
		var out, complaint strings.Builder
		if code := hearing(t.Context(), []string{"decode", "--json", file}, strings.NewReader(""), &out, &complaint); code != exitOK {
			t.Fatalf("%s: exit %d: %s", file, code, complaint.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		var got, want codec.Message
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(golden, &want); err != nil {
			t.Fatal(err)
		}
		got.Quirks = nil // of a capture without blocks
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// What waits for a last part is bounded: it comes as it is.
func TestDecodePartsHeld(t *testing.T) {
	var got []string
	a := assembly{put: func(f finding) { got = append(got, f.message.ControlID) }}
	a.add(finding{message: &codec.Message{ControlID: "part"}}, codec.Part{Pointer: "p"}, true, []byte("x"))
	for n := range maxHeld - 2 {
		a.pass(finding{message: &codec.Message{ControlID: fmt.Sprint(n)}})
	}
	if len(got) != 0 {
		t.Fatalf("%d came early", len(got))
	}
	a.pass(finding{message: &codec.Message{ControlID: "one more"}})
	if len(got) != maxHeld || got[0] != "part" || got[maxHeld-1] != "one more" {
		t.Errorf("%d came, want all %d", len(got), maxHeld)
	}
}
