package web_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/web"
	"github.com/assaybus/assaybus/subjects"
)

// The size that a page is promised for, and its time on the server.
const (
	benchInstruments = 100
	benchMessages    = 1_000_000
	promised         = 200 * time.Millisecond
	fillBatch        = 1000
)

// fill stores the messages of a large laboratory, not through the bridge: only
// their number matters here. The last instrument fell silent long ago.
func fill(b *testing.B, l *lab) {
	b.Helper()
	js, err := jetstream.New(l.bus.Conn())
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"schema":"assaybus.message/1","protocol":"astm","kind":"result"}`)
	for n := range benchMessages {
		i := n % (benchInstruments - 1)
		if n < 100 {
			i = benchInstruments - 1
		}
		id := fmt.Sprintf("analyzer-%03d", i)
		m := nats.NewMsg(subjects.Parsed("main", id, "result"))
		if n%1000 == 999 {
			m.Subject = subjects.Failed("main", id, subjects.ReasonUnparsable)
		}
		m.Header = nats.Header{subjects.HeaderInstrument: {id}, subjects.HeaderRawSequence: {fmt.Sprint(n + 1)}, subjects.HeaderReceivedAt: {time.Now().Format(time.RFC3339Nano)}}
		m.Data = body
		if _, err := js.PublishMsgAsync(m); err != nil {
			b.Fatal(err)
		}
		if n%fillBatch != fillBatch-1 {
			continue
		}
		select {
		case <-js.PublishAsyncComplete():
		case <-time.After(time.Minute):
			b.Fatal("the messages are not stored")
		}
	}
	l.snapshot.Instruments = nil
	for i := range benchInstruments {
		c := bridge.Counters{Instrument: fmt.Sprintf("analyzer-%03d", i), Address: "10.0.0.1:5000", State: bridge.StateConnected, LastMessage: time.Now()}
		for hour := range 24 {
			c.Hours.Add(time.Now().Add(-time.Duration(23-hour)*time.Hour), uint64(hour*i))
		}
		l.snapshot.Instruments = append(l.snapshot.Instruments, c)
	}
}

// BenchmarkPages measures every page over a hundred instruments and a million
// stored messages, and fails when one takes longer than promised.
func BenchmarkPages(b *testing.B) {
	l := newLab(b)
	began := time.Now()
	fill(b, l)
	b.Logf("%d messages stored in %s", benchMessages, time.Since(began).Round(time.Second))
	for name, path := range map[string]string{
		"overview": "/", "problems": "/problems", "metrics": "/metrics", "snapshot": "/api/snapshot", "instrument": "/instruments/analyzer-050",
		"older": "/instruments/analyzer-050?before=500000", "silent": "/instruments/analyzer-099", "message": "/messages/500000",
	} {
		b.Run(name, func(b *testing.B) {
			var slowest time.Duration
			for b.Loop() {
				began := time.Now()
				if code, body, _ := l.ask(http.MethodGet, path); code != http.StatusOK {
					b.Fatalf("%d: %s", code, body)
				}
				slowest = max(slowest, time.Since(began))
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
			if mean := b.Elapsed() / time.Duration(b.N); mean > promised {
				b.Errorf("%s takes %s, promised is %s", path, mean, promised)
			}
		})
	}
	// Looking back at start, in the background: over the day when there are no
	// counts, over two minutes of a busy laboratory when there are.
	for name, behind := range map[string]uint64{"start-without-counts": 0, "start": 12_000} {
		b.Run(name, func(b *testing.B) { benchPast(b, l, behind) })
	}
}

func benchPast(b *testing.B, l *lab, behind uint64) {
	ids := make([]string, benchInstruments)
	for i := range ids {
		ids[i] = fmt.Sprintf("analyzer-%03d", i)
	}
	for b.Loop() {
		mark, err := l.archive.Mark(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		part := web.Uncounted{To: mark.Sequence}
		if behind > 0 {
			part.Known, part.From = true, mark.Sequence-behind
		}
		if past, err := l.archive.Past(context.Background(), ids, part); err != nil || past[ids[0]].Hours.Last(time.Now(), 24) == 0 {
			b.Fatal(err)
		}
	}
}
