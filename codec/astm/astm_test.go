package astm_test

import (
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/astm"
)

func TestNew(t *testing.T) {
	for name, c := range map[string]struct {
		o  codec.Options
		ok bool
	}{
		"zero":                  {codec.Options{}, true},
		"largest frame":         {codec.Options{SendFrame: 63_993}, true},
		"frame too large":       {codec.Options{SendFrame: 63_994}, false},
		"negative frame":        {codec.Options{SendFrame: -1}, false},
		"negative message":      {codec.Options{MaxMessage: -1}, false},
		"negative frames":       {codec.Options{MaxFrames: -1}, false},
		"negative frame limit":  {codec.Options{MaxFrame: -1}, false},
		"negative time":         {codec.Options{MessageTimeout: -time.Second}, false},
		"role of an instrument": {codec.Options{Role: codec.RoleInstrument}, true},
		"unknown role":          {codec.Options{Role: "server"}, false},
	} {
		if _, err := astm.New(c.o); (err == nil) != c.ok {
			t.Errorf("%s: New = %v, want no error: %t", name, err, c.ok)
		}
	}
}

func TestSpeaks(t *testing.T) {
	for first, want := range map[string]codec.Verdict{
		"":                 codec.Maybe,
		"\x00\r\n":         codec.Maybe,
		"\x05":             codec.Yes,
		"\x00\x05":         codec.Yes,
		"\x04":             codec.Yes,
		"\x02":             codec.Maybe, // Mindray's heartbeat
		"\x02\x02":         codec.Maybe,
		"\x02\x0bMSH|":     codec.No,
		"\x02\x02\x0b":     codec.No,
		"\x021H":           codec.Yes,
		"\x02H":            codec.Maybe,
		"\x02H|":           codec.Yes, // Snibe Maglumi X3
		"\x02HELLO":        codec.No,
		"\x02\x1emtrsl|":   codec.No, // bioMérieux
		"\x02P\x1c":        codec.No, // Dimension
		"\x02D1U":          codec.No, // Sysmex native
		"\x02\r\n\x05":     codec.Yes,
		"H":                codec.Maybe,
		"h!":               codec.Yes,
		"H|\\^&":           codec.Yes,
		"\r\nH|":           codec.Yes,
		"HELLO":            codec.No,
		"MSH|":             codec.No,
		"M":                codec.No,
		"\x0b":             codec.No,
		"\r\n\x0bMSH|^~\\": codec.No, // pitfalls 34
		"<HEL.R01>":        codec.No,
		"GET / HTTP/1.1":   codec.No,
	} {
		if got := astm.Kind().Speaks([]byte(first)); got != want {
			t.Errorf("Speaks(%q) = %d, want %d", first, got, want)
		}
	}
}

func TestQuirksAreExplained(t *testing.T) {
	for _, q := range astm.Kind().Quirks {
		if q.Name == "" || len(q.Help) < 20 {
			t.Errorf("quirk %q is not explained: %q", q.Name, q.Help)
		}
	}
}
