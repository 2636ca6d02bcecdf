package broker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

func TestRestartBackOff(t *testing.T) {
	var r broker.Restarts
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for i, want := range []int{1, 2, 4, 8, 16, 30, 30} {
		if !r.Ill(now) {
			t.Fatalf("restart %d is not due", i)
		}
		r.Spent(now)
		now = now.Add(time.Duration(want)*time.Second - 1)
		if r.Ill(now) {
			t.Errorf("restart %d is due before %d s", i+1, want)
		}
		now = now.Add(1)
	}
	r.Spent(now)
	r.Healthy(now)
	r.Healthy(now.Add(20 * time.Second))
	if r.Ill(now.Add(21 * time.Second)) {
		t.Error("twenty good seconds forget the back-off")
	}
	r.Healthy(now)
	r.Healthy(now.Add(time.Minute))
	if !r.Ill(now.Add(time.Minute)) {
		t.Error("a good minute does not forget the back-off")
	}
}

// nats-server calls itself ill when a look is interrupted for a millisecond,
// and while a stream of any program is made or removed. Neither is worth a
// refusal, let alone a restart.
func TestIllnessIsBelieved(t *testing.T) {
	ill := errors.New("ill")
	for name, tt := range map[string]struct {
		answer func(n int) (error, bool) // of the n-th question, from 1
		want   error
		took   time.Duration
		asked  int
	}{
		"well":             {func(int) (error, bool) { return nil, false }, nil, 0, 1},
		"sure":             {func(int) (error, bool) { return ill, true }, ill, 0, 1},
		"ill once":         {func(n int) (error, bool) { return map[bool]error{true: ill}[n == 1], false }, nil, broker.AskAgain, 2},
		"ill for a second": {func(n int) (error, bool) { return map[bool]error{true: ill}[n <= 20], false }, nil, 20 * broker.AskAgain, 21},
		"then sure":        {func(n int) (error, bool) { return ill, n == 3 }, ill, 2 * broker.AskAgain, 3},
		"stays ill":        {func(int) (error, bool) { return ill, false }, ill, broker.BelieveIn, 41},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, n := time.Now(), 0
				err := broker.Believed(t.Context(), func() (error, bool) { n++; return tt.answer(n) })
				if !errors.Is(err, tt.want) || time.Since(start) != tt.took || n != tt.asked {
					t.Errorf("%v after %v and %d questions, want %v after %v and %d", err, time.Since(start), n, tt.want, tt.took, tt.asked)
				}
			})
		})
	}
	t.Run("the watcher ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 70*time.Millisecond)
			defer cancel()
			start := time.Now()
			err := broker.Believed(ctx, func() (error, bool) { return ill, false })
			if !errors.Is(err, ill) || time.Since(start) != 70*time.Millisecond {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	})
}

// What another program's stream leaves in the store while it is made and
// removed is no illness of the server.
func TestStreamsOfOthersComeAndGo(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(0)
	b := open(t, c)
	streams := filepath.Join(c.Data, server.JetStreamStoreDir, server.DEFAULT_GLOBAL_ACCOUNT, "streams")
	removed := filepath.Join(streams, ".OTHER") // as nats-server names one while its blocks are deleted
	if err := os.Mkdir(removed, 0o700); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := b.Unhealthy(t.Context()); err != nil || time.Since(start) >= broker.BelieveIn {
		t.Errorf("while a stream is removed: %v after %v", err, time.Since(start))
	}
	made := filepath.Join(streams, "OTHER") // before the server knows it
	if err := os.Mkdir(made, 0o700); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(4*broker.AskAgain, func() { _ = os.Remove(made) })
	if err := b.Unhealthy(t.Context()); err != nil {
		t.Errorf("while a stream is made: %v", err)
	}
	if err := b.Healthy(); err != nil || strings.Contains(l.String(), "restarting") {
		t.Errorf("%v, log %s", err, l.String())
	}
	if err := os.MkdirAll(made, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.Unhealthy(t.Context()); err == nil {
		t.Error("a folder without a stream is no illness")
	}
}

// The embedded server is replaced when it ends for whatever reason, and what
// it had acknowledged is there.
func TestServerEndsAndIsReplaced(t *testing.T) {
	c := config(t)
	c.Listen = "127.0.0.1:0"
	b := open(t, c)
	publish(t, b, raw(1))
	url := b.URL()
	b.Server().Shutdown()
	eventually(t, 2*time.Second, "illness is seen", func() bool { return b.Healthy() != nil })
	eventually(t, 4*time.Second, "recovery", func() bool { return b.Healthy() == nil })
	if !publish(t, b, raw(1)).Duplicate {
		t.Error("the message before is gone")
	}
	if got := b.URL(); got != url {
		t.Errorf("the listener moved from %s to %s", url, got)
	}
}

// Server limits beyond the streams' own are room too, not an illness.
func TestServerFull(t *testing.T) {
	s := serve(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	c := external(s)
	c.StoreMax, c.LinkMaxBytes = 0, 1<<10
	b := open(t, c)
	p := raw(0)
	p.Body = make([]byte, 100<<10)
	var err error
	for i := 0; err == nil && i < 20; i++ {
		p.ID = raw(i).ID
		_, err = b.Publish(t.Context(), p)
	}
	if !errors.Is(err, broker.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if err := b.Healthy(); err != nil {
		t.Errorf("ill: %v", err)
	}
}

// Over the file store's record limit the server answers with the code of a
// full stream; only one of the two goes away.
func TestStoreRecordLimit(t *testing.T) {
	s := serve(t, func(o *server.Options) { o.MaxPayload, o.MaxPending = 64<<20, 256<<20 })
	b := open(t, external(s))
	p := raw(1)
	p.Body = make([]byte, 33<<20)
	if _, err := b.Publish(t.Context(), p); !errors.Is(err, bridge.ErrTooLarge) || errors.Is(err, broker.ErrFull) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if got := messages(t, b, subjects.StreamRaw); got != 0 {
		t.Errorf("got %d messages", got)
	}
}

// Publishers that repeat what failed lose and double nothing while the server
// is replaced under them.
func TestReplacedUnderLoad(t *testing.T) {
	b := open(t, config(t))
	const publishers, each = 8, 25
	var wg sync.WaitGroup
	var stored atomic.Int64
	for w := range publishers {
		wg.Go(func() {
			for i := range each {
				for _, p := range []bridge.Publication{raw(w*each + i), parsed(w*each + i)} {
					for t.Context().Err() == nil {
						ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
						_, err := b.Publish(ctx, p)
						cancel()
						if err == nil {
							break
						}
						select {
						case <-t.Context().Done():
						case <-time.After(10 * time.Millisecond):
						}
					}
				}
				stored.Add(1)
			}
		})
	}
	eventually(t, 10*time.Second, "load", func() bool { return stored.Load() > publishers*each/4 })
	b.Server().Shutdown()
	wg.Wait()
	for _, s := range []string{subjects.StreamRaw, subjects.StreamParsed} {
		if got := messages(t, b, s); got != publishers*each {
			t.Errorf("%s: got %d messages, want %d", s, got, publishers*each)
		}
	}
}

func parsed(n int) bridge.Publication {
	p := raw(n)
	p.Stream, p.Subject = subjects.StreamParsed, subjects.Parsed("main", "xn1000", "result")
	return p
}

func TestRepeatedTextsAreSaidOncePerMinute(t *testing.T) {
	var s broker.Seldom
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for i, want := range []bool{true, false, true} {
		if got := s.Allow("denied", now.Add(time.Duration(i)*30*time.Second)); got != want {
			t.Errorf("after %d s: got %v, want %v", 30*i, got, want)
		}
	}
	for i := range 1000 { // other texts do not pile up in memory, and are said
		if !s.Allow(fmt.Sprint("text ", i), now) {
			t.Errorf("text %d was kept back", i)
		}
	}
}

// The streams are known from the beginning: /readyz and the page do not wait
// for the watcher's first look.
func TestStatsFromTheBeginning(t *testing.T) {
	c := config(t)
	b := open(t, c)
	for range 3 {
		if got := b.Stats(); len(got) != 3 || got[2].Stream != subjects.StreamRaw {
			t.Fatalf("right after Open the streams are %+v", got)
		}
	}
	publish(t, b, raw(1))
	shut(t, b)
	if got := open(t, c).Stats(); len(got) != 3 || got[2].Messages != 1 {
		t.Errorf("right after the second Open %+v, want the message of before", got)
	}
}
