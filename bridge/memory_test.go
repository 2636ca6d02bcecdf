package bridge_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
)

// void takes everything and keeps nothing.
type void struct{ n atomic.Uint64 }

func (v *void) Publish(context.Context, bridge.Publication) (bridge.Receipt, error) {
	return bridge.Receipt{Sequence: v.n.Add(1)}, nil
}

func (v *void) Healthy() error { return nil }

// heap is what is alive.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// peak samples the heap until it is told to stop and returns the most. Little
// garbage is left in it: how late a busy machine's collector is, is not what
// is tested.
func peak() (stop func() int64) {
	var most atomic.Int64
	percent := debug.SetGCPercent(20)
	end, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), int64(m.HeapAlloc)))
			select {
			case <-end:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(end)
		<-over
		debug.SetGCPercent(percent)
		return most.Load()
	}
}

const (
	memoryBudget = 64 << 20
	memoryPeers  = 40
)

// allowed is the bound that docs/security.md states: what every connection has for
// its own, and the budget; twice, because the collector lets garbage grow to
// the size of what is alive (GOGC=100).
const allowed = 2 * ((memoryPeers+1)*(512<<10) + memoryBudget)

func startMemory(t *testing.T) *world {
	t.Helper()
	r, err := bridge.Load("instruments.yaml", fmt.Appendf(nil, `
defaults: {max_connections: %d}
instruments:
  - {id: hl7, listen: '127.0.0.1:0', protocol: hl7}
  - {id: astm, listen: '127.0.0.1:0', protocol: astm}
  - {id: good, listen: '127.0.0.1:0', protocol: hl7}
`, memoryPeers), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, &void{}, r, 2*time.Second, func(s *bridge.Server) { bridge.Budget(s, memoryBudget) })
}

// Forty peers send nine tenths of a message of 10 MiB and stop. The budget
// holds; who finds no room is refused and counted; a small message passes.
func TestMemoryOfHalfMessages(t *testing.T) {
	w := startMemory(t)
	frames := []byte("\x05" + astmFrame(1, "H|\\^&|||x\rM|1|", 0x17))
	for n := range 18 {
		frames = append(frames, astmFrame(n+2, strings.Repeat("A", 500<<10), 0x17)...)
	}
	halves := map[string][]byte{
		"hl7":  []byte("\x0bMSH|^~\\&|A|B|||20261123083600||ORU^R01|1|P|2.3.1\rOBX|1|ED|X||" + strings.Repeat("A", 9<<20)),
		"astm": frames,
	}
	before := heap()
	stop := peak()
	for n := range memoryPeers {
		id := []string{"hl7", "astm"}[n%2]
		nc := w.connect(t, id)
		_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
		go func() { _, _ = nc.Write(halves[id]) }()
		go func() { _, _ = io.Copy(io.Discard, nc) }()
	}
	eventually(t, "the budget is taken and somebody is refused", func() bool {
		return w.counters("hl7").Refused[bridge.RefusedMemory] > 0 && w.counters("astm").Refused[bridge.RefusedMemory] > 0
	})
	g := w.startGood("good")
	eventually(t, "a small message is stored", func() bool { return w.counters("good").Messages["result"] > 0 })
	eventually(t, "who waits longer than the rest is over", func() bool { return bridge.MemoryInUse(w.server) > memoryBudget/2 })
	g.finish(t)
	if got := bridge.MemoryInUse(w.server); got > memoryBudget {
		t.Errorf("%d bytes of the budget of %d are taken", got, memoryBudget)
	}
	most := stop() - 2*before
	t.Logf("the heap grew by %d MiB at most, %d MiB are allowed", most>>20, allowed>>20)
	if most > allowed {
		t.Errorf("the heap grew by %d bytes, %d are allowed", most, allowed)
	}
	if c := w.counters("hl7"); len(c.Messages) > 0 {
		t.Errorf("half a message is stored as a message: %+v", c)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if got := bridge.MemoryInUse(w.server); got != 0 {
		t.Errorf("%d bytes are still taken", got)
	}
}

// Messages that grow hundredfold when they are decoded are decoded one after
// another, as far as the budget goes.
func TestMemoryOfDecoding(t *testing.T) {
	w := startMemory(t)
	message := []byte("\x0bMSH|^~\\&|A|B|||20261123083600||ORU^R01|1|P|2.3.1\rOBR|1||S\r" + strings.Repeat("OBX\r", codec.MaxRecords-10) + "\x1c\r")
	before := heap()
	stop := peak()
	for range memoryPeers {
		nc := w.connect(t, "hl7")
		_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
		go func() { _, _ = nc.Write(message) }()
		go func() { _, _ = io.Copy(io.Discard, nc) }()
	}
	eventually(t, "all are stored or refused", func() bool {
		c := w.counters("hl7")
		return c.Messages["result"]+c.Refused[bridge.RefusedMemory] >= memoryPeers && bridge.MemoryInUse(w.server) == 0
	})
	c := w.counters("hl7")
	most := stop() - 2*before
	t.Logf("%d stored, %d refused; the heap grew by %d MiB at most, %d MiB are allowed", c.Messages["result"], c.Refused[bridge.RefusedMemory], most>>20, allowed>>20)
	if most > allowed {
		t.Errorf("the heap grew by %d bytes, %d are allowed", most, allowed)
	}
	if c.Messages["result"] == 0 {
		t.Error("none was stored: the budget must serve one after another")
	}
	debug.FreeOSMemory()
}
