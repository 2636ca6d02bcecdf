package hl7_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/hl7"
)

// What a hostile or broken sender may repeat costs in proportion to its
// length: a megabyte of it is parsed in a moment, not in minutes.
func TestParseCostGrowsWithLength(t *testing.T) {
	const header = "MSH|^~\\&|A|B|||20261123083600||ORU^R01|1|P|2.5||||2\rPID|1\rOBR|1||A\r"
	p, err := hl7.New(codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, piece := range map[string]string{
		"continuations":            "ADD|x\r",
		"continuations of fields":  "ADD|x|\r",
		"glued segments":           "<13>ZZZ|",
		"line feeds":               "\nZZZ|\r\nx\n",
		"escapes":                  "\\",
		"hex escapes":              "\\X41\\",
		"charset escapes":          "\\M2442\\",
		"repetitions of ids":       "PID|1||a~b~c~d~e~f~g~h\r",
		"specimens of one order":   "SPM|1|#\r",
		"containers":               "SPM|1\rSAC|||1\r",
		"patients":                 "PID|1\r",
		"controls":                 "ORC|SC\r",
		"components":               "^x",
		"quality control in order": "OBR|1|1|1|||||||||||||||||1^2^3^4|\r",
		"notes":                    "NTE|1|L|x\r",
		"headers":                  "MSH|^\r",
		"envelopes":                "BHS|^\r",
		"less-than":                "<",
		"ids in one field":         "~\\X41\\",
	} {
		if strings.Contains(piece, "#") { // a new id each time
			var b strings.Builder
			for n := range (1 << 20) / len(piece) {
				b.WriteString(strings.Replace(piece, "#", strconv.Itoa(n), 1))
			}
			piece = b.String()
		}
		raw := []byte(header + "NTE|1||" + strings.Repeat(piece, max(1, (1<<20)/len(piece))))
		if name == "ids in one field" {
			raw = bytes.Replace(raw, []byte("NTE|1||"), []byte("PID|1||"), 1)
		}
		began := time.Now()
		if _, err := p.Parse(raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: a megabyte took %v", name, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
	}
}
