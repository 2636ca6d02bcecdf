package astm_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/astm"
	"github.com/assaybus/assaybus/codec/codectest"
)

// harare is where all instruments of the golden messages stand.
var harare = time.FixedZone("CAT", 2*60*60)

// configured are the options of the golden messages that need some.
var configured = map[string]codec.Options{
	"decimal-comma":             {DecimalComma: true, SpecimenPath: []string{"O.3", "P.4"}},
	"hl7-delimiters-configured": {Quirks: []string{"hl7-delimiters"}},
	"qc-after-result":           {Quirks: []string{"qc-after-result"}},
	"shift-jis":                 {Charset: "shift_jis"},

	"gbk-delimiters-in-characters":  {Charset: "GBK"},
	"big5-delimiters-in-characters": {Charset: "Big5"},
}

func TestGolden(t *testing.T) {
	dir := filepath.Join(codectest.Root(t), "testdata", "astm", "messages")
	codectest.Golden(t, dir, func(name string, raw []byte) (*codec.Message, error) {
		o := configured[name]
		o.Location = harare
		return parser(t, o).Parse(raw)
	})
}

func parser(t testing.TB, o codec.Options) *astm.Protocol {
	t.Helper()
	p, err := astm.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
