package hl7_test

import (
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/hl7"
)

func TestKind(t *testing.T) {
	const obr, obx, msa = "OBR|1|P|F|T", "OBX|1|NM|X||1||||||F", "MSA|AA|9"
	for _, c := range []struct{ kind, header, segments string }{
		{"result", "ORU^R01", obr + "\r" + obx},
		{"result", "ORU^R30", obr + "\r" + obx},
		{"result", "ORU^R31^ORU_R30", obr + "\r" + obx},
		{"result", "ORU^R32^ORU_R30", obr + "\r" + obx},
		{"result", "OUL^R21", obr + "\r" + obx},
		{"result", "OUL^R22", obr + "\r" + obx},
		{"result", "OUL^R23", obr + "\r" + obx},
		{"result", "ORU^R01", obr},
		{"other", "ORU^R01", ""},
		{"qc", "ORU^R01|1|Q", obr + "\r" + obx},
		{"qc", "ORU^R01|1|P|2.3||||2", obr + "\r" + obx},
		{"other", "ORU^R01|1|P|2.3||||1", obr + "\r" + obx},
		{"result", "ORU^R01|1|P|2.3||||0", obr + "\r" + obx},
		{"result", "ORU^R01|1|P|2.3||||AL", obr + "\r" + obx},
		{"qc", "OUL^R22", "SPM|1|C||B|||||||Q\r" + obr + "\r" + obx},
		{"qc", "OUL^R22", "SPM|1|C||B|||||||Q\r" + obx},
		{"result", "OUL^R22", "SPM|1|C||B|||||||Q\r" + obr + "\r" + obx + "\rSPM|2|D||B|||||||P\r" + obr + "\r" + obx},
		{"other", "OUL^R23", "SPM|1|C||B|||||||C\r" + obr + "\r" + obx},
		{"result", "OUL^R23", "SPM|1|C||B|||||||C\r" + obr + "\r" + obx + "\rSPM|2|D||B|||||||P\r" + obr + "\r" + obx},
		{"qc", "ORU^R01", "OBR|1|||LQC\r" + obx},
		{"order", "ORM^O01", "ORC|NW|1\r" + obr},
		{"order", "OML^O21", "ORC|NW|1\r" + obr + "\r" + obx},
		{"order", "OML^O33", "SPM|1|A\rORC|DC"},
		{"query", "ORM^O01", "ORC|RF||4711"},
		{"query", "QBP^Q11", "QPD|WOS|t|A"},
		{"query", "QRY^Q02", "QRD|1|R|D|1|||RD|A"},
		{"query", "QRY^R02", "QRD|1|R|D|1|||RD|A"},
		{"ack", "ACK", msa},
		{"ack", "ACK^R22^ACK", msa},
		{"ack", "MCF", msa},
		{"ack", "QCK^Q02", msa + "\rQAK|SR|NF"},
		{"ack", "ORL^O34", msa},
		{"ack", "ORL^O22", msa + "\rORC|OK\r" + obr},
		{"ack", "RSP^K11", msa + "\rQAK|t|OK\rQPD|WOS|t|A"},
		{"order", "RSP^Z02", msa + "\rSPM|1|A\r" + obr},
		{"order", "ORR^O02", msa + "\rORC|AF\r" + obr},
		{"ack", "ORR^O02", "MSA|AR|9"},
		{"order", "ORF^R04", msa + "\r" + obr},
		{"order", "DSR^Q03", msa + "\rDSP|21||A\rDSP|29||1"},
		{"other", "SSU^U03", "EQU|1\rSAC|||A"},
		{"other", "ESU^U01", "EQU|1"},
		{"other", "INU^U05", "INV|1"},
		{"other", "EAC^U07", "ECD|1"},
		{"other", "NMD^N02", "NCK|1"},
		{"other", "QCN^J01", "QID|1"},
		{"other", "ADT^A04", "PID|1||2\r" + obx},
		{"result", "ZZZ^Z01", obr + "\r" + obx},
		{"query", "ZZQ^Z01", "QPD|1|t|A"},
		{"ack", "ZZA^Z01", msa},
		{"other", "ZZO^Z01", ""},
	} {
		header := `MSH|^~\&|A|B|||20261123083600||` + c.header
		if !strings.Contains(c.header, "|") {
			header += "|1|P|2.5.1"
		}
		m := parse(t, codec.Options{}, header, c.segments)
		if m.Kind != c.kind {
			t.Errorf("%s %q: got %s, want %s", c.header, c.segments, m.Kind, c.kind)
		}
	}
}

func TestOwns(t *testing.T) {
	for raw, want := range map[string]bool{
		"MSH|^~\\&|A":                 true,
		"\r\nMSH|^~\\&|A":             true,
		"BHS|^~\\&|A\rMSH|^~\\&":      true,
		"FHS|^~\\&":                   true,
		"noise\rMSH|^~\\&|A":          true,
		"H|\\^&\rC|1\rMSH|^~\\&\rL|1": false,
		"H|\\^&|||A\rP|1\rL|1":        false,
		"MSHABC":                      false,
		"":                            false,
		"\xef\xbb\xbfMSH|^~\\&|A":     true,
	} {
		if got := hl7.Kind().Owns([]byte(raw)); got != want {
			t.Errorf("%q: got %v, want %v", raw, got, want)
		}
	}
}
