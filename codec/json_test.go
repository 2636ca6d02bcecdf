package codec_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/testdata"
	"pgregory.net/rapid"
)

// tester is a test, or one try of a property.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// plainJSON is what AppendJSON must be, byte for byte.
func plainJSON(t tester, m *codec.Message) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func sameJSON(t tester, m *codec.Message) {
	t.Helper()
	got, err := m.AppendJSON([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "before" + plainJSON(t, m); string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// filler gives a value to every field of every type: a field that AppendJSON
// does not know makes the tests fail.
type filler struct {
	text   func() string
	number func() float64
	length func() int // of a list; below zero = nil, for pointers too
}

func (f *filler) fill(t tester, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text())
	case reflect.Int:
		v.SetInt(int64(min(max(f.number(), -1<<62), 1<<62)))
	case reflect.Uint64:
		v.SetUint(uint64(min(max(f.number(), 0), 1<<63)))
	case reflect.Bool:
		v.SetBool(f.length() > 0)
	case reflect.Float64:
		v.SetFloat(f.number())
	case reflect.Pointer:
		if f.length() >= 0 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(t, v.Elem())
		}
	case reflect.Slice:
		if n := f.length(); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				f.fill(t, v.Index(i))
			}
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			f.fill(t, field)
		}
	default:
		t.Fatalf("AppendJSON and its tests know no %v", v.Type())
	}
}

func filled(t tester, f filler) *codec.Message {
	var m codec.Message
	f.fill(t, reflect.ValueOf(&m).Elem())
	return &m
}

// Every field of every type is written, and left out as its tag says.
func TestAppendJSONEveryField(t *testing.T) {
	for n, f := range []filler{
		{func() string { return "x" }, func() float64 { return 1 }, func() int { return 1 }},
		{func() string { return "<&>" }, func() float64 { return -2.5 }, func() int { return 3 }},
		{func() string { return "" }, func() float64 { return 0 }, func() int { return 1 }},
		{func() string { return "" }, func() float64 { return 0 }, func() int { return 0 }},
		{func() string { return "" }, func() float64 { return 0 }, func() int { return -1 }},
	} {
		t.Run(string(rune('a'+n)), func(t *testing.T) { sameJSON(t, filled(t, f)) })
	}
}

func TestAppendJSONAnyMessage(t *testing.T) {
	piece := rapid.SampledFrom([]string{"", "a", "|", "\\", `"`, "<", ">", "&", "é", "漢", "😀", "\u2028", "\u2029", "\ufffd", "\ufeff",
		"\x00", "\b", "\t", "\n", "\f", "\r", "\x1b", "\x7f", "\xff", "\xc3", "\xe2\x80", "\xed\xa0\x80", "\xf0\x9f\x98"})
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 5).Draw(t, "text"), "") + rapid.String().Draw(t, "more")
	})
	rapid.Check(t, func(rt *rapid.T) {
		m := filled(rt, filler{
			text:   func() string { return text.Draw(rt, "text") },
			number: func() float64 { return rapid.Float64().Draw(rt, "number") },
			length: func() int { return rapid.IntRange(-1, 2).Draw(rt, "length") },
		})
		sameJSON(rt, m)
	})
}

// What the parsers make of our messages and of the corpus.
func TestAppendJSONOfMessages(t *testing.T) {
	p, err := all.Protocols.Build(codec.Auto, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	check := func(path string, raw []byte) {
		if m, err := p.Parse(raw); err == nil {
			seen++
			t.Run(filepath.Base(path), func(t *testing.T) { sameJSON(t, m) })
		}
	}
	walk := func(files fs.FS) {
		if err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := fs.ReadFile(files, path)
			check(path, raw)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	walk(testdata.FS)
	if seen < 100 {
		t.Fatalf("%d of our messages parsed: where are they?", seen)
	}
	walk(os.DirFS(codectest.Corpus(t)))
}

func TestAppendJSONRefusesWhatJSONCannotSay(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		m := codec.Message{Results: []codec.Result{{}, {Number: &f}}}
		if b, err := m.AppendJSON([]byte("before")); err == nil || string(b) != "before" {
			t.Errorf("%v: got %q, %v, want an error and nothing appended", f, b, err)
		}
	}
}

// One buffer of the right size: the JSON of a message is made for each one
// that a laboratory sends.
func TestAppendJSONAllocations(t *testing.T) {
	p, err := all.Protocols.Build(codec.Auto, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(testdata.Simulator, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(testdata.Simulator, path)
		if err != nil {
			return err
		}
		m, err := p.Parse(raw)
		if err != nil {
			return err
		}
		m.ID, m.Site, m.Instrument, m.ReceivedAt, m.RawSequence = strings.Repeat("x", 32), "laboratory", "instrument", "2026-11-23T08:36:00.123456789Z", 1e6
		if got := testing.AllocsPerRun(10, func() { _, _ = m.AppendJSON(nil) }); got > 1 {
			t.Errorf("%s: %v allocations, want 1", path, got)
		}
		b, err := m.AppendJSON(nil)
		if cap(b) > len(b)*3/2 {
			t.Errorf("%s: %d bytes of JSON in %d, want at most half more", path, len(b), cap(b))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzAppendJSON(f *testing.F) {
	for _, text := range []string{"", "5.90", `ab"c\`, "\x00\x1f\x7f\x80", "\u2028\u2029", "\xe2\x80", "😀\xf0\x9f"} {
		f.Add(text, 1e21, 2)
		f.Add(text, -0.000000999, -1)
	}
	f.Fuzz(func(t *testing.T, text string, number float64, length int) {
		codectest.Ends(t)
		if math.IsNaN(number) || math.IsInf(number, 0) {
			return
		}
		calls := 0
		sameJSON(t, filled(t, filler{
			text: func() string {
				calls++ // another part of it in each field
				return text[min(calls%5, len(text)):]
			},
			number: func() float64 { return number },
			length: func() int { return length%3 - 1 },
		}))
	})
}
