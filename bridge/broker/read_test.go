package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// archive reads what b holds over a connection of its own.
func archive(t *testing.T, b *broker.Bus) *broker.Archive {
	t.Helper()
	a, err := broker.NewArchive(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fill stores n raw messages of two instruments in turn.
func fill(t *testing.T, b *broker.Bus, n int) {
	t.Helper()
	for i := range n {
		f, err := b.JetStream().PublishAsync(fmt.Sprintf("lab.raw.main.i%d", i%2), fmt.Append(nil, i))
		if err != nil {
			t.Fatal(err)
		}
		if i == n-1 {
			<-f.Ok()
		}
	}
}

func sequences(t *testing.T, a *broker.Archive, q bridge.Query) (list []uint64) {
	t.Helper()
	for m, err := range a.Scan(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m.Sequence)
	}
	return list
}

func TestScan(t *testing.T) {
	b := open(t, config(t))
	a := archive(t, b)
	const n = 700 // several pulls
	if got := sequences(t, a, bridge.Query{Stream: subjects.StreamRaw, To: n}); got != nil {
		t.Errorf("an empty stream gives %v", got)
	}
	fill(t, b, n)
	all := bridge.Query{Stream: subjects.StreamRaw, To: n}
	middle, err := a.Get(t.Context(), subjects.StreamRaw, 350)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name               string
		change             func(*bridge.Query)
		count, first, last uint64
	}{
		{"all", func(*bridge.Query) {}, n, 1, n},
		{"one instrument", func(q *bridge.Query) { q.Subjects = []string{"lab.raw.main.i1"} }, n / 2, 2, n},
		{"two filters", func(q *bridge.Query) { q.Subjects = []string{"lab.raw.main.i0", "lab.raw.main.i1"} }, n, 1, n},
		{"none", func(q *bridge.Query) { q.Subjects = []string{"lab.raw.main.i9"} }, 0, 0, 0},
		{"a range", func(q *bridge.Query) { q.From, q.To = 300, 302 }, 3, 300, 302},
		{"behind the end", func(q *bridge.Query) { q.From, q.To = n+1, n+9 }, 0, 0, 0},
		{"to one that the filter leaves out", func(q *bridge.Query) { q.Subjects, q.To = []string{"lab.raw.main.i1"}, 5 }, 2, 2, 4},
		{"since", func(q *bridge.Query) { q.Since = middle.At }, n - 349, 350, n},
		{"since and from", func(q *bridge.Query) { q.Since, q.From = middle.At, 690 }, 11, 690, n},
		{"since later", func(q *bridge.Query) { q.Since = time.Now().Add(time.Hour) }, 0, 0, 0},
		{"headers", func(q *bridge.Query) { q.HeadersOnly = true }, n, 1, n},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := all
			tt.change(&q)
			got := sequences(t, a, q)
			if uint64(len(got)) != tt.count || tt.count > 0 && (got[0] != tt.first || got[len(got)-1] != tt.last) {
				t.Errorf("%d messages, want %d from %d to %d", len(got), tt.count, tt.first, tt.last)
			}
		})
	}
	for m, err := range a.Scan(t.Context(), bridge.Query{Stream: subjects.StreamRaw, From: 8, To: 8}) {
		if err != nil || string(m.Body) != "7" || m.Subject != "lab.raw.main.i1" || m.At.IsZero() || m.Stream != subjects.StreamRaw {
			t.Errorf("%+v %v", m, err)
		}
	}
	for m, err := range a.Scan(t.Context(), bridge.Query{Stream: subjects.StreamRaw, To: 3, HeadersOnly: true}) {
		if err != nil || len(m.Body) > 0 {
			t.Errorf("%d bytes of the body came too, %v", len(m.Body), err)
		}
	}
	noConsumers(t, b)
}

// noConsumers is what a reader leaves behind.
func noConsumers(t *testing.T, b *broker.Bus) {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	for name := range s.ConsumerNames(t.Context()).Name() {
		t.Errorf("consumer %s is left", name)
	}
}

// A reader that stops, a context that ends, a consumer that somebody removes:
// nothing hangs, nothing is given twice or left out.
func TestScanInterrupted(t *testing.T) {
	b := open(t, config(t))
	a := archive(t, b)
	const n = 600
	fill(t, b, n)
	q := bridge.Query{Stream: subjects.StreamRaw, To: n}
	for _, err := range a.Scan(t.Context(), q) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	noConsumers(t, b)

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("stop")
	var last error
	count := 0
	for _, err := range a.Scan(ctx, q) {
		if last = err; err != nil {
			continue
		}
		if count++; count == 300 {
			cancel(stop)
		}
	}
	if !errors.Is(last, stop) || count < 300 || count == n {
		t.Errorf("%d messages, then %v; want %v behind 300", count, last, stop)
	}
	noConsumers(t, b)

	want := uint64(1)
	for m, err := range a.Scan(t.Context(), q) {
		if err != nil || m.Sequence != want {
			t.Fatalf("message %d, %v; want %d", m.Sequence, err, want)
		}
		if want++; m.Sequence == 10 {
			removeConsumers(t, b)
		}
	}
	if want != n+1 {
		t.Errorf("ended behind %d, want %d", want-1, n)
	}
}

func removeConsumers(t *testing.T, b *broker.Bus) {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	for name := range s.ConsumerNames(t.Context()).Name() {
		if err := s.DeleteConsumer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestArchiveErrors(t *testing.T) {
	b := open(t, config(t))
	a := archive(t, b)
	if _, err := a.Get(t.Context(), subjects.StreamRaw, 1); !errors.Is(err, bridge.ErrNotStored) {
		t.Errorf("get = %v, want %v", err, bridge.ErrNotStored)
	}
	if _, err := a.Span(t.Context(), "LAB_NOTHING"); !errors.Is(err, broker.ErrNoStream) || !strings.Contains(privacytest.Error(err), "is this the bus") {
		t.Errorf("span = %v", err)
	}
	for _, err := range a.Scan(t.Context(), bridge.Query{Stream: "LAB_NOTHING", To: 1}) {
		if !errors.Is(err, broker.ErrNoStream) {
			t.Errorf("scan = %v", err)
		}
	}
	if _, err := a.StreamOf(t.Context(), "nobody.listens"); !errors.Is(err, broker.ErrNoStream) {
		t.Errorf("stream of = %v", err)
	}
	if name, err := a.StreamOf(t.Context(), "lab.raw"); err != nil || name != subjects.StreamRaw {
		t.Errorf("stream of lab.raw = %s, %v", name, err)
	}
}

func TestArchivePublishes(t *testing.T) {
	b := open(t, config(t))
	a := archive(t, b)
	p := bridge.Publication{Stream: subjects.StreamParsed, Subject: "lab.parsed.main.xn.result", ID: "1", Body: []byte("{}")}
	if r, err := a.Publish(t.Context(), p); err != nil || r.Sequence != 1 || r.Duplicate {
		t.Errorf("%+v %v", r, err)
	}
	if r, err := a.Publish(t.Context(), p); err != nil || r.Sequence != 1 || !r.Duplicate {
		t.Errorf("again: %+v %v, want a duplicate", r, err)
	}
	for name, tt := range map[string]struct {
		change func(*bridge.Publication)
		want   error
	}{
		"too large":     {func(p *bridge.Publication) { p.Body = make([]byte, broker.MaxPayload+1) }, bridge.ErrTooLarge},
		"wildcard":      {func(p *bridge.Publication) { p.Subject = "lab.parsed.>" }, broker.ErrSubject},
		"no stream":     {func(p *bridge.Publication) { p.Subject = "nobody.listens" }, jetstream.ErrNoStreamResponse},
		"other streams": {func(p *bridge.Publication) { p.Stream = subjects.StreamRaw }, nil},
	} {
		bad := p
		bad.ID = name
		tt.change(&bad)
		if _, err := a.Publish(t.Context(), bad); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	stream, err := b.JetStream().Stream(t.Context(), subjects.StreamParsed)
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	c.MaxMsgs = 1
	if _, err := b.JetStream().UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	p.ID = "2"
	if _, err := a.Publish(t.Context(), p); !errors.Is(err, broker.ErrFull) {
		t.Errorf("full stream: %v, want %v", err, broker.ErrFull)
	}
}
