package astm_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/astm"
	"github.com/assaybus/assaybus/codec/codectest"
)

// expectation is an object of the corpus's expect.json.
type expectation struct {
	File        string     `json:"file"`
	Protocol    string     `json:"protocol"`
	Messages    *int       `json:"messages"`
	AcceptError bool       `json:"accept_error"`
	Kinds       []string   `json:"kinds"`
	Specimens   []string   `json:"specimens"`
	Attribution [][]string `json:"attribution"`
	ResultsMin  int        `json:"results_min"`
	ResultsMax  int        `json:"results_max"`
	Examples    [][]string `json:"examples"`
	Options     struct {
		Charset string   `json:"charset"`
		Quirks  []string `json:"quirks"`
	} `json:"options"`
}

// Every message of the corpus, taken off its link by Serve, is decoded into
// what expect.json asks for.
func TestParseCorpus(t *testing.T) {
	dir := codectest.Corpus(t)
	list, err := os.ReadFile(filepath.Join(dir, "expect.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []expectation
	if err := json.Unmarshal(list, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if c.Protocol != astm.Name {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(c.File), ".astm"), func(t *testing.T) {
			capture, err := os.ReadFile(filepath.Join(dir, c.File))
			if err != nil {
				t.Fatal(err)
			}
			var host codectest.Host
			if _, err := codectest.Play(t, with(c.Options.Quirks...), &host, capture); err != nil {
				t.Fatal(err)
			}
			c.check(t, host.Stored())
		})
	}
}

func (c expectation) check(t *testing.T, raws [][]byte) {
	p, err := astm.New(codec.Options{Charset: c.Options.Charset})
	if err != nil {
		t.Fatal(err)
	}
	var got []*codec.Message
	for _, raw := range raws {
		if bytes.HasPrefix(raw, []byte("MSH|")) {
			return // HL7 in E1381 frames: not ours to decode
		}
		m, err := p.Parse(raw)
		if err != nil {
			t.Logf("refused: %v", err)
			continue
		}
		codectest.Validate(t, m)
		got = append(got, m)
	}
	if c.AcceptError && len(got) == 0 {
		return
	}
	if c.Messages != nil && len(got) != *c.Messages {
		t.Errorf("%d messages, want %d", len(got), *c.Messages)
	}
	results, ids := 0, map[string]bool{}
	for _, m := range got {
		results += len(m.Results)
		if c.Kinds != nil && !slices.ContainsFunc(c.Kinds, func(k string) bool { return oneOf(m.Kind, k) }) {
			t.Errorf("kind %s, want one of %v", m.Kind, c.Kinds)
		}
		for _, o := range m.Orders {
			ids[o.Specimen] = true
			for id := range strings.SplitSeq(o.InstrumentSpecimen, "^") { // as the scorer has it
				ids[id] = true
			}
		}
		for _, q := range m.Queries {
			for _, id := range q.Specimens {
				ids[id] = true
			}
		}
	}
	if results < c.ResultsMin || results > c.ResultsMax {
		t.Errorf("%d results, want %d to %d", results, c.ResultsMin, c.ResultsMax)
	}
	for _, id := range c.Specimens {
		if !slices.ContainsFunc(strings.Split(id, "|"), func(a string) bool { return ids[a] }) {
			t.Errorf("no specimen %s among %v", id, ids)
		}
	}
	for _, e := range c.Examples {
		if !found(got, func(r codec.Result) bool {
			return oneOf(r.Code, e[0]) && oneOf(r.Value, e[1]) && (e[2] == "" || oneOf(r.Units, e[2]))
		}) {
			t.Errorf("no result %q", e)
		}
	}
	for _, a := range c.Attribution {
		if !found(got, func(r codec.Result) bool {
			return r.Specimen == a[0] && oneOf(r.Code, a[1]) && oneOf(r.Value, a[2])
		}) {
			t.Errorf("%q is not with its specimen", a)
		}
	}
}

func oneOf(text, alternatives string) bool {
	return slices.Contains(strings.Split(alternatives, "|"), text)
}

func found(messages []*codec.Message, is func(codec.Result) bool) bool {
	return slices.ContainsFunc(messages, func(m *codec.Message) bool { return slices.ContainsFunc(m.Results, is) })
}
