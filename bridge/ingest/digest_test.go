package ingest_test

import (
	"testing"

	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec"
)

// The same message received again, in other raw messages, has the same
// digest; one that says something else has not.
func TestDigestIsOfTheContent(t *testing.T) {
	message := func(change func(*codec.Message)) ingest.Delivery {
		m := codec.Message{ID: "1", ReceivedAt: "2026-11-23T06:36:00Z", RawSequence: 43, Parts: []uint64{41, 42, 43}, Quirks: []string{"no-lf"}, Results: []codec.Result{{Code: "WBC", Value: "5.9"}}}
		change(&m)
		return ingest.Delivery{Message: &m}
	}
	first := message(func(*codec.Message) {}).Digest()
	again := message(func(m *codec.Message) {
		m.ReceivedAt, m.RawSequence, m.Parts, m.Quirks = "2026-11-23T07:36:00Z", 53, []uint64{51, 52, 53}, nil
	}).Digest()
	if first == "" || again != first {
		t.Errorf("received again it has the digest %q, want %q", again, first)
	}
	if other := message(func(m *codec.Message) { m.Results[0].Value = "6.0" }).Digest(); other == first {
		t.Error("another value has the same digest")
	}
}
