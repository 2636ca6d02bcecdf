package broker_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// Every publication of the dedupe window is remembered by its id: docs/security.md
// says how much memory that takes, and so what a flood of small messages may.
func TestMemoryOfIDs(t *testing.T) {
	b := open(t, config(t))
	const messages, most = 60_000, 512
	flood(t, b, 0, messages/2) // the caches of the store are there
	before := heap()
	flood(t, b, messages/2, messages/2+messages)
	if each := float64(heap()-before) / messages; each > most {
		t.Errorf("an id takes %.0f bytes while it is remembered, docs/security.md says at most %d", each, most)
	}
}

// flood publishes the messages from one number to another.
func flood(t *testing.T, b *broker.Bus, from, to int64) {
	t.Helper()
	var next atomic.Int64
	next.Store(from)
	digest := strings.Repeat("5", 64)
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			for n := next.Add(1); n <= to; n = next.Add(1) {
				p := bridge.Publication{Stream: subjects.StreamRaw, Subject: subjects.Raw("main", "xn1000"), Body: []byte("L|1|N\r")}
				p.ID = fmt.Sprintf("01JDABCDEFGHJKMNPQRSTVWXYZ.%d.%s", n, digest)
				if _, err := b.Publish(t.Context(), p); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// heap is what is alive.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
