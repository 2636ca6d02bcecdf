package hl7_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

// expectation is one object of the corpus's expect.json.
type expectation struct {
	File        string
	Protocol    string
	Messages    *int
	MessagesMin *int `json:"messages_min"`
	AcceptError bool `json:"accept_error"`
	Kinds       []string
	Specimens   []string
	Attribution [][3]string
	ResultsMin  *int `json:"results_min"`
	ResultsMax  *int `json:"results_max"`
	Examples    [][3]string
	Options     struct{ Charset string }
}

// blocks takes MLLP off, simply.
func blocks(raw []byte) [][]byte {
	var all [][]byte
	if bytes.IndexByte(raw, 0x0B) < 0 {
		return hl7.Messages(raw)
	}
	for b := range bytes.SplitSeq(raw, []byte{0x0B}) {
		if b, _, _ = bytes.Cut(b, []byte{0x1C}); len(bytes.TrimSpace(b)) > 0 {
			all = append(all, hl7.Messages(b)...)
		}
	}
	return all
}

// TestCorpus compares with what must come of real analyzers' messages, by the
// rules of the acceptance scorer.
func TestCorpus(t *testing.T) {
	dir := codectest.Corpus(t)
	raw, err := os.ReadFile(filepath.Join(dir, "expect.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []expectation
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if c.Protocol != "hl7" {
			continue
		}
		t.Run(c.File, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(dir, c.File))
			if err != nil {
				t.Fatal(err)
			}
			p, err := hl7.New(codec.Options{Charset: c.Options.Charset})
			if err != nil {
				t.Fatal(err)
			}
			var got []*codec.Message
			errs := 0
			for _, b := range blocks(raw) {
				m, err := p.Parse(b)
				if err != nil {
					errs++
					continue
				}
				codectest.Validate(t, m)
				got = append(got, m)
			}
			if c.AcceptError && len(got) == 0 && errs > 0 {
				return
			}
			compare(t, c, got, errs)
		})
	}
}

func compare(t *testing.T, c expectation, got []*codec.Message, errs int) {
	t.Helper()
	if c.Messages != nil {
		want, least := *c.Messages, *c.Messages
		if c.MessagesMin != nil {
			least = *c.MessagesMin
		}
		if n := len(got); n != want && (n < least || n > want || n+errs < want) {
			t.Errorf("got %d messages and %d errors, want %d", n, errs, want)
		}
	}
	var results []codec.Result
	kinds, specimens := map[string]bool{}, map[string]bool{}
	for _, m := range got {
		kinds[m.Kind] = true
		results = append(results, m.Results...)
		for _, r := range m.Results {
			specimens[r.Specimen], specimens[r.InstrumentSpecimen] = true, true
		}
		for _, o := range m.Orders {
			specimens[o.Specimen], specimens[o.InstrumentSpecimen] = true, true
		}
		for _, q := range m.Queries {
			for _, s := range q.Specimens {
				specimens[s] = true
			}
		}
	}
	var allowed []string
	for _, k := range c.Kinds {
		either := strings.Split(k, "|")
		allowed = append(allowed, either...)
		if !slices.ContainsFunc(either, func(k string) bool { return kinds[k] }) {
			t.Errorf("got kinds %v, want %s", kinds, k)
		}
	}
	for k := range kinds {
		if c.Kinds != nil && !slices.Contains(allowed, k) {
			t.Errorf("got kind %s, want %v", k, c.Kinds)
		}
	}
	for _, s := range c.Specimens {
		if !slices.ContainsFunc(strings.Split(s, "|"), func(s string) bool { return specimens[s] }) {
			t.Errorf("specimen %s not found", s)
		}
	}
	if n := len(results); c.ResultsMin != nil && (n < *c.ResultsMin || n > *c.ResultsMax) {
		t.Errorf("got %d results, want %d to %d", n, *c.ResultsMin, *c.ResultsMax)
	}
	for _, a := range c.Attribution {
		if !slices.ContainsFunc(results, func(r codec.Result) bool {
			return (r.Specimen == a[0] || r.InstrumentSpecimen == a[0]) && either(a[1], r.Code) && either(a[2], r.Value)
		}) {
			t.Errorf("no result %v", a)
		}
	}
	for _, e := range c.Examples {
		if len(results) == 0 && c.ResultsMin != nil && *c.ResultsMin == 0 {
			break
		}
		if !slices.ContainsFunc(results, func(r codec.Result) bool {
			return (e[0] == "" || either(e[0], r.Code)) && either(e[1], r.Value) && (e[2] == "" || either(e[2], r.Units))
		}) {
			t.Errorf("no result %v", e)
		}
	}
}

func either(alternatives, s string) bool {
	for a := range strings.SplitSeq(alternatives, "|") {
		if strings.TrimSpace(a) == s {
			return true
		}
	}
	return false
}
