package simulator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// messages are n different messages of three frames each.
func messages(n int) [][]byte {
	var all [][]byte
	for i := range n {
		all = append(all, fmt.Appendf(nil, "H|message %d|%s|%d", i, strings.Repeat("0123456789", 4), i%10))
	}
	return all
}

func source(n int) func() ([]byte, bool) {
	return simulator.NewSource(messages(n), 1, n).Next
}

// at strikes the first attempt at message n with f.
func at(n int, f ...simulator.Fault) func(int, int) []simulator.Fault {
	return func(message, attempt int) []simulator.Fault {
		if message == n && attempt == 1 {
			return f
		}
		return nil
	}
}

// run plays i against b in the bubble of the caller and checks what holds for
// every play: what was acknowledged is stored, byte for byte.
func run(ctx context.Context, t *testing.T, b *fakeBridge, i *simulator.Instrument) (simulator.Totals, time.Duration, error) {
	t.Helper()
	var wg sync.WaitGroup
	i.Name, i.Ledger, i.Log = "test", simulator.NewLedger(), privacytest.Logger(nil)
	if i.Connect == nil {
		i.Connect = b.dial(&wg)
	}
	if i.Protocol == nil {
		i.Protocol = link{}
	}
	begin := time.Now()
	err := i.Run(ctx)
	privacytest.Error(err)
	took := time.Since(begin)
	wg.Wait()
	if v := simulator.Verify(i.Ledger.Entries(), digests(b)); v.Lost() || len(v.Foreign) > 0 {
		t.Errorf("acknowledged %d, stored %d, missing %d, foreign %d", v.Acknowledged, v.Stored, len(v.Missing), len(v.Foreign))
	}
	totals := i.Ledger.Totals()
	if totals.Connected != 0 {
		t.Errorf("%d connections open after Run", totals.Connected)
	}
	return totals, took, err
}

func digests(b *fakeBridge) map[simulator.Digest]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	stored := map[simulator.Digest]int{}
	for _, raw := range b.stored {
		stored[simulator.DigestOf(raw)]++
	}
	return stored
}

func TestEveryFaultDoesWhatItSays(t *testing.T) {
	plain := &fakeBridge{}
	synctest.Test(t, func(t *testing.T) {
		if _, _, err := run(t.Context(), t, plain, &simulator.Instrument{Next: source(2)}); err != nil {
			t.Fatal(err)
		}
	})
	tests := []struct {
		fault    simulator.Fault
		attempts int           // at the two messages
		least    time.Duration // that the play takes
		check    func(b *fakeBridge) bool
	}{
		{simulator.FaultNoise, 2, 0, func(b *fakeBridge) bool { return b.noise > 0 }},
		{simulator.FaultBadChecksum, 2, 0, func(b *fakeBridge) bool { return b.bad == 1 }},
		{simulator.FaultSplit, 2, 0, func(b *fakeBridge) bool { return b.reads > plain.reads }},
		{simulator.FaultSlow, 2, 20 * time.Millisecond, func(b *fakeBridge) bool { return b.reads > plain.reads+10 }},
		{simulator.FaultCoalesce, 2, 0, func(b *fakeBridge) bool { return b.reads == plain.reads-1 && b.incomplete == 0 }},
		{simulator.FaultLostAck, 3, replyTimer, func(b *fakeBridge) bool { return b.conns == 1 && b.bids == 3 }},
		{simulator.FaultGarbledAck, 2, 0, func(b *fakeBridge) bool { return b.repeated == 1 && b.bids == 2 }},
		{simulator.FaultRepeat, 2, 0, func(b *fakeBridge) bool { return b.repeated == 1 && b.bids == 2 }},
		{simulator.FaultContention, 2, time.Second, func(b *fakeBridge) bool { return b.bids == 3 }},
		{simulator.FaultEnqStorm, 2, 0, func(b *fakeBridge) bool { return b.bids >= 4 && b.bids <= 22 }},
		{simulator.FaultAbort, 3, 0, func(b *fakeBridge) bool { return b.conns == 1 && b.bids == 3 }},
		{simulator.FaultCut, 3, 0, func(b *fakeBridge) bool { return b.conns == 2 }},
		{simulator.FaultHalfOpen, 3, simulator.DefaultSilence, func(b *fakeBridge) bool { return b.conns == 2 }},
	}
	if got, want := len(tests), len(simulator.Faults()); got != want {
		t.Errorf("%d faults tested of %d", got, want)
	}
	for _, tt := range tests {
		for seed := range uint64(8) { // strikes another frame, another byte
			t.Run(fmt.Sprint(tt.fault, "/", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := &fakeBridge{}
					totals, took, err := run(t.Context(), t, b, &simulator.Instrument{
						Next: source(2), Plan: at(1, tt.fault), Seed: seed,
					})
					if err != nil {
						t.Fatal(err)
					}
					if got := totals.Faults[tt.fault]; got != 1 {
						t.Errorf("struck %d times, want 1", got)
					}
					if totals.Acknowledged != 2 || totals.Attempts != tt.attempts {
						t.Errorf("acknowledged %d in %d attempts, want 2 in %d", totals.Acknowledged, totals.Attempts, tt.attempts)
					}
					if took < tt.least {
						t.Errorf("took %v, want at least %v", took, tt.least)
					}
					if !tt.check(b) {
						t.Errorf("the bridge saw %d bids, %d connections, %d bad, %d repeated, %d incomplete, %d noise, %d reads (%d without faults)",
							b.bids, b.conns, b.bad, b.repeated, b.incomplete, b.noise, b.reads, plain.reads)
					}
				})
			})
		}
	}
}

// A bridge that refuses at random, and every fault at once: nothing that the
// ledger calls acknowledged may be missing, and everything gets through.
func TestNoFalseAcknowledgement(t *testing.T) {
	chances, err := simulator.ParseChances("all=0.25")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			b := &fakeBridge{
				answer: func(int) byte { return "\x06\x06\x15"[r.IntN(3)] },
				enq:    func(int) byte { return "\x06\x06\x06\x06\x15"[r.IntN(5)] },
			}
			totals, _, err := run(t.Context(), t, b, &simulator.Instrument{Next: source(15), Faults: chances, Seed: seed})
			if err != nil || totals.Acknowledged != 15 {
				t.Errorf("seed %d: %d of 15 acknowledged: %v", seed, totals.Acknowledged, err)
			}
		})
	}
}

func TestSameSeedSamePlay(t *testing.T) {
	chances, err := simulator.ParseChances("all=0.2")
	if err != nil {
		t.Fatal(err)
	}
	play := func(seed uint64) (s string) {
		synctest.Test(t, func(t *testing.T) {
			totals, _, err := run(t.Context(), t, &fakeBridge{}, &simulator.Instrument{Next: source(20), Faults: chances, Seed: seed})
			if err != nil {
				t.Error(err)
			}
			s = fmt.Sprint(totals.Faults, totals.Attempts)
		})
		return s
	}
	if a, b := play(7), play(7); a != b {
		t.Errorf("seed 7 played %s, then %s", a, b)
	}
	if a, b := play(7), play(8); a == b {
		t.Errorf("seeds 7 and 8 both played %s", a)
	}
}

// Blocks are answered by name, so their repeats need no care; sockets, because
// a pipe has no buffer for the answers that nobody waits for.
func TestFaultsOfBlocks(t *testing.T) {
	tests := []struct {
		fault    simulator.Fault
		attempts int
		blocks   int // that reach the bridge whole
	}{
		{simulator.FaultCoalesce, 2, 3},
		{simulator.FaultRepeat, 2, 3},
		{simulator.FaultBadChecksum, 2, 2}, // HL7 has none
		{simulator.FaultLostAck, 3, 3},
		{simulator.FaultGarbledAck, 3, 3},
		{simulator.FaultNoise, 2, 2},
		{simulator.FaultSplit, 2, 2},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			b := &fakeBridge{}
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() { b.serve(conn) })
				}
			})
			totals, _, err := run(t.Context(), t, b, &simulator.Instrument{
				Connect: simulator.Dial(l.Addr().String()), Protocol: link{blocks: true},
				Next: source(2), Plan: at(1, tt.fault), Patience: 100 * time.Millisecond,
			})
			if err != nil {
				t.Error(err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			wg.Wait()
			if totals.Attempts != tt.attempts || b.received != tt.blocks {
				t.Errorf("%d attempts, %d blocks, want %d and %d", totals.Attempts, b.received, tt.attempts, tt.blocks)
			}
		})
	}
}

func TestParseChances(t *testing.T) {
	c, err := simulator.ParseChances("bad-checksum=0.1, cut=0.02", "", "slow=1")
	if got, want := c.String(), "bad-checksum=0.1,cut=0.02,slow=1"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	c, err = simulator.ParseChances("all=0.5,cut=0")
	if err != nil || len(c) != len(simulator.Faults()) || c[simulator.FaultCut] != 0 || c[simulator.FaultSlow] != 0.5 {
		t.Errorf("all=0.5,cut=0 gave %v, %v", c, err)
	}
	for _, bad := range []string{"cut", "cut=", "cut=1.1", "cut=-0.1", "cut=NaN", "cut=often", "cuts=0.1", "=0.1"} {
		if _, err := simulator.ParseChances(bad); !errors.Is(err, simulator.ErrFault) {
			t.Errorf("%q: got %v, want %v", bad, err, simulator.ErrFault)
		}
	}
	for _, f := range simulator.Faults() {
		if f.Help() == "" {
			t.Errorf("%s has no help", f)
		}
	}
	if bytes.Contains([]byte(simulator.Fault("x").Help()), []byte("x")) {
		t.Error("an unknown fault has help")
	}
}
