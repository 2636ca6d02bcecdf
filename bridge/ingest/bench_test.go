package ingest_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/assaybus/assaybus/bridge/ingest"
)

// BenchmarkIngest catches up with a backlog: from the bus over a connection of
// its own into an SQLite file, committed and acknowledged.
func BenchmarkIngest(b *testing.B) {
	const messages, perMessage = 3000, 20
	bus := openBus(b)
	publishMany(b, bus, messages, perMessage)
	js := dial(b, bus.URL())
	folder := b.TempDir()
	n := 0
	for b.Loop() {
		n++
		sink, err := ingest.OpenSQLite(b.Context(), filepath.Join(folder, fmt.Sprint(n, ".db")))
		if err != nil {
			b.Fatal(err)
		}
		var done ingest.Progress
		i := ingest.New(ingest.Config{
			JetStream: js, Sink: sink, Durable: fmt.Sprint("bench-", n), UntilEmpty: true, Progress: func(p ingest.Progress) { done = p },
		})
		if err := i.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
		if done.Results != messages*perMessage {
			b.Fatalf("%d results, want %d", done.Results, messages*perMessage)
		}
		if err := sink.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*messages*perMessage)/b.Elapsed().Seconds(), "results/s")
}
