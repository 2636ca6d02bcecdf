package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// said is a log whose lines can be awaited.
type said struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

func newSaid() *said { return &said{lines: make(chan string, 1000)} }

func (s *said) logger() *slog.Logger { return privacytest.Logger(slog.NewTextHandler(s, nil)) }

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines <- string(p)
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *said) count(text string) int { return strings.Count(s.String(), text) }

func (s *said) await(t *testing.T, text string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case line := <-s.lines:
			if strings.Contains(line, text) {
				return
			}
		case <-limit:
			t.Fatalf("nothing was logged that holds %q:\n%s", text, s)
		}
	}
}

// awaitMessages reads until n messages are committed.
func awaitMessages(t *testing.T, steps <-chan ingest.Progress, n uint64) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case p := <-steps:
			if p.Messages >= n {
				return
			}
		case <-limit:
			t.Fatalf("no %d messages in time", n)
		}
	}
}

func TestIngestFromBus(t *testing.T) {
	bus := openBus(t)
	publishMany(t, bus, 30, 4)
	sink, db := openSQLite(t, filepath.Join(t.TempDir(), "results.db"))
	if got, want := ingestAll(t, bus, sink, ingest.Config{}), (ingest.Progress{Messages: 30, Results: 120}); got != want {
		t.Errorf("progress %+v, want %+v", got, want)
	}
	if got := lines(t, db, "SELECT count(*), count(DISTINCT specimen || code) FROM results WHERE current"); got[0] != "120|120" {
		t.Errorf("results: %s, want 120|120", got[0])
	}
	if got := ingestAll(t, bus, sink, ingest.Config{}); got.Messages != 0 {
		t.Errorf("%d messages came again after a restart", got.Messages)
	}
	// another durable name starts from the beginning: nothing is doubled
	if got := ingestAll(t, bus, sink, ingest.Config{Durable: "second"}); got.Messages != 30 {
		t.Errorf("the second consumer got %d messages, want 30", got.Messages)
	}
	if got := lines(t, db, "SELECT count(*) FROM results"); got[0] != "120" {
		t.Errorf("results after redelivery: %s, want 120", got[0])
	}
	publishMessage(t, bus, 31, of("c", codec.Result{Specimen: "S000001", Code: "T00", Aspect: "F", Value: "9", Status: "C", Record: 4}), "")
	ingestAll(t, bus, sink, ingest.Config{})
	want := []string{"0.25|0|1", "9|1|0"}
	if diff := cmp.Diff(want, lines(t, db, "SELECT value, current, corrected_by IS NOT NULL FROM results WHERE specimen = 'S000001' AND code = 'T00' ORDER BY message")); diff != "" {
		t.Errorf("correction (-want +got):\n%s", diff)
	}
}

func TestPoison(t *testing.T) {
	folder := t.TempDir()
	testPoison(t, func(t *testing.T) (ingest.Sink, look) { return openSQLite(t, filepath.Join(folder, "poison.db")) })
}

// testPoison puts messages on the bus that cannot be stored, among others.
func testPoison(t *testing.T, open func(*testing.T) (ingest.Sink, look)) {
	const secret = "SECRET-77"
	bus := openBus(t)
	sink, db := open(t)
	subject := subjects.Parsed("main", "xn1000", codec.KindResult)
	header := map[string]string{subjects.HeaderInstrument: "xn1000", subjects.HeaderSite: "main", subjects.HeaderRawSequence: "42"}
	good := of("good", result("S1", "WBC", "5.9", "F"))
	publishMessage(t, bus, 1, good, "")
	publish(t, bus, subject, "p1", []byte(`{"schema":"assaybus.message/1", `+secret), header)
	publish(t, bus, subject, "p2", []byte(`{"schema":"assaybus.message/9","id":"`+secret+`"}`), header)
	publish(t, bus, subject, "p3", []byte(`{"schema":"assaybus.message/1","results":[{"number":"`+secret+`"}]}`), header)
	publish(t, bus, subject, "p4", []byte(`{"schema":"assaybus.message/1","results":[{"number":1e999}]}`), header)
	publish(t, bus, subjects.Failed("main", "xn1000", "unparsable"), "p5", []byte(`[]`), header)
	publish(t, bus, subjects.Failed("main", "xn1000", "unparsable"), "p6", []byte(`{}`), nil)
	// one that the database itself refuses
	lines(t, db, "CREATE UNIQUE INDEX one_control ON messages (control_id)")
	good.ControlID = "7"
	for n, id := range []string{"b", "c", "d"} {
		good.ID = id
		good.Results[0].Value = secret
		publishMessage(t, bus, 10+n, good, "")
	}
	publishMessage(t, bus, 20, of("last", result("S2", "WBC", "5.9", "F")), "")
	log := newSaid()
	got := ingestAll(t, bus, sink, ingest.Config{Log: log.logger()})
	if want := (ingest.Progress{Messages: 11, Results: 3, Failures: 8}); got != want {
		t.Errorf("progress %+v, want %+v", got, want)
	}
	want := []string{
		"p1|undecodable|xn1000|42", "p2|undecodable|xn1000|42", "p3|undecodable|xn1000|42", "p4|undecodable|xn1000|42", "p5|undecodable|xn1000|42",
		"p6|undecodable||0", "c|refused||0", "d|refused||0",
	}
	if diff := cmp.Diff(want, lines(t, db, "SELECT message_id, reason, instrument, raw_sequence FROM failures ORDER BY sequence")); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	ids := lines(t, db, "SELECT message_id FROM messages ORDER BY id")
	if diff := cmp.Diff([]string{"good", "b", "last"}, ids); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	texts := log.String() + strings.Join(lines(t, db, "SELECT error FROM failures"), "\n")
	if strings.Contains(texts, secret) {
		t.Errorf("content in the log or in failures:\n%s", texts)
	}
	if got := log.count("not stored but recorded"); got != 8 {
		t.Errorf("%d log lines, want 8:\n%s", got, log)
	}
	consumer, err := bus.JetStream().Consumer(t.Context(), subjects.StreamParsed, ingest.DefaultDurable)
	if err != nil {
		t.Fatal(err)
	}
	if i := consumer.CachedInfo(); i.NumAckPending != 0 || i.NumPending != 0 {
		t.Errorf("%d messages are unanswered, %d wait", i.NumAckPending, i.NumPending)
	}
}

// refusing takes nothing but what it is not asked to keep.
type refusing struct{ wrote int }

func (r *refusing) Write(_ context.Context, batch []ingest.Delivery) error {
	if len(batch) == 0 {
		return nil
	}
	r.wrote++
	return ingest.ErrRefused
}
func (r *refusing) Close() error { return nil }

// A sink that refuses even the failure does not hold up the bus.
func TestRefusedFailure(t *testing.T) {
	bus := openBus(t)
	publishMany(t, bus, 3, 1)
	log := newSaid()
	var sink refusing
	ingestAll(t, bus, &sink, ingest.Config{Log: log.logger()})
	if got := log.count("stays on the bus only"); got != 3 {
		t.Errorf("said %d times, want 3:\n%s", got, log)
	}
	if sink.wrote == 0 {
		t.Error("nothing was offered")
	}
}

func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	_, db := openSQLite(t, path)
	testNewerSchema(t, path, db)
}

func testNewerSchema(t *testing.T, target string, db look) {
	first, err := ingest.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	lines(t, db, "INSERT INTO schema_version VALUES (1000)")
	_, err = ingest.Open(t.Context(), target)
	if err == nil || !strings.Contains(privacytest.Error(err), "upgrade assaybus") || !strings.Contains(privacytest.Error(err), "version 1000") {
		t.Errorf("got %v, want the next step", err)
	}
}

// A second Open of the same tables changes nothing.
func TestOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	sink, db := openSQLite(t, path)
	if err := sink.Write(t.Context(), []ingest.Delivery{delivered(t, 1, of("a", result("S1", "WBC", "5.9", "F")))}); err != nil {
		t.Fatal(err)
	}
	again, err := ingest.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := resultLines(t, db); len(got) != 1 {
		t.Errorf("results %v", got)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal"} {
		if got := lines(t, db, "PRAGMA "+pragma); got[0] != want {
			t.Errorf("%s is %s, want %s", pragma, got[0], want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for target, want := range map[string]string{
		"":                 "name an SQLite file",
		"mysql://h/d":      "not known",
		"postgres://%zz":   "not a PostgreSQL URL",
		"/nowhere/at/a.db": "this user may write",
	} {
		if sink, err := ingest.Open(t.Context(), target); err == nil || !strings.Contains(privacytest.Error(err), want) {
			t.Errorf("%q: got %v, %v, want an error with %q", target, sink, err, want)
		}
	}
	if got := ingest.Redacted("postgres://u:secret@db:5432/lab?password=secret"); got != "postgres://db:5432/lab" {
		t.Errorf("redacted %q", got)
	}
}

func TestConsumerErrors(t *testing.T) {
	bus := openBus(t)
	sink, _ := openSQLite(t, filepath.Join(t.TempDir(), "results.db"))
	for name, c := range map[string]jetstream.ConsumerConfig{
		"none":  {Durable: "none", AckPolicy: jetstream.AckNonePolicy},
		"gives": {Durable: "gives", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 3},
	} {
		if _, err := bus.JetStream().CreateConsumer(t.Context(), subjects.StreamParsed, c); err != nil {
			t.Fatal(err)
		}
		err := ingest.New(ingest.Config{JetStream: bus.JetStream(), Sink: sink, Durable: name, Log: privacytest.Logger(nil)}).Run(t.Context())
		if err == nil || !strings.Contains(privacytest.Error(err), "nats consumer rm") {
			t.Errorf("%s: got %v, want the next step", name, err)
		}
	}
	if err := ingest.New(ingest.Config{JetStream: bus.JetStream(), Sink: sink, Durable: "a.b", Log: privacytest.Logger(nil)}).Run(t.Context()); err == nil {
		t.Error("a durable name of two tokens was taken")
	}
}

// A consumer that is deleted under way is made again; what it had delivered
// comes again and changes nothing.
func TestConsumerDeleted(t *testing.T) {
	bus := openBus(t)
	sink, db := openSQLite(t, filepath.Join(t.TempDir(), "results.db"))
	publishMany(t, bus, 5, 2)
	ctx, cancel := context.WithCancel(t.Context())
	steps := make(chan ingest.Progress, 100)
	log := newSaid()
	over := make(chan error, 1)
	i := ingest.New(ingest.Config{JetStream: bus.JetStream(), Sink: sink, Log: log.logger(), Progress: func(p ingest.Progress) { steps <- p }})
	go func() { over <- i.Run(ctx) }()
	awaitMessages(t, steps, 5)
	if err := bus.JetStream().DeleteConsumer(t.Context(), subjects.StreamParsed, ingest.DefaultDurable); err != nil {
		t.Fatal(err)
	}
	log.await(t, "found again")
	awaitMessages(t, steps, 10)
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	if got := lines(t, db, "SELECT count(*) FROM results"); got[0] != "10" {
		t.Errorf("%s results, want 10", got[0])
	}
}

// slow is a sink that is in the middle of writing when the end is asked for.
type slow struct {
	ingest.Sink
	writing, goOn chan struct{}
}

func (s *slow) Write(ctx context.Context, batch []ingest.Delivery) error {
	if len(batch) > 0 {
		s.writing <- struct{}{}
		<-s.goOn
		if err := ctx.Err(); err != nil {
			return errors.Join(errors.New("cut short"), err)
		}
	}
	return s.Sink.Write(ctx, batch)
}

// The end lets the batch in progress be committed and acknowledged, and gives
// the rest back at once.
func TestEndInMidBatch(t *testing.T) {
	bus := openBus(t)
	sink, db := openSQLite(t, filepath.Join(t.TempDir(), "results.db"))
	publishMany(t, bus, 800, 1)
	s := &slow{sink, make(chan struct{}), make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	i := ingest.New(ingest.Config{JetStream: bus.JetStream(), Sink: s, Log: privacytest.Logger(nil)})
	go func() { over <- i.Run(ctx) }()
	<-s.writing
	cancel()
	close(s.goOn)
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	stored := lines(t, db, "SELECT count(*) FROM messages")[0]
	if stored == "0" || stored == "800" {
		t.Fatalf("%s messages stored, want one batch", stored)
	}
	rest := ingestAll(t, bus, sink, ingest.Config{})
	if got := fmt.Sprint(800 - rest.Messages); got != stored {
		t.Errorf("%s were acknowledged, %s stored", got, stored)
	}
	if got := lines(t, db, "SELECT count(*), count(DISTINCT specimen) FROM results"); !slices.Equal(got, []string{"800|800"}) {
		t.Errorf("results %v, want 800|800", got)
	}
}

// The bus goes away under way and comes back: ingest goes on by itself.
func TestBusRestarts(t *testing.T) {
	c := broker.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", StoreMax: 1 << 30, Log: privacytest.Logger(nil)}
	bus, err := broker.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	url := bus.URL()
	publishMany(t, bus, 20, 2)
	sink, db := openSQLite(t, filepath.Join(t.TempDir(), "results.db"))
	js := dial(t, url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	steps := make(chan ingest.Progress, 100)
	over := make(chan error, 1)
	i := ingest.New(ingest.Config{JetStream: js, Sink: sink, Progress: func(p ingest.Progress) { steps <- p }, Log: privacytest.Logger(nil)})
	go func() { over <- i.Run(ctx) }()
	awaitMessages(t, steps, 20)
	if err := bus.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Listen = strings.TrimPrefix(url, "nats://")
	if bus, err = broker.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close(context.Background()) })
	for k := range 20 {
		publishMessage(t, bus, 21+k, blood(21+k, 2), "")
	}
	awaitMessages(t, steps, 40)
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	if got := lines(t, db, "SELECT count(*), count(DISTINCT specimen || code) FROM results"); got[0] != "80|80" {
		t.Errorf("results %s, want 80|80", got[0])
	}
}
