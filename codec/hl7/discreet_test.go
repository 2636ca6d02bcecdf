package hl7_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

// What is said of a message holds nothing of it.
func TestNothingSaidHoldsContent(t *testing.T) {
	for _, o := range []codec.Options{{}, {MaxMessage: 300}} {
		err := codectest.Discreet(t, hl7.Kind(), o, filepath.Join(codectest.Root(t), "testdata", "hl7", "messages"), func(raw []byte) []byte {
			return slices.Concat([]byte{0x0b}, raw, []byte{0x1c, 0x0d})
		})
		if err != nil {
			t.Error(err)
		}
	}
}
