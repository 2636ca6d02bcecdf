package astm_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/astm"
	"github.com/assaybus/assaybus/codec/codectest"
)

// What is said of a message holds nothing of it.
func TestNothingSaidHoldsContent(t *testing.T) {
	for _, o := range []codec.Options{{}, {MaxMessage: 300, MaxFrame: 100, Quirks: []string{"no-checksum", "implicit-session"}}} {
		err := codectest.Discreet(t, astm.Kind(), o, filepath.Join(codectest.Root(t), "testdata", "astm", "messages"), func(raw []byte) []byte {
			wire, number := []byte{0x05}, 1
			for chunk := range slices.Chunk(raw, 240) {
				end := byte(0x17)
				if len(chunk) < 240 {
					end = 0x03
				}
				wire = append(wire, frame(number%8, string(chunk), end)...)
				number++
			}
			return append(wire, 0x04)
		})
		if err != nil {
			t.Error(err)
		}
	}
}
