package main

import (
	"testing"
	"unicode"

	"github.com/assaybus/assaybus/codec/codectest"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"\x021H|\\^&\r\x0305\r\n":  "␂1H|\\^&␍␃05␍␊",
		"\x05\x06\x15\x04\x0b\x1c": "␅␆␕␄␋␜",
		"\x1b[2J\x7f\x00":          "␛[2J␡␀",
		"µmol/l ß 漢":               "µmol/l ß 漢",
		"\xe4\xff":                 `\xE4\xFF`,
		"\u009b2J\u202e\ufeff":     `\xC2\x9B2J\xE2\x80\xAE\xEF\xBB\xBF`,
		"\ufffd":                   "\ufffd",
	} {
		if got := visible([]byte(in)); got != want {
			t.Errorf("visible(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add([]byte("\x1b]0;title\x07\u202e\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		codectest.Ends(t)
		for _, r := range visible(b) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q lets %U through", b, r)
			}
		}
	})
}
