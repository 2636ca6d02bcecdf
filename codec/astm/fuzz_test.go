package astm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(codectest.Root(f), "testdata", "astm", "messages", "*.raw"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds (%v)", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	plain := parser(f, codec.Options{})
	odd := parser(f, codec.Options{
		Charset: "shift_jis", DecimalComma: true, SpecimenPath: []string{"O.4.3", "P.4", "Q.3.1"}, CodeComponent: 2,
		Quirks: []string{"hl7-delimiters", "qc-after-result"},
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		codectest.Ends(t)
		for _, p := range []codec.Protocol{plain, odd} {
			m, err := p.Parse(raw)
			if err != nil {
				continue
			}
			sound(t, m)
			text, err := json.Marshal(m)
			if err != nil || !utf8.Valid(text) {
				t.Errorf("no JSON: %v", err)
			}
			for _, record := range m.Records {
				for _, field := range record {
					if !utf8.ValidString(field) {
						t.Errorf("a field that is not UTF-8")
					}
				}
			}
		}
	})
}

// hundred is a message of 100 records, 94 of them results, as a haematology
// analyzer sends them.
func hundred() []byte {
	var b strings.Builder
	b.WriteString("H|\\^&|||HX-500^00-31^40117|||||||P|LIS2-A2|20261123083600\r")
	b.WriteString("P|1|||H-20417|Osei^Ama||19790304|F|||||^DR.9\r")
	b.WriteString("C|1||post transfusion\r")
	b.WriteString("O|1|778801|778801^01^04|^^^WBC\\^^^RBC\\^^^HGB|R|20261123080000|||||N|||||||||||||||F\r")
	for i := range 94 {
		fmt.Fprintf(&b, "R|%d|^^^T%02d^Test number %d|%d.%02d|10*3/uL|4.00 to 10.00|N||F||ADMIN||20261123083501|HX-500\r", i+1, i, i, i%12, i)
	}
	b.WriteString("M|1|REAGENT|LYSE|221114\rL|1|N\r")
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	raw := hundred()
	p := parser(b, codec.Options{})
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
