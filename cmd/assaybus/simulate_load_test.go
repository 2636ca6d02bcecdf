package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// A load plays until it is told to stop, keeps sums only, and measures from
// the end of the ramp.
func TestSimulateLoad(t *testing.T) {
	var s shelf
	code, stdout, stderr := runText(t, "", "simulate", "--to", s.listen(t, "hl7"), "--protocol", "hl7",
		"--load", "--connections", "8", "--ramp", "200ms", "--for", "300ms", "--json")
	var got struct {
		Sent, Acknowledged, Unacknowledged, Refused int
		Rate, P50Seconds, P90Seconds, P99Seconds    float64
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitOK {
		t.Fatalf("exit %d, %q, %q, %v", code, stdout, stderr, err)
	}
	if got.Acknowledged < 8 || got.Unacknowledged != 0 || got.Refused != 0 || got.Rate <= 0 {
		t.Errorf("got %+v, want more than a message per connection", got)
	}
	if got.P50Seconds <= 0 || got.P50Seconds > got.P90Seconds || got.P90Seconds > got.P99Seconds {
		t.Errorf("percentiles %v, %v, %v, want them to rise", got.P50Seconds, got.P90Seconds, got.P99Seconds)
	}
}

// The ledger of a load is compared with the streams of the bridge it was
// played to.
func TestSimulateVerifies(t *testing.T) {
	s := startServe(t, "instruments:\n  - {id: bench, listen: '127.0.0.1:0', protocol: hl7, max_connections: 30}\n")
	to := s.call("bench").RemoteAddr().String()
	play := func(start string) []string {
		return []string{"simulate", "--to", to, "--protocol", "hl7", "--load", "--count", "300", "--connections", "30", "--start", start, "--verify", s.bus}
	}
	for _, start := range []string{"1", "1001"} { // the second does not count the first's
		code, stdout, stderr := runText(t, "", play(start)...)
		for _, want := range []string{"LAB_RAW holds 300 of 300 acknowledged messages, 0 lost", "LAB_PARSED holds 300 of 300 acknowledged messages, 0 lost, 0 doubled"} {
			if code != exitOK || !strings.Contains(stderr, want) {
				t.Fatalf("exit %d, %q, %q, want %q", code, stdout, stderr, want)
			}
		}
	}
}

// A bridge that acknowledges and stores nothing is found out.
func TestSimulateFindsLoss(t *testing.T) {
	bus, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Log: privacytest.Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close(t.Context()) })
	var s shelf
	code, stdout, stderr := runText(t, "", "simulate", "--to", s.listen(t, "hl7"), "--protocol", "hl7", "--count", "5", "--verify", bus.URL())
	if code != exitFailed || !strings.Contains(stderr, "LAB_RAW holds 0 of 5 acknowledged messages, 5 lost") {
		t.Errorf("exit %d, %q, %q, want %d and what is lost", code, stdout, stderr, exitFailed)
	}
}

func TestSimulateVerifyNeedsABus(t *testing.T) {
	code, _, stderr := runText(t, "", "simulate", "--to", "127.0.0.1:1", "--count", "1", "--verify", "nats://127.0.0.1:1")
	if code != exitFailed || !strings.Contains(stderr, "--verify: ") || !strings.Contains(stderr, "ASSAYBUS_NATS_LISTEN") {
		t.Errorf("exit %d, %q, want %d and what to do", code, stderr, exitFailed)
	}
}
