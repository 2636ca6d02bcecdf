package simulator_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func TestVerify(t *testing.T) {
	digest := func(s string) simulator.Digest { return simulator.DigestOf([]byte(s)) }
	entries := []simulator.Entry{
		{Digest: digest("kept"), Plays: 1, Acknowledged: 1},
		{Digest: digest("lost"), Plays: 1, Acknowledged: 1},
		{Digest: digest("twice"), Plays: 1, Acknowledged: 1},
		{Digest: digest("played twice"), Plays: 2, Acknowledged: 2},
		{Digest: digest("refused"), Plays: 1},
		{Digest: digest("stored, ack lost"), Plays: 1},
	}
	got := simulator.Verify(entries, map[simulator.Digest]int{
		digest("kept"): 1, digest("twice"): 2, digest("played twice"): 2, digest("stored, ack lost"): 1, digest("other"): 1,
	})
	want := simulator.Verdict{
		Acknowledged: 4, Stored: 3,
		Missing: []simulator.Digest{digest("lost")},
		Doubled: []simulator.Digest{digest("twice")},
		Foreign: []simulator.Digest{digest("other")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !got.Lost() {
		t.Error("a missing message is not lost")
	}
	if simulator.Verify(nil, nil).Lost() {
		t.Error("an empty ledger lost something")
	}
}

func TestDigestText(t *testing.T) {
	d := simulator.DigestOf([]byte("H|"))
	if back, err := simulator.ParseDigest(d.String()); err != nil || back != d {
		t.Errorf("%v came back as %v, %v", d, back, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("x", 64), d.String() + "00"} {
		if _, err := simulator.ParseDigest(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestLedgerCountsPlaysOfOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{}
		i := &simulator.Instrument{Log: privacytest.Logger(nil), Next: simulator.NewSource([][]byte{[]byte("H|same|0")}, 1, 3).Next}
		totals, _, err := run(t.Context(), t, b, i)
		entries := i.Ledger.Entries()
		if err != nil || len(entries) != 1 || entries[0].Plays != 3 || entries[0].Acknowledged != 3 || totals.Sent != 3 {
			t.Errorf("got %+v, %v", entries, err)
		}
	})
}

// A slow bridge's acknowledgement is measured from the last frame, not from
// the beginning of the transmission.
func TestLatencyIsThatOfTheLastFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{
			enq:    func(int) byte { time.Sleep(2 * time.Second); return 6 },
			answer: func(int) byte { time.Sleep(300 * time.Millisecond); return 6 },
		}
		totals, _, err := run(t.Context(), t, b, &simulator.Instrument{Next: source(100)})
		if want := 300 * time.Millisecond; err != nil || totals.Max != want || totals.P50 != want || totals.P99 != want {
			t.Errorf("p50 %v, p99 %v, max %v, %v, want %v", totals.P50, totals.P99, totals.Max, err, want)
		}
	})
}

func TestPercentilesAreCloseToTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{}
		b.answer = func(n int) byte { time.Sleep(time.Duration(n*n) * time.Microsecond); return 6 }
		totals, _, err := run(t.Context(), t, b, &simulator.Instrument{Next: source(1000)})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ got, want time.Duration }{
			{totals.P50, 500 * 500 * time.Microsecond}, {totals.P99, 990 * 990 * time.Microsecond}, {totals.Max, time.Second},
		} {
			if tt.got < tt.want || tt.got > tt.want+tt.want/16 {
				t.Errorf("got %v, want %v or a little more", tt.got, tt.want)
			}
		}
	})
}

func TestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands at 2000-01-01
		s := simulator.NewSource([][]byte{[]byte("H|{n}|{time}|{x}"), []byte("H|plain")}, 41, 3)
		var got []string
		for raw, ok := s.Next(); ok; raw, ok = s.Next() {
			got = append(got, string(raw))
		}
		if want := []string{"H|41|20000101000000|{x}", "H|plain", "H|43|20000101000000|{x}"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	if _, ok := simulator.NewSource(nil, 1, 0).Next(); ok {
		t.Error("no template gave a message")
	}
}

func TestSourceGivesNoNumberTwice(t *testing.T) {
	s := simulator.NewSource([][]byte{[]byte("{n}")}, 1, 1000)
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[string]bool{}
	for range 4 {
		wg.Go(func() {
			for raw, ok := s.Next(); ok; raw, ok = s.Next() {
				mu.Lock()
				seen[string(raw)] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 1000 {
		t.Errorf("%d different messages, want 1000", len(seen))
	}
}

// A tally has the sums of a ledger and remembers no message; begun anew it
// forgets what was slow before.
func TestTally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{}
		tally := simulator.NewTally()
		b.answer = func(n int) byte {
			if n <= 10 {
				time.Sleep(time.Second)
			}
			if n == 11 {
				tally.Restart()
			}
			time.Sleep(time.Millisecond)
			return 6
		}
		var wg sync.WaitGroup
		i := &simulator.Instrument{Name: "test", Next: source(30), Ledger: tally, Connect: b.dial(&wg), Protocol: link{}, Log: privacytest.Logger(nil)}
		err := i.Run(t.Context())
		wg.Wait()
		totals := tally.Totals()
		if err != nil || totals.Sent != 30 || totals.Acknowledged != 30 || len(tally.Entries()) != 0 {
			t.Errorf("got %+v with %d entries, %v; want the sums of 30 and no entry", totals, len(tally.Entries()), err)
		}
		if totals.Max > 10*time.Millisecond || totals.P90 > 10*time.Millisecond {
			t.Errorf("p90 %v, longest %v: the slow beginning is still counted", totals.P90, totals.Max)
		}
		if totals.Rate < 100 {
			t.Errorf("%.0f/s, want the rate since the restart", totals.Rate)
		}
	})
}
