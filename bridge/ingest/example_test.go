package ingest_test

import (
	"context"
	"fmt"
	"os"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/subjects"
)

// worklist is a sink of a laboratory's own: the newest value of each test.
type worklist struct {
	digests map[string]string // of the messages that it has, by id
	values  map[string]string // by specimen and code
}

func (w *worklist) Write(_ context.Context, batch []ingest.Delivery) error {
	for _, d := range batch {
		m := d.Message
		if m == nil || w.digests[m.ID] == d.Digest() {
			continue // a failure, or what we have already
		}
		w.digests[m.ID] = d.Digest()
		for _, r := range m.Results {
			w.values[r.Specimen+" "+r.Code] = r.Value + " " + r.Units
		}
	}
	return nil // only now is the batch acknowledged
}

func (w *worklist) Close() error { return nil }

func ExampleSink() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "assaybus-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	bus, err := broker.Open(ctx, broker.Config{Data: folder, Listen: broker.ListenNone})
	if err != nil {
		panic(err)
	}
	defer bus.Close(ctx)
	for _, id := range []string{"1", "2"} { // the same message twice, as an instrument repeats it
		p := bridge.Publication{Stream: subjects.StreamParsed, Subject: subjects.Parsed("main", "xn1000", "result"), ID: id, Body: []byte(
			`{"schema":"assaybus.message/1","id":"m1","kind":"result","results":[{"specimen":"24-0815","code":"WBC","value":"5.90","units":"10*3/uL","record":4}]}`)}
		if _, err := bus.Publish(ctx, p); err != nil {
			panic(err)
		}
	}

	sink := &worklist{digests: map[string]string{}, values: map[string]string{}}
	if err := ingest.New(ingest.Config{JetStream: bus.JetStream(), Sink: sink, Durable: "worklist", UntilEmpty: true}).Run(ctx); err != nil {
		panic(err)
	}
	fmt.Println(sink.values)
	// Output: map[24-0815 WBC:5.90 10*3/uL]
}
