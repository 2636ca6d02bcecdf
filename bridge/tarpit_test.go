package bridge_test

import (
	"io"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// Every burst of noise costs its sender some milliseconds before it is heard
// again; what comes behind it is heard all the same.
func TestNoiseIsSlowedDown(t *testing.T) {
	w := startAll(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: astm}\n")
	nc := w.connect(t, "a1")
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	const bursts = 40
	began := time.Now()
	for range bursts {
		if _, err := io.WriteString(nc, "noise\x05"); err != nil {
			t.Fatal(err)
		}
		var answer [1]byte
		if _, err := io.ReadFull(nc, answer[:]); err != nil || answer[0] != 0x06 {
			t.Fatalf("ENQ behind noise is answered %q, %v; want ACK", answer, err)
		}
		if _, err := io.WriteString(nc, "\x04"); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < bursts*4*time.Millisecond {
		t.Errorf("%d bursts of noise took %v, want each to cost 5 ms", bursts, took)
	}
	if got := w.counters("a1").Events[codec.EventNoise]; got != bursts {
		t.Errorf("%d bursts counted, want %d", got, bursts)
	}
}
