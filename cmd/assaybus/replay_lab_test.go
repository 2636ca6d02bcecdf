package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// laboratory is a bridge that serves on a real bus, and the environment of the
// commands that look at it.
type laboratory struct {
	t      testing.TB
	bus    *broker.Bus
	server *bridge.Server
	file   string // the instruments file
	end    func()
}

const twoInstruments = `instruments:
  - {id: xn, listen: '127.0.0.1:0', protocol: astm}
  - {id: cobas, listen: '127.0.0.1:0', protocol: hl7}
`

// openLaboratory serves the instruments of the file.
func openLaboratory(t testing.TB, instruments string) *laboratory {
	t.Helper()
	l := &laboratory{t: t, file: filepath.Join(t.TempDir(), "instruments.yaml")}
	l.configure(instruments)
	t.Setenv("ASSAYBUS_INSTRUMENTS", l.file)
	var err error
	l.bus, err = broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", StoreMax: 1 << 30, Log: privacytest.Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	l.serve()
	t.Cleanup(func() {
		l.end()
		onbus.Hear(l.bus.JetStream())
		_ = l.bus.Close(context.Background())
	})
	return l
}

// serve serves the instruments of the file on the laboratory's bus until end.
func (l *laboratory) serve() {
	l.t.Helper()
	archive, err := broker.NewArchive(l.bus.Conn())
	if err != nil {
		l.t.Fatal(err)
	}
	log, board := privacytest.Logger(nil), bridge.NewBoard()
	listening := make(listens, 16)
	l.server = bridge.NewServer(bridge.Config{
		Site: "main", Store: bridge.NewStore(l.bus, 10*time.Second), Board: board, Links: listening, Log: log, Grace: time.Second, Archive: archive,
	})
	registry, err := bridge.LoadFile(l.file, all.Protocols)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(l.t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = l.server.Run(ctx, registry) })
	l.end = sync.OnceFunc(func() {
		cancel()
		serving.Wait()
		privacytest.Value(privacytest.KindStatus, board.Snapshot())
	})
	for range registry.Instruments {
		<-listening
	}
}

// listens hears when an instrument's listener is open.
type listens chan struct{}

func (c listens) PublishLink(subject string, header map[string]string, body []byte) {
	privacytest.Value(privacytest.KindStored, []any{subject, header, string(body)})
	if strings.HasSuffix(subject, "."+subjects.EventListening) {
		c <- struct{}{}
	}
}

// configure writes the instruments file; the server keeps what it has.
func (l *laboratory) configure(instruments string) {
	l.t.Helper()
	if err := os.WriteFile(l.file, []byte(instruments), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// send plays messages as the instrument over one connection, each until it is
// acknowledged or rejected.
func (l *laboratory) send(instrument, protocol string, messages ...string) simulator.Totals {
	l.t.Helper()
	var next [][]byte
	for _, m := range messages {
		next = append(next, []byte(m))
	}
	return l.play(l.t.Context(), instrument, protocol, 0, simulator.NewSource(next, 1, len(next)).Next)
}

func (l *laboratory) play(ctx context.Context, instrument, protocol string, rate float64, next func() ([]byte, bool)) simulator.Totals {
	l.t.Helper()
	p, err := all.Protocols.Build(protocol, codec.Options{Role: codec.RoleInstrument})
	if err != nil {
		l.t.Fatal(err)
	}
	ledger := simulator.NewLedger()
	i := simulator.Instrument{
		Name: instrument, Connect: simulator.Dial(l.server.Addr(instrument).String()), Protocol: p, Next: next, Rate: rate, Ledger: ledger,
		Pause: time.Millisecond, Attempts: 3, Patience: time.Second, Log: privacytest.Logger(nil),
	}
	if err := i.Run(ctx); err != nil && !errors.Is(err, simulator.ErrUnacknowledged) {
		l.t.Fatal(err)
	}
	return ledger.Totals()
}

// run is a command on the laboratory's bus.
func (l *laboratory) run(args ...string) (code int, stdout, stderr string) {
	var out, complaint strings.Builder
	code = hearing(l.t.Context(), append(args, "--nats", l.bus.URL()), strings.NewReader(""), &out, &complaint)
	return code, out.String(), complaint.String()
}

// must is run with the exit code that is expected.
func (l *laboratory) must(code int, args ...string) (stdout string) {
	l.t.Helper()
	got, stdout, stderr := l.run(args...)
	if got != code {
		l.t.Fatalf("%v: exit %d, want %d\n%s%s", args, got, code, stdout, stderr)
	}
	return stdout
}

// summary runs replay with --json and returns its last line.
func (l *laboratory) summary(code int, args ...string) tally {
	l.t.Helper()
	lines := strings.Split(strings.TrimSpace(l.must(code, append([]string{"replay", "--json"}, args...)...)), "\n")
	var s tally
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil || s.Type != "summary" {
		l.t.Fatalf("the last line is no summary (%v): %s", err, lines[len(lines)-1])
	}
	return s
}

// stored is what a stream holds, in its order.
func (l *laboratory) stored(stream string) []bridge.Stored {
	l.t.Helper()
	archive, err := broker.NewArchive(l.bus.Conn())
	if err != nil {
		l.t.Fatal(err)
	}
	span, err := archive.Span(l.t.Context(), stream)
	if err != nil {
		l.t.Fatal(err)
	}
	var all []bridge.Stored
	for m, err := range archive.Scan(l.t.Context(), bridge.Query{Stream: stream, To: span.Last}) {
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// parser is a protocol of another version of this program.
type parser struct {
	codec.Protocol
	err error
}

func (p parser) Name() string { return "astm" }

func (p parser) Parse(raw []byte) (*codec.Message, error) { return nil, p.err }

// received keeps raw as if the instrument had sent it to a program whose
// parser failed for it with err.
func (l *laboratory) received(instrument, raw string, n int, incomplete string, err error) uint64 {
	l.t.Helper()
	o, err := bridge.NewStore(l.bus, time.Second).Receive(l.t.Context(),
		&bridge.Instrument{ID: instrument, Protocol: parser{err: err}, Dedupe: true},
		bridge.Reception{
			Site: "main", Instrument: instrument, Protocol: "astm", Session: "session", N: n, Digest: bridge.Digest([]byte(raw)),
			ReceivedAt: time.Now(), Incomplete: incomplete,
		}, []byte(raw))
	if err != nil {
		l.t.Fatal(err)
	}
	return o.RawSequence
}

// framed stores a raw message as a link that noted its frames.
func (l *laboratory) framed(instrument, raw, frames string) uint64 {
	l.t.Helper()
	o, err := bridge.NewStore(l.bus, time.Second).Receive(l.t.Context(), &bridge.Instrument{ID: instrument, Protocol: parser{err: codec.ErrUnknownContent}},
		bridge.Reception{Site: "main", Instrument: instrument, Protocol: "astm", Session: "session", N: 1, Digest: bridge.Digest([]byte(raw + frames)), ReceivedAt: time.Now(), Frames: frames}, []byte(raw))
	if err != nil {
		l.t.Fatal(err)
	}
	return o.RawSequence
}

// messages is how many a stream holds.
func (l *laboratory) messages(stream string) uint64 {
	l.t.Helper()
	s, err := l.bus.JetStream().Stream(l.t.Context(), stream)
	if err != nil {
		l.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}
