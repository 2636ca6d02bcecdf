package hl7_test

import (
	"path/filepath"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

// TestGolden holds every rule of decoding: messages of our own invention,
// modelled on the families of analyzers that laboratories have.
func TestGolden(t *testing.T) {
	options := map[string]codec.Options{
		"option-decimal-comma":         {DecimalComma: true},
		"option-specimen-path":         {SpecimenPath: []string{"O.4.3", "PID-2"}, CodeComponent: 4},
		"option-continuation-separate": {Continuation: "separate"},
	}
	dir := filepath.Join(codectest.Root(t), "testdata", "hl7", "messages")
	codectest.Golden(t, dir, func(name string, raw []byte) (*codec.Message, error) {
		p, err := hl7.New(options[name])
		if err != nil {
			t.Fatal(err)
		}
		return p.Parse(raw)
	})
}
