package ingest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// openBus is an embedded bus, closed with the test.
func openBus(t testing.TB) *broker.Bus {
	t.Helper()
	bus, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", StoreMax: 1 << 30, Log: privacytest.Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bus.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return bus
}

// dial is a connection of its own, as another process has one.
func dial(t testing.TB, url string, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// publish puts body on the bus as it is.
func publish(t testing.TB, bus *broker.Bus, subject, id string, body []byte, header map[string]string) {
	t.Helper()
	privacytest.Message(body)
	if _, err := bus.Publish(t.Context(), bridge.Publication{Stream: subjects.StreamParsed, Subject: subject, ID: id, Header: header, Body: body}); err != nil {
		t.Fatal(err)
	}
}

// publishMessage puts m on the bus as the bridge does; run is the replay that
// does it, "" for an instrument.
func publishMessage(t testing.TB, bus *broker.Bus, nth int, m codec.Message, run string) {
	t.Helper()
	d := delivered(t, uint64(nth), m)
	header := map[string]string{}
	if run != "" {
		header[subjects.HeaderReplay] = run
	}
	publish(t, bus, d.Subject, fmt.Sprintf("%s.%d%s", m.ID, nth, run), d.Body, header)
}

// publishMany puts n messages with perMessage results each on the bus.
func publishMany(t testing.TB, bus *broker.Bus, n, perMessage int) {
	t.Helper()
	next := make(chan int)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for k := range next {
				publishMessage(t, bus, k, blood(k, perMessage), "")
			}
		})
	}
	for k := range n {
		next <- k + 1
	}
	close(next)
	wg.Wait()
}

// blood is a message as a haematology analyzer sends it, records included.
func blood(k, results int) codec.Message {
	specimen := fmt.Sprintf("S%06d", k)
	m := codec.Message{
		ID: fmt.Sprintf("main.xn1000.%064d", k), Type: "ORU^R01", Version: "LIS2-A2", Sender: &codec.Sender{Name: "XN-1000"},
		Patients: []codec.Patient{{ID: fmt.Sprintf("P%06d", k), Record: 2}},
		Orders:   []codec.Order{{Specimen: specimen, Tests: []string{"CBC"}, Priority: "R", Patient: new(int), Record: 3}},
		Records:  [][]string{{"H", `|\^&`, "", "", "XN-1000"}, {"P", "1", "", "", "PAT"}, {"O", "1", specimen, "", "^^^CBC"}},
	}
	for n := range results {
		number := float64(n) + 0.25
		value, code := fmt.Sprint(number), fmt.Sprintf("T%02d", n)
		m.Results = append(m.Results, codec.Result{
			Specimen: specimen, Code: code, Name: "analyte " + code, Aspect: "F", Value: value, Number: &number, Units: "10*3/uL", Range: "4.00 - 10.00",
			Flags: []string{"N"}, Status: "F", ObservedAt: "2026-11-23T08:36:00+02:00", Operator: "tech1", Patient: new(int), Order: new(int), Record: n + 4,
		})
		m.Records = append(m.Records, []string{"R", fmt.Sprint(n + 1), "^^^^" + code + "^1", value, "10*3/uL", "4.00 - 10.00", "N", "", "F", "", "tech1", "", "20261123083600"})
	}
	return m
}

// publishHistory adds to the messages of publishMany: ten repeats, ten
// corrections, and ten messages that a replay decodes otherwise.
func publishHistory(t testing.TB, bus *broker.Bus, messages int) {
	t.Helper()
	for k := range 10 {
		nth := messages + 1 + 3*k
		first := blood(k*100+1, 3)
		publishMessage(t, bus, nth, first, "") // a repeat

		corrected := result(first.Results[0].Specimen, first.Results[0].Code, "99", "C")
		corrected.Aspect = "F"
		publishMessage(t, bus, nth+1, of(fmt.Sprint("correction-", k), corrected), "")

		better := blood(k*100+2, 3)
		better.Results[0].Value += "0"
		better.RawSequence = uint64(k*100 + 2)
		publishMessage(t, bus, nth+2, better, "run-1")
	}
}

// ingestAll takes what is there into sink.
func ingestAll(t *testing.T, bus *broker.Bus, sink ingest.Sink, c ingest.Config) ingest.Progress {
	t.Helper()
	var done ingest.Progress
	c.JetStream, c.Sink, c.UntilEmpty = bus.JetStream(), sink, true
	c.Progress = func(p ingest.Progress) { done = p }
	if c.Log == nil {
		c.Log = privacytest.Logger(nil)
	}
	if err := ingest.New(c).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return done
}
