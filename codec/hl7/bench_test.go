package hl7_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/hl7"
)

// oru is a result message of a hematology analyzer with n observations.
func oru(n int) []byte {
	var b strings.Builder
	b.WriteString("MSH|^~\\&|Counter|Lab|||20261123083600||ORU^R01|4711|P|2.3.1||||||UNICODE\r" +
		"PID|1||P000123^^^^MR||Benchmann^Adaline||19700101|F\rPV1|1|O|^^12\r" +
		"OBR|1||S2611230042|00001^Automated Count^99MRC||20261123080000|20261123083411|||op7\r")
	for i := range n {
		fmt.Fprintf(&b, "OBX|%d|NM|67%02d-2^PAR%02d^LN||%d.%02d|10*9/L|4.00-10.00|N|||F\r", i+1, i, i, i, 90-i%90)
	}
	return []byte(b.String())
}

// oul is a LAW result message of about 30 KB: specimens with inventory.
func oul(specimens int) []byte {
	var b strings.Builder
	b.WriteString("MSH|^~\\&|line pro||Host||20261123083600+0100||OUL^R22^OUL_R22|4712|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-29^IHE\r")
	for s := range specimens {
		fmt.Fprintf(&b, "SPM|%d|S%06d&BARCODE||SERPLAS^^99XYZ|||||||P^^HL70369\rSAC|||S%06d&BARCODE|||||||50120|2\r", s+1, s, s)
		fmt.Fprintf(&b, "OBR|1|\"\"||20490^^99XYZ\rORC|SC||||CM\rTQ1|||||||||R^^HL70485\r")
		fmt.Fprintf(&b, "OBX|1|NM|20490^20490^99XYZ^^^IHELAW|1|%d.2|mg/L^^99XYZ||N^^HL70078|||F|||||op~auto||c5^V~77^V|20261123082900||||||||||RSLT\r", s)
		for i := range 4 {
			fmt.Fprintf(&b, "INV|2049%03d|OK^^HL70383~CURRENT^^99XYZ|R1|514|1|8||||||20281030||||256616\r", i)
			fmt.Fprintf(&b, "OBX|%d|EI|CAL%d^Calibration^99XYZ^S_OTHER^Other Supplemental^IHELAW|1|23|||N^^HL70078|||F|||||op~auto||c5^V~77^V|20261123082900||||||||||RSLT\r", i+2, i)
		}
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	p, err := hl7.New(codec.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for name, raw := range map[string][]byte{"ORU-1KB": oru(12), "OUL-30KB": oul(26)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Parse(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestParseAllocations keeps the cost of a message of 12 results in sight: it
// does not grow with their number.
func TestParseAllocations(t *testing.T) {
	p, err := hl7.New(codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, results := range []int{12, 200} {
		raw := oru(results)
		if got := testing.AllocsPerRun(100, func() { _, _ = p.Parse(raw) }); got > 25 {
			t.Errorf("%d results: got %v allocations, want at most 25", results, got)
		}
	}
}
