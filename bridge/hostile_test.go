package bridge_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// hostileFor is how long every hostile peer goes on: `make hostile` gives them
// a minute.
var hostileFor = flag.Duration("hostile", time.Second, "how long hostile peers go on")

// patience of the store in these tests: what an answer may take.
const hostilePatience = 10 * time.Second

const hostileInstruments = `
defaults: {message_timeout: 1s}
instruments:
  - {id: good, listen: '127.0.0.1:0', protocol: hl7}
  - {id: silent, listen: '127.0.0.1:0', max_connections: 5000}
  - {id: flood, listen: '127.0.0.1:0', max_connections: 8}
  - {id: slow-astm, listen: '127.0.0.1:0', protocol: astm}
  - {id: slow-hl7, listen: '127.0.0.1:0', protocol: hl7}
  - {id: frame, listen: '127.0.0.1:0', protocol: astm, max_frame: 64KiB, message_timeout: 60s}
  - {id: session, listen: '127.0.0.1:0', protocol: astm, max_message: 128KiB, max_frame: 64KiB, message_timeout: 60s}
  - {id: large-astm, listen: '127.0.0.1:0', protocol: astm, message_timeout: 60s}
  - {id: large-hl7, listen: '127.0.0.1:0', protocol: hl7, message_timeout: 60s}
  - {id: nul-auto, listen: '127.0.0.1:0'}
  - {id: nul-astm, listen: '127.0.0.1:0', protocol: astm}
  - {id: nul-hl7, listen: '127.0.0.1:0', protocol: hl7}
  - {id: probe-auto, listen: '127.0.0.1:0'}
  - {id: probe-astm, listen: '127.0.0.1:0', protocol: astm}
  - {id: probe-hl7, listen: '127.0.0.1:0', protocol: hl7}
  - {id: random-auto, listen: '127.0.0.1:0', max_connections: 50}
  - {id: random-astm, listen: '127.0.0.1:0', protocol: astm, max_connections: 50}
  - {id: random-hl7, listen: '127.0.0.1:0', protocol: hl7, max_connections: 50}
  - {id: deaf, listen: '127.0.0.1:0', protocol: hl7, message_timeout: 60s}
  - {id: tiny, listen: '127.0.0.1:0', protocol: astm, message_timeout: 60s}
`

// hostile is a server on a real bus that is under attack.
type hostile struct {
	*world
	good *goodAnalyzer
}

// TestHostilePeers lets every kind of hostile peer go on at once while a
// well-behaved analyzer works: all its messages are acknowledged in time, and
// every refusal is counted by its reason.
func TestHostilePeers(t *testing.T) {
	r, err := bridge.Load("instruments.yaml", []byte(hostileInstruments), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	h := &hostile{world: startHostile(t, r)}
	h.good = h.startGood("good")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log, and all counters:\n%s\n%+v", h.logged, h.board.Snapshot())
		}
	})
	t.Run("peers", func(t *testing.T) {
		for name, attack := range map[string]func(*hostile, *testing.T){
			"5000 silent":      (*hostile).silent,
			"connection flood": (*hostile).flood,
			"slow loris":       (*hostile).slowLoris,
			"endless frame":    (*hostile).endlessFrame,
			"endless session":  (*hostile).endlessSession,
			"one byte over":    (*hostile).oneByteOver,
			"nul flood":        (*hostile).nulFlood,
			"tls and http":     (*hostile).probes,
			"random bytes":     (*hostile).random,
			"never reads":      (*hostile).deaf,
			"tiny records":     (*hostile).tinyRecords,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				attack(h, t)
			})
		}
	})
	h.good.finish(t)
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if n := bridge.MemoryInUse(h.server); n != 0 {
		t.Errorf("%d bytes of the budget are still taken", n)
	}
	if c := h.counters("good"); c.Messages["result"]+c.Repeats < uint64(h.good.sent) {
		t.Errorf("the good analyzer's counters: %+v, want %d messages", c, h.good.sent)
	}
	said := h.logged.String()
	if strings.Contains(said, "panic") {
		t.Errorf("a panic was logged:\n%s", said)
	}
	if len(said) > 1<<20 {
		t.Errorf("%d bytes were logged: an attack must not fill the disk", len(said))
	}
	eventually(t, "the sessions' goroutines are over", func() bool { return runtime.NumGoroutine() < before+50 })
}

// startHostile is startWith on an embedded bus that syncs every message.
func startHostile(t *testing.T, r *bridge.Registry) *world {
	t.Helper()
	log, said := quiet()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the bus:\n%s", said)
		}
	})
	bus, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: broker.ListenNone, StoreMax: 8 << 30, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		onbus.Hear(bus.JetStream())
		if err := bus.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return serveOn(t, bus, r, hostilePatience, func(s *bridge.Server) { bridge.Hurry(s, time.Second, 300*time.Millisecond) })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(*hostileFor + 30*time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// awaitRefused waits until an instrument has refused at least n for a reason.
func (h *hostile) awaitRefused(t *testing.T, instrument, reason string, n uint64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s refuses %d for %s", instrument, n, reason), func() bool {
		return h.counters(instrument).Refused[reason] >= n
	})
}

// dial is a connection whose peer has the rest of the test to end it.
func (h *hostile) dial(t *testing.T, instrument string) net.Conn {
	t.Helper()
	nc := h.connect(t, instrument)
	_ = nc.SetDeadline(time.Now().Add(*hostileFor + 30*time.Second))
	return nc
}

func (w *world) connect(t *testing.T, instrument string) net.Conn {
	t.Helper()
	eventually(t, instrument+" listens", func() bool { return w.server.Addr(instrument) != nil })
	nc, err := net.Dial("tcp", w.server.Addr(instrument).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// goodAnalyzer sends message after message until it is told to finish.
type goodAnalyzer struct {
	conn  net.Conn
	stop  chan struct{}
	over  sync.WaitGroup
	sent  int
	again int // sent again because no answer came, as an analyzer does
	took  []time.Duration
	began time.Time
	worst string // when the longest was sent
	wrong error
}

func (w *world) startGood(instrument string) *goodAnalyzer {
	g := &goodAnalyzer{conn: w.connect(w.t, instrument), stop: make(chan struct{})}
	g.over.Go(func() {
		defer func() { _ = g.conn.Close() }()
		r := bufio.NewReader(g.conn)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for g.wrong == nil {
			g.sent++
			for try := range 6 { // LIS01-A2 §6.5.1.2: as often as a sender tries
				if g.wrong = g.send(r); g.wrong == nil {
					break
				}
				g.again++
				_ = g.conn.Close()
				nc, err := net.Dial("tcp", w.server.Addr(instrument).String())
				if err != nil {
					g.wrong = fmt.Errorf("try %d: %w", try+1, err)
					break
				}
				g.conn, r = nc, bufio.NewReader(nc)
			}
			select {
			case <-g.stop:
				return
			case <-tick.C:
			}
		}
	})
	return g
}

func (g *goodAnalyzer) send(r *bufio.Reader) error {
	began := time.Now()
	_ = g.conn.SetDeadline(began.Add(hostilePatience + 5*time.Second))
	if _, err := io.WriteString(g.conn, hl7Message(g.sent, "5.9")); err != nil {
		return err
	}
	answer, err := r.ReadString(0x1c)
	if err != nil {
		return err
	}
	if _, err := r.ReadByte(); err != nil {
		return err
	}
	if want := fmt.Sprintf("MSA|AA|%d", g.sent); !strings.Contains(answer, want) {
		return fmt.Errorf("answer %q, want %s", answer, want)
	}
	took := time.Since(began)
	if len(g.took) == 0 {
		g.began = began
	}
	if len(g.took) == 0 || took > slices.Max(g.took) {
		g.worst = fmt.Sprintf("message %d, %v after the first", g.sent, began.Sub(g.began).Round(time.Millisecond))
	}
	g.took = append(g.took, took)
	return nil
}

// finish stops g, demands that all went well and tells how long it took.
func (g *goodAnalyzer) finish(t *testing.T) {
	t.Helper()
	close(g.stop)
	g.over.Wait()
	if g.wrong != nil || len(g.took) != g.sent {
		t.Fatalf("the well-behaved analyzer: message %d of %d acknowledged, then %v", len(g.took), g.sent, g.wrong)
	}
	slices.Sort(g.took)
	t.Logf("well-behaved analyzer: %d messages, all acknowledged, %d sent again; p50 %v, p99 %v, longest %v (%s)", g.sent, g.again, g.took[len(g.took)/2], g.took[len(g.took)*99/100], g.took[len(g.took)-1], g.worst)
}

// hl7Message is a framed message with one result.
func hl7Message(n int, value string) string {
	return fmt.Sprintf("\x0bMSH|^~\\&|BENCH|LAB|||20261123083600||ORU^R01|%d|P|2.3.1\rPID|1\rOBR|1||SPCHOST-%d|GLU\rOBX|1|NM|GLU||%s|mmol/L|||||F\r\x1c\r", n, n, value)
}

// astmFrame is a frame with its checksum.
func astmFrame(number int, text string, end byte) string {
	body := fmt.Sprintf("%d%s%c", number%8, text, end)
	var sum byte
	for i := range len(body) {
		sum += body[i]
	}
	return fmt.Sprintf("\x02%s%02X\r\n", body, sum)
}

// Links of the well-behaved analyzer and of strangers are not the same: a
// caller from an address that nobody has is counted and told nothing.
func TestHostileStrangers(t *testing.T) {
	w := startAll(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', from: [10.1.2.0/24]}\n  - {id: b1, listen: '127.0.0.1:0', from: [127.0.0.1]}\n")
	for range 300 {
		nc := w.connect(t, "a1")
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		if n, err := nc.Read(make([]byte, 1)); err == nil {
			t.Fatalf("a stranger is told %d bytes", n)
		}
	}
	if got := w.board.Callers()[bridge.RefusedAddress]; got != 300 {
		t.Errorf("%d strangers counted, want 300", got)
	}
	g := w.startGood("b1")
	eventually(t, "the known analyzer's message is stored", func() bool { return len(w.bus.in(subjects.StreamParsed)) > 0 })
	g.finish(t)
}
