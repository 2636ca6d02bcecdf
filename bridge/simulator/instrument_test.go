package simulator_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func TestRefusedMessageIsRepeatedAfterThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{enq: func(n int) byte { return map[bool]byte{true: 0x15, false: 6}[n <= 2] }}
		totals, took, err := run(t.Context(), t, b, &simulator.Instrument{Next: source(1)})
		if err != nil || totals.Attempts != 3 || totals.Repeats != 2 || b.conns != 1 {
			t.Errorf("%d attempts, %d repeats, %d connections, %v; want 3, 2, 1", totals.Attempts, totals.Repeats, b.conns, err)
		}
		if want := 2 * simulator.DefaultPause; took != want {
			t.Errorf("took %v, want %v", took, want)
		}
	})
}

func TestRejectedMessageIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := simulator.NewSource([][]byte{[]byte("reject 1"), []byte("H|take|2")}, 1, 2).Next
		totals, _, err := run(t.Context(), t, &fakeBridge{}, &simulator.Instrument{Next: next})
		if totals.Rejected != 1 || totals.Acknowledged != 1 || totals.Attempts != 2 || totals.Open() != 0 {
			t.Errorf("got %+v", totals)
		}
		if !errors.Is(err, simulator.ErrUnacknowledged) {
			t.Errorf("got %v, want %v", err, simulator.ErrUnacknowledged)
		}
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{answer: func(n int) byte { return map[bool]byte{true: 0x15, false: 6}[n <= 18] }}
		totals, _, err := run(t.Context(), t, b, &simulator.Instrument{Next: source(2), Attempts: 3})
		if !errors.Is(err, simulator.ErrUnacknowledged) {
			t.Errorf("got %v, want %v", err, simulator.ErrUnacknowledged)
		}
		if totals.Acknowledged != 1 || totals.Open() != 1 || totals.Attempts != 4 {
			t.Errorf("%d acknowledged, %d open, %d attempts, want 1, 1, 4", totals.Acknowledged, totals.Open(), totals.Attempts)
		}
	})
}

func TestReconnectsForEverWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{}
		var wg sync.WaitGroup
		up := b.dial(&wg)
		var calls []time.Time
		totals, took, err := run(t.Context(), t, b, &simulator.Instrument{Next: source(1), Connect: func(ctx context.Context) (net.Conn, error) {
			if calls = append(calls, time.Now()); len(calls) <= 20 {
				return nil, errDown
			}
			return up(ctx)
		}})
		wg.Wait()
		if err != nil || totals.Acknowledged != 1 || len(calls) != 21 {
			t.Fatalf("%d acknowledged after %d calls, %v", totals.Acknowledged, len(calls), err)
		}
		for n, d := 1, simulator.DefaultBackoff/100; n < len(calls); n, d = n+1, min(2*d, simulator.DefaultBackoff) {
			if wait := calls[n].Sub(calls[n-1]); wait < d/2 || wait > d {
				t.Errorf("wait %d was %v, want %v to %v", n, wait, d/2, d)
			}
		}
		if took > 20*simulator.DefaultBackoff {
			t.Errorf("took %v", took)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, took, err := run(t.Context(), t, &fakeBridge{}, &simulator.Instrument{Next: source(11), Rate: 4})
		if want := 2500 * time.Millisecond; err != nil || took != want {
			t.Errorf("11 messages at 4/s took %v, %v, want %v", took, err, want)
		}
	})
}

func TestContextEndsThePlayBetweenMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2100*time.Millisecond)
		defer cancel()
		totals, took, err := run(ctx, t, &fakeBridge{}, &simulator.Instrument{Next: source(100), Rate: 1})
		if err != nil || totals.Sent != 3 || totals.Acknowledged != 3 {
			t.Errorf("%d sent, %d acknowledged, %v, want 3 and 3", totals.Sent, totals.Acknowledged, err)
		}
		if took != 2100*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestMessageInProgressHasGrace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		grace  time.Duration
		acked  int
		within time.Duration
	}{
		{"enough", time.Minute, 1, 2 * simulator.DefaultPause},
		{"too short", time.Second, 0, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &fakeBridge{enq: func(n int) byte { return map[bool]byte{true: 0x15, false: 6}[n == 1] }}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				totals, took, err := run(ctx, t, b, &simulator.Instrument{Next: source(5), Grace: tt.grace})
				if totals.Sent != 1 || totals.Acknowledged != tt.acked || errors.Is(err, simulator.ErrUnacknowledged) == (tt.acked == 1) {
					t.Errorf("%d sent, %d acknowledged, %v", totals.Sent, totals.Acknowledged, err)
				}
				if took > tt.within {
					t.Errorf("took %v, want at most %v", took, tt.within)
				}
			})
		})
	}
}

// The connection is lost while the instrument has nothing to say.
func TestIdleInstrumentSeesTheHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{}
		var wg sync.WaitGroup
		first := true
		i := &simulator.Instrument{Log: privacytest.Logger(nil), Next: source(3), Rate: 0.1, Connect: func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			if first {
				first = false
				time.AfterFunc(15*time.Second, func() { theirs.Close() })
			}
			wg.Go(func() { b.serve(theirs) })
			return ours, nil
		}}
		totals, took, err := run(t.Context(), t, b, i)
		wg.Wait()
		if err != nil || totals.Acknowledged != 3 || totals.Attempts != 3 || totals.Connections != 2 {
			t.Errorf("%d acknowledged in %d attempts on %d connections, %v", totals.Acknowledged, totals.Attempts, totals.Connections, err)
		}
		if want := 20 * time.Second; took != want {
			t.Errorf("took %v, want %v", took, want)
		}
	})
}

func TestIdleInstrumentTakesWhatTheBridgeSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{}
		var wg sync.WaitGroup
		i := &simulator.Instrument{Log: privacytest.Logger(nil), Next: source(2), Rate: 0.1, Connect: func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			wg.Go(func() { b.serve(theirs) })
			time.AfterFunc(5*time.Second, func() { _, _ = theirs.Write([]byte("mm?")) })
			return ours, nil
		}}
		totals, _, err := run(t.Context(), t, b, i)
		wg.Wait()
		if err != nil || totals.Received != 2 || totals.Acknowledged != 2 || totals.Connections != 1 {
			t.Errorf("received %d, acknowledged %d on %d connections, %v", totals.Received, totals.Acknowledged, totals.Connections, err)
		}
	})
}

func TestPatienceShortensTheReplyTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, took, err := run(t.Context(), t, &fakeBridge{}, &simulator.Instrument{
			Next: source(1), Plan: at(1, simulator.FaultLostAck), Patience: 3 * time.Second,
		})
		if err != nil || took != 3*time.Second {
			t.Errorf("took %v, %v, want 3s", took, err)
		}
	})
}

// A slow sender takes longer than its patience, which is for replies.
func TestPatienceIsNotForWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		totals, took, err := run(t.Context(), t, &fakeBridge{}, &simulator.Instrument{
			Next: source(1), Plan: at(1, simulator.FaultSlow), Patience: 10 * time.Millisecond,
		})
		if err != nil || totals.Attempts != 1 || took < 20*time.Millisecond {
			t.Errorf("%d attempts in %v, %v, want 1", totals.Attempts, took, err)
		}
	})
}

// NE/NE: a message that nobody answers is sent, and not called acknowledged.
func TestUnansweredIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBridge{}
		totals, _, err := run(t.Context(), t, b, &simulator.Instrument{Next: source(2), Protocol: mute{}})
		if err != nil || totals.Unanswered != 2 || totals.Acknowledged != 0 || totals.Open() != 0 {
			t.Errorf("got %+v, %v", totals, err)
		}
	})
}

// mute sends blocks and does not wait.
type mute struct{ link }

func (mute) Send(_ context.Context, conn codec.Conn, raw []byte) error {
	_, err := conn.Write(append([]byte("??"), raw...))
	return err
}

func TestInstrumentWithoutSetup(t *testing.T) {
	if err := (&simulator.Instrument{Log: privacytest.Logger(nil)}).Run(t.Context()); err == nil {
		t.Error("an empty instrument ran")
	}
}

func TestListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := simulator.Listen(inner)
	b := &fakeBridge{}
	var wg sync.WaitGroup
	for range 2 { // the bridge calls twice: two instruments share the listener
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { b.serve(conn) })
	}
	ledger := simulator.NewLedger()
	next := source(40)
	for range 2 {
		wg.Go(func() {
			i := &simulator.Instrument{Log: privacytest.Logger(nil), Connect: l.Connect, Protocol: link{}, Next: next, Ledger: ledger}
			if err := i.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if totals := ledger.Totals(); totals.Acknowledged != 40 || len(b.stored) != 40 {
		t.Errorf("%d acknowledged, %d stored, want 40", totals.Acknowledged, len(b.stored))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Connect(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
}
