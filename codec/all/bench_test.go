package all_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
)

// Messages as long as those of a benchmark's instruments.
func benchMessages() map[string]string {
	var oru, oul, astm strings.Builder
	oru.WriteString("MSH|^~\\&|Counter|Lab|||20261123083600||ORU^R01|4711|P|2.3.1||||||UNICODE\r" +
		"PID|1||P000123^^^^MR||Rivers^Adaline||19700101|F\rPV1|1|O|^^12\r" +
		"OBR|1||S2611230042|00001^Automated Count^99MRC||20261123080000|20261123083411|||op7\r")
	for i := range 12 {
		fmt.Fprintf(&oru, "OBX|%d|NM|67%02d-2^PAR%02d^LN||%d.%02d|10*9/L|4.00-10.00|N|||F|||20261123083411\r", i+1, i, i, i, 90-i%90)
	}
	oul.WriteString("MSH|^~\\&|line pro||Host||20261123083600+0100||OUL^R22^OUL_R22|4712|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-29^IHE\r")
	for i := range 75 {
		fmt.Fprintf(&oul, "SPM|%d|S%06d&BARCODE||SERPLAS^^99XYZ|||||||P^^HL70369\rSAC|||S%06d&BARCODE|||||||50120|2\r"+
			"OBR|1|\"\"||20490^^99XYZ\rORC|SC||||CM\r"+
			"OBX|1|NM|20490^20490^99XYZ^^^IHELAW|1|%d.2|mg/L^^99XYZ||N^^HL70078|||F|||||op~auto||c5^V~77^V|20261123082900\r"+
			"INV|2049%03d|OK^^HL70383~CURRENT^^99XYZ|R1|514|1|8||||||20281030||||256616\r", i+1, i, i, i, i)
	}
	astm.WriteString("H|\\^&|||HX-500^00-31^40117|||||||P|LIS2-A2|20261123083600\r" +
		"P|1|||H-20417|Osei^Ama||19790304|F|||||^DR.9\rO|1|778801|778801^01^04|^^^WBC\\^^^RBC\\^^^HGB|R|20261123080000|||||N|||||||||||||||F\r")
	for i := range 96 {
		fmt.Fprintf(&astm, "R|%d|^^^T%02d^Test number %d|%d.%02d|10*3/uL|4.00 to 10.00|N||F||ADMIN||20261123083501|HX-500\r", i+1, i, i, i%12, i)
	}
	astm.WriteString("L|1|N\r")
	return map[string]string{"ORU-1KB": oru.String(), "OUL-30KB": oul.String(), "ASTM-100": astm.String()}
}

// BenchmarkMessage is what a message costs between the line and the bus:
// decoding it, and its JSON, with encoding/json beside it.
func BenchmarkMessage(b *testing.B) {
	p, err := all.Protocols.Build(codec.Auto, codec.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range benchMessages() {
		raw := []byte(text)
		m, err := p.Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		for what, once := range map[string]func() error{
			"parse": func() error { _, err := p.Parse(raw); return err },
			"json":  func() error { _, err := m.AppendJSON(nil); return err },
			"encoding-json": func() error {
				var out bytes.Buffer
				e := json.NewEncoder(&out)
				e.SetEscapeHTML(false)
				return e.Encode(m)
			},
		} {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					if err := once(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
