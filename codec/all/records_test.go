package all_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// Two bytes that become hundreds are no way to the memory of all.
func TestTooManyRecords(t *testing.T) {
	p, err := all.Protocols.Build(codec.Auto, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, head := range map[string]string{
		"astm": "H|\\^&|||a\rP|1\rO|1|S\r",
		"hl7":  "MSH|^~\\&|A|B|||20261123083600||ORU^R01|1|P|2.3.1\rPID|1\rOBR|1||S\r",
	} {
		most := codec.MaxRecords - strings.Count(head, "\r")
		if _, err := p.Parse([]byte(head + strings.Repeat("Z\r", most))); err != nil {
			t.Errorf("%s: %v with as many records as are allowed", name, err)
		}
		_, err := p.Parse([]byte(head + strings.Repeat("Z\n", most+1)))
		var at *codec.ParseError
		if !errors.As(err, &at) || !strings.Contains(privacytest.Error(err), "records") || at.Protocol != name {
			t.Errorf("%s: got %v, want a ParseError about records", name, err)
		}
	}
}
