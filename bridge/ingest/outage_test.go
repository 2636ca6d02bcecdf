package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// letter is a message of a [ingest.Queue] that remembers how it was answered.
type letter struct {
	jetstream.Msg
	sequence uint64
	body     []byte

	acked, kept atomic.Int64
}

func (l *letter) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Stream: l.sequence}, Timestamp: began}, nil
}
func (l *letter) Data() []byte         { return l.body }
func (l *letter) Headers() nats.Header { return nil }
func (l *letter) Subject() string      { return subjects.Parsed("main", "xn1000", "result") }
func (l *letter) Ack() error           { l.acked.Add(1); return nil }
func (l *letter) InProgress() error    { l.kept.Add(1); return nil }

// letters are n messages.
func letters(t *testing.T, n int) (all []*letter, q *ingest.Queue) {
	t.Helper()
	q = &ingest.Queue{}
	for k := range n {
		d := delivered(t, uint64(k+1), of(fmt.Sprint("m", k), result("S1", "WBC", "5.9", "F")))
		l := &letter{sequence: d.Sequence, body: d.Body}
		all = append(all, l)
		q.Waiting = append(q.Waiting, l)
	}
	return all, q
}

func acked(all []*letter) (n int64) {
	for _, l := range all {
		n += l.acked.Load()
	}
	return n
}

// database is a sink that keeps sequences and fails as it is told.
type database struct {
	fail  func(ctx context.Context) error
	wrote []uint64
	tries atomic.Int64
}

func (d *database) Write(ctx context.Context, batch []ingest.Delivery) error {
	d.tries.Add(1)
	if err := d.fail(ctx); err != nil {
		return err
	}
	for _, one := range batch {
		d.wrote = append(d.wrote, one.Sequence)
	}
	return nil
}

func (d *database) Close() error { return nil }

// The database is away for an hour: nothing is acknowledged, nothing is
// delivered twice, and it is said once.
func TestAwayForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, q := letters(t, 700)
		back := time.Now().Add(time.Hour)
		log := newSaid()
		sink := &database{fail: func(context.Context) error {
			if time.Now().Before(back) && q.Waiting != nil && len(q.Waiting) < 700 {
				return errors.New("away")
			}
			return nil
		}}
		over := make(chan error, 1)
		go func() {
			over <- ingest.New(ingest.Config{Sink: sink, UntilEmpty: true, Log: log.logger()}).RunOn(t.Context(), q)
		}()
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if n := acked(all); n != 0 {
			t.Errorf("%d messages acknowledged while the database was away", n)
		}
		if held := all[0].kept.Load(); held < 300 || held > 400 {
			t.Errorf("the batch was held %d times in an hour, want every 10 s", held)
		}
		if tries := sink.tries.Load(); tries > 300 {
			t.Errorf("%d tries in an hour", tries)
		}
		if err := <-over; err != nil {
			t.Fatal(err)
		}
		if n := acked(all); n != 700 || len(sink.wrote) != 700 {
			t.Errorf("%d messages acknowledged, %d written, want 700", n, len(sink.wrote))
		}
		for n, sequence := range sink.wrote {
			if sequence != uint64(n+1) {
				t.Fatalf("sequence %d was written as number %d", sequence, n+1)
			}
		}
		if a, b := log.count("takes no results"), log.count("takes results again"); a != 1 || b != 1 {
			t.Errorf("said %d and %d times, want once each:\n%s", a, b, log)
		}
	})
}

// A database that hangs is asked again after a minute.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, q := letters(t, 3)
		hung := false
		sink := &database{}
		sink.fail = func(ctx context.Context) error {
			if len(q.Waiting) > 0 || hung { // the first, empty one and those after
				return nil
			}
			hung = true
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		if err := ingest.New(ingest.Config{Sink: sink, UntilEmpty: true, Log: privacytest.Logger(nil)}).RunOn(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < time.Minute || took > 62*time.Second {
			t.Errorf("took %v, want a minute", took)
		}
		if n := acked(all); n != 3 {
			t.Errorf("%d messages acknowledged, want 3", n)
		}
	})
}

// The end while the database is away leaves everything on the bus; one that
// hangs is given ten seconds.
func TestEndWhileAway(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{
		"away": func(context.Context) error { return errors.New("away") },
		"hangs": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all, q := letters(t, 3)
				sink := &database{}
				sink.fail = func(ctx context.Context) error {
					if len(q.Waiting) > 0 {
						return nil
					}
					return fail(ctx)
				}
				log := newSaid()
				ctx, cancel := context.WithCancel(t.Context())
				over := make(chan error, 1)
				go func() { over <- ingest.New(ingest.Config{Sink: sink, Log: log.logger()}).RunOn(ctx, q) }()
				time.Sleep(30 * time.Second)
				asked := time.Now()
				cancel()
				if err := <-over; err != nil {
					t.Fatal(err)
				}
				if took := time.Since(asked); took > 10*time.Second {
					t.Errorf("the end took %v", took)
				}
				if n := acked(all); n != 0 || len(sink.wrote) != 0 {
					t.Errorf("%d messages acknowledged, %d written", n, len(sink.wrote))
				}
				if log.count("waits on the bus") == 0 || q.Closed != 1 {
					t.Errorf("closed %d times; log:\n%s", q.Closed, log)
				}
			})
		})
	}
}

// A message that comes alone waits for others for a moment only, and a full
// batch for none.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, q := letters(t, 500)
		sink := &database{fail: func(context.Context) error { return nil }}
		start := time.Now()
		step := func(want time.Duration) func(ingest.Progress) {
			return func(ingest.Progress) {
				if took := time.Since(start); took != want {
					t.Errorf("stored after %v, want %v", took, want)
				}
			}
		}
		if err := ingest.New(ingest.Config{Sink: sink, UntilEmpty: true, Progress: step(0), Log: privacytest.Logger(nil)}).RunOn(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		_, q = letters(t, 1)
		start = time.Now()
		if err := ingest.New(ingest.Config{Sink: sink, UntilEmpty: true, Progress: step(50 * time.Millisecond), Log: privacytest.Logger(nil)}).RunOn(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	})
}
