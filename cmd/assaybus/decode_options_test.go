package main

import (
	"strings"
	"testing"
)

// Every option that says how an instrument's content is read can be tried on
// a capture.
func TestDecodeOptions(t *testing.T) {
	const (
		astm = "H|\\^&|||Analyzer|||||||P|1|20261123083600\rP|1||P4711\rO|1|7^B-42||^^^GLU\rR|1|^GLUC^^GLU|161,152|U||N||F\rL|1|N\r"
		hl7  = "MSH|^~\\&|CELLS|LAB|||20261123083600||ORU^R01|17|P|2.3.1\rSPM|1|DOE JANE 4711421\rOBR|1\rOBX|1|NM|WBC^LEU||5.9||||||F\rDSC|next\r"
	)
	for _, tt := range []struct {
		name, capture string
		args          []string
		want          string
		unwanted      string // also what there is without the option
	}{
		{"specimen path", astm, []string{"--specimen-path", "O.3.2"}, `"specimen":"B-42"`, `"specimen":"7"`},
		{"the first that is not empty", astm, []string{"--specimen-path", "O.9", "--specimen-path", "P.4"}, `"specimen":"P4711"`, `"specimen":"7"`},
		{"pattern", hl7, []string{"--specimen-path", "SPM-2/[0-9]{6,}$"}, `"specimen":"4711421"`, `"specimen":"DOE JANE 4711421"`},
		{"code component", astm, []string{"--code-component", "2"}, `"code":"GLUC"`, `"code":"GLU"`},
		{"code component of HL7", hl7, []string{"--code-component", "2"}, `"code":"LEU"`, `"code":"WBC"`},
		{"thousands comma", astm, []string{"--thousands-comma"}, `"number":161152`, `"ambiguous-number"`},
		{"decimal comma", astm, []string{"--decimal-comma"}, `"number":161.152`, `"ambiguous-number"`},
		{"charset fallback", "H|\\^&|||\xc4\xe0\rO|1|7||^^^GLU\rR|1|^^^GLU|1\rL|1|N\r", []string{"--charset-fallback", "windows-1251"}, `"name":"Да"`, `"name":"Äà"`},
		{"timezone", astm, []string{"--timezone", "Africa/Harare"}, `"sentAt":"2026-11-23T08:36:00+02:00"`, `"sentAt":"2026-11-23T08:36:00Z"`},
		{"separate", hl7, []string{"--dsc", "separate"}, `"controlId":"17"`, `"pointer":"next"`},
	} {
		code, without, stderr := runText(t, tt.capture, "decode", "--json")
		if code != exitOK || !strings.Contains(without, tt.unwanted) {
			t.Errorf("%s: without the option exit %d and %s%s, want %s", tt.name, code, without, stderr, tt.unwanted)
		}
		code, with, stderr := runText(t, tt.capture, append([]string{"decode", "--json"}, tt.args...)...)
		if code != exitOK || !strings.Contains(with, tt.want) || strings.Contains(with, tt.unwanted) {
			t.Errorf("%s: exit %d and %s%s, want %s and not %s", tt.name, code, with, stderr, tt.want, tt.unwanted)
		}
	}
	for _, args := range [][]string{{"--specimen-path", "SPM-2/["}, {"--specimen-path", "nowhere"}, {"--dsc", "both"}, {"--code-component", "x"}} {
		if code, _, stderr := runText(t, astm, append([]string{"decode"}, args...)...); code != exitUsage || stderr == "" {
			t.Errorf("%v: exit %d, %q; want %d and why", args, code, stderr, exitUsage)
		}
	}
}

// The second message of a batch says as well which batch it came in.
func TestDecodeBatch(t *testing.T) {
	const m = "MSH|^~\\&|A||||20261123||ORU^R01|1|P|2.5\rOBX|1|NM|X||1||||||F\r"
	code, stdout, stderr := runText(t, "\x0bBHS|^~\\&|A||||20261123||||B7\r"+m+m+"BTS|2\r\x1c\r\x0b"+m+"\x1c\r", "decode", "--json")
	if got := strings.Count(stdout, `"batch":"B7"`); code != exitOK || got != 2 || strings.Count(stdout, "\n") != 3 {
		t.Errorf("exit %d, %d messages of the batch, want 2 of 3:\n%s%s", code, got, stdout, stderr)
	}
}
