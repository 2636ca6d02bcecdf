package simulator_test

import (
	"bytes"
	"context"
	"net"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/testdata"
)

// memory is a codec.Host that stores in memory. A flaky one refuses every
// third message; one without its end it takes, because a receiver that keeps
// trying to store such a one is busy for the ten seconds of LIS01-A2 §6.2.6.
type memory struct {
	mu         sync.Mutex
	flaky      bool
	asked      int
	stored     map[simulator.Digest]int
	incomplete int
}

func (m *memory) Receive(_ context.Context, d codec.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes.Contains(d.Raw, []byte("\rL|")) || bytes.HasPrefix(d.Raw, []byte("MSH|")) {
		if m.asked++; m.flaky && m.asked%3 == 0 {
			return errDown
		}
	}
	privacytest.Message(d.Raw)
	m.stored[simulator.DigestOf(d.Raw)]++
	return nil
}

func (m *memory) Incomplete(context.Context, codec.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.incomplete++
}

func (m *memory) Ready() error { return nil }

// wire is a socket that takes bytes back.
type wire struct {
	net.Conn
	back []byte
}

func (w *wire) Read(p []byte) (int, error) {
	if len(w.back) == 0 {
		return w.Conn.Read(p)
	}
	n := copy(p, w.back)
	w.back = w.back[n:]
	return n, nil
}

func (w *wire) Unread(p []byte) { w.back = append(slices.Clone(p), w.back...) }

// host serves protocol on a loopback port until the returned function is
// called, which waits for the end of its sessions.
func host(t *testing.T, protocol codec.Protocol, m *memory) (address string, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				for w := (&wire{Conn: conn}); protocol.Serve(ctx, w, m) == nil; {
				}
			})
		}
	})
	return l.Addr().String(), func() {
		cancel()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		sessions.Wait()
	}
}

func ours(t *testing.T, protocol string) [][]byte {
	t.Helper()
	entries, err := testdata.Simulator.ReadDir("simulator")
	if err != nil {
		t.Fatal(err)
	}
	var messages [][]byte
	for _, e := range entries {
		if path.Ext(e.Name()) != "."+protocol {
			continue
		}
		data, err := testdata.Simulator.ReadFile("simulator/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		some, err := simulator.Split(data)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, some...)
	}
	return messages
}

// Every fault once, then all of them at random, on sockets, with the real
// protocols, to a host that now and then cannot store: what was acknowledged
// is stored byte for byte, and everything is acknowledged in the end.
func TestFaultsWithTheRealProtocols(t *testing.T) {
	for _, name := range all.Protocols.Names() {
		for _, flaky := range []bool{false, true} {
			t.Run(name+map[bool]string{true: "/flaky store"}[flaky], func(t *testing.T) {
				t.Parallel()
				receiver, err := all.Protocols.Build(name, codec.Options{})
				if err != nil {
					t.Fatal(err)
				}
				sender, err := all.Protocols.Build(name, codec.Options{Role: codec.RoleInstrument})
				if err != nil {
					t.Fatal(err)
				}
				m := &memory{stored: map[simulator.Digest]int{}, flaky: flaky}
				address, end := host(t, receiver, m)
				defer end()
				faults := simulator.Faults()
				count := 2 * len(faults)
				i := &simulator.Instrument{
					Name: name, Connect: simulator.Dial(address), Protocol: sender, Ledger: simulator.NewLedger(), Log: privacytest.Logger(nil),
					Next: simulator.NewSource(ours(t, name), 1, count).Next,
					Plan: func(message, attempt int) []simulator.Fault {
						if attempt > 1 {
							return nil
						}
						return faults[message%len(faults) : message%len(faults)+1]
					},
					Patience: 400 * time.Millisecond, Pause: time.Millisecond, Silence: 50 * time.Millisecond,
					Backoff: 100 * time.Millisecond, Seed: 3,
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := i.Run(ctx); err != nil {
					t.Error(err)
				}
				totals := i.Ledger.Totals()
				if totals.Acknowledged != count {
					t.Errorf("acknowledged %d of %d: %+v", totals.Acknowledged, count, totals)
				}
				m.mu.Lock()
				defer m.mu.Unlock()
				if v := simulator.Verify(i.Ledger.Entries(), m.stored); v.Lost() || v.Stored != count {
					t.Errorf("stored %d of %d, missing %d", v.Stored, count, len(v.Missing))
				}
				noSuchThing := []simulator.Fault{simulator.FaultBadChecksum, simulator.FaultContention, simulator.FaultEnqStorm, simulator.FaultAbort}
				for _, f := range faults {
					if want := name == "astm" || !slices.Contains(noSuchThing, f); (totals.Faults[f] > 0) != want {
						t.Errorf("%s struck %d times, want any over %s: %v", f, totals.Faults[f], name, want)
					}
				}
			})
		}
	}
}

// What we play is what a bridge without any configuration understands.
func TestOurMessagesParse(t *testing.T) {
	kinds := map[string]int{}
	for _, name := range all.Protocols.Names() {
		protocol, err := all.Protocols.Build(name, codec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		templates := ours(t, name)
		source := simulator.NewSource(templates, 1, len(templates))
		for raw, ok := source.Next(); ok; raw, ok = source.Next() {
			m, err := protocol.Parse(raw)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			kinds[m.Kind]++
			for _, w := range m.Warnings {
				if w.Code != codec.WarnAttachmentElided {
					t.Errorf("%s %s record %d field %d: warning %s", name, m.Kind, w.Record, w.Field, w.Code)
				}
			}
			for _, r := range m.Results {
				if r.Specimen == "" {
					t.Errorf("%s %s record %d: a result of no specimen", name, m.Kind, r.Record)
				}
			}
		}
	}
	for _, kind := range []string{codec.KindResult, codec.KindQuery, codec.KindQC} {
		if kinds[kind] == 0 {
			t.Errorf("no message of kind %s: %v", kind, kinds)
		}
	}
}
