package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// Whatever the store answers but a confirmation is repeated with the same id
// until it confirms or the patience ends; then the instrument is refused. Only
// "too large" is final at once.
func TestStoreFailures(t *testing.T) {
	failures := map[string]error{
		"time-out":       context.DeadlineExceeded,
		"no responders":  nats.ErrNoResponders,
		"disconnected":   nats.ErrDisconnected,
		"429":            &jetstream.APIError{Code: 429, ErrorCode: 10167, Description: "too many requests"},
		"503":            &jetstream.APIError{Code: 503, ErrorCode: 10008, Description: "temporarily unavailable"},
		"503, no room":   fmt.Errorf("%w: maximum bytes exceeded", broker.ErrFull),
		"another stream": fmt.Errorf("publish to LAB_RAW: stream OTHER answered instead"),
	}
	for name, failure := range failures {
		for _, stream := range []string{subjects.StreamRaw, subjects.StreamParsed} {
			for _, times := range []int{1, 3, 1 << 20} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, stream, times), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { failing(t, failure, stream, times) })
				})
			}
		}
	}
}

// failing plays one message over a store whose stream fails a number of times.
func failing(t *testing.T, failure error, stream string, times int) {
	var ids []string
	b := &bus{}
	b.fail = func(_ int, p bridge.Publication) error {
		if p.Stream != stream {
			return nil
		}
		if ids = append(ids, p.ID); len(ids) <= times {
			return failure
		}
		return nil
	}
	o, err := receive(t, b, oneInstrument, "WBC", 1)
	if ids = slices.Compact(ids); len(ids) != 1 {
		t.Errorf("tried with the ids %v, want always the same", ids)
	}
	if times > 3 {
		if err == nil || len(b.in(stream)) != 0 {
			t.Errorf("%v with %d messages stored, want a refusal", err, len(b.in(stream)))
		}
		return
	}
	if err != nil || o.Repeat {
		t.Errorf("%v, repeat %v; want stored", err, o.Repeat)
	}
	for _, s := range []string{subjects.StreamRaw, subjects.StreamParsed} {
		if n := len(b.in(s)); n != 1 {
			t.Errorf("%s holds %d messages, want 1", s, n)
		}
	}
}

// Confirmations that are lost after the message was stored: the repeat is a
// duplicate for the stream, which means stored. When none of them arrives the
// instrument is refused although the message is there, and its own repeat is
// then one more reception in raw and the same message for consumers.
func TestLostConfirmations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{lostAck: func(int, bridge.Publication) bool { return true }}
		if _, err := receive(t, b, oneInstrument, "WBC", 1); err == nil {
			t.Error("stored without a confirmation")
		}
		b.lostAck = func(_ int, p bridge.Publication) bool { return p.Stream == subjects.StreamParsed }
		if _, err := receive(t, b, oneInstrument, "WBC", 2); err == nil {
			t.Error("stored without a confirmation of what was derived")
		}
		b.lostAck = nil
		o, err := receive(t, b, oneInstrument, "WBC", 3)
		if err != nil || !o.Repeat {
			t.Errorf("%v, repeat %v; want stored as a repeat", err, o.Repeat)
		}
		if raw, derived := len(b.in(subjects.StreamRaw)), len(b.in(subjects.StreamParsed)); raw != 3 || derived != 1 {
			t.Errorf("%d raw and %d for consumers, want 3 and 1", raw, derived)
		}
	})
}

// late is a bus that answers nothing to the first message and stores it when
// it is told to: a publication that arrives after everybody gave it up.
type late struct {
	bridge.Publisher
	mu    sync.Mutex
	held  []bridge.Publication
	delay bool
}

func (l *late) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	l.mu.Lock()
	delay := l.delay
	if delay {
		p.Body = slices.Clone(p.Body)
		l.held = append(l.held, p)
	}
	l.mu.Unlock()
	if delay {
		<-ctx.Done()
		return bridge.Receipt{}, ctx.Err()
	}
	return l.Publisher.Publish(ctx, p)
}

func (l *late) setDelay(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = on
}

// arrive stores what was held back.
func (l *late) arrive(t *testing.T) {
	t.Helper()
	for _, p := range l.held {
		if _, err := l.Publisher.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
}

// A publication that was given up arrives late, before or after the next
// message of the same session: that is another message, and JetStream's dedupe
// must not take it for the one that was refused.
func TestLateArrivalIsNoDuplicateOfAnother(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprintf("before=%v", before), func(t *testing.T) {
			log, _ := quiet()
			b, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: broker.ListenNone, StoreMax: 256 << 20, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { onbus.Hear(b.JetStream()); _ = b.Close(context.Background()) })
			l := &late{Publisher: b, delay: true}
			w := startOn(t, l, 300*time.Millisecond)
			p := w.call("a1")
			p.say(t, "first", "-") // refused: nobody confirmed
			l.setDelay(false)
			if before {
				l.arrive(t)
			}
			p.say(t, "second", "+")
			if !before {
				l.arrive(t)
			}
			if c := w.counters("a1"); c.Repeats != 0 || c.Messages["result"] != 1 {
				t.Errorf("counters %+v: the second message was taken for a repeat of the first", c)
			}
			p.say(t, "first", "+") // the instrument repeats what was refused
			var raws []string
			for _, m := range stream(t, b.JetStream(), subjects.StreamRaw) {
				raws = append(raws, string(m.Body))
			}
			slices.Sort(raws)
			if want := []string{"first", "first", "second"}; !slices.Equal(raws, want) {
				t.Errorf("LAB_RAW holds %q, want %q", raws, want)
			}
			if n := len(stream(t, b.JetStream(), subjects.StreamParsed)); n != 2 {
				t.Errorf("%d messages for consumers, want one of each", n)
			}
		})
	}
}

// startOn is a server over any bus.
func startOn(t *testing.T, publisher bridge.Publisher, patience time.Duration) *world {
	t.Helper()
	log, logged := quiet()
	w := &world{t: t, board: bridge.NewBoard(), logged: logged, links: &linkLog{more: make(chan struct{}, 1)}}
	w.server = bridge.NewServer(bridge.Config{
		Site: "main", Store: bridge.NewStore(publisher, patience), Board: w.board, Links: w.links, Log: log, Grace: time.Second,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.server.Run(ctx, registry(t, oneInstrument)) })
	t.Cleanup(func() { privacytest.Value(privacytest.KindStatus, w.board.Snapshot()); cancel(); wg.Wait() })
	w.links.await(t, "a1.listening")
	return w
}
