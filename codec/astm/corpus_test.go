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
		Charset string `json:"charset"`
	} `json:"options"`
}

// Every message of the corpus is decoded into what expect.json asks for. The
// link is taken off by a few lines of this test: it is the parser that is on
// trial here.
func TestCorpus(t *testing.T) {
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
			c.check(t, payloads(capture))
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

// payloads takes the link off a capture: frames with and without number and
// checksum, or records alone. A message begins at each H or MSH record.
func payloads(capture []byte) [][]byte {
	text := capture
	if bytes.IndexByte(capture, 0x02) >= 0 {
		text = deframe(capture)
	}
	text = bytes.TrimSpace(text)
	var out [][]byte
	for from := 0; from < len(text); {
		to := len(text)
		for _, end := range []string{"\rH|", "\nH|"} {
			if at := bytes.Index(text[from:to], []byte(end)); at >= 0 {
				to = from + at + 1
			}
		}
		out = append(out, text[from:to])
		from = to
	}
	return out
}

func deframe(capture []byte) []byte {
	var text []byte
	for _, frame := range bytes.Split(capture, []byte{0x02})[1:] {
		end := bytes.IndexAny(frame, "\x03\x17")
		if end < 0 {
			continue
		}
		body := frame[:end]
		if len(body) > 0 && body[0] >= '0' && body[0] <= '9' {
			body = body[1:]
		}
		text = append(text, body...)
		if frame[end] == 0x03 && !bytes.HasSuffix(text, []byte("\r")) {
			text = append(text, '\r')
		}
	}
	return text
}
