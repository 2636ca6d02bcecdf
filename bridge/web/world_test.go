package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/web"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// lab is pages over a real bus.
type lab struct {
	t        testing.TB
	bus      *broker.Bus
	store    *bridge.Store
	archive  *web.Archive
	snapshot bridge.Snapshot
	audit    string
	config   web.Config
	handler  http.Handler
}

func quiet() *slog.Logger { return privacytest.Logger(nil) }

// message is one that names a patient and a specimen.
const message = "H|\\^&|||XN-1000^00-14\rP|1||PID-4711||Roe^Jane\rO|1|SPEC-0815||^^^WBC\rR|1|^^^WBC|5.90|10*3/uL|4.0-10.0|H||F||||20261123083600\rL|1|N\r"

// secrets are what must not be seen without asking.
func secrets() []string { return []string{"PID-4711", "Jane", "SPEC-0815", "5.90"} }

func newLab(t testing.TB) *lab {
	t.Helper()
	bus, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: broker.ListenNone, StoreMax: 4 << 30, Log: privacytest.Logger(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	audit := filepath.Join(t.TempDir(), "audit.log")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		onbus.Hear(bus.JetStream())
		if text, err := os.ReadFile(audit); err == nil {
			privacytest.Text(privacytest.KindLog, string(text))
		}
		_ = bus.Close(ctx)
	})
	reader, err := bus.Reader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	js, err := jetstream.New(reader)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, bus: bus, store: bridge.NewStore(bus, 10*time.Second), archive: web.NewArchive(js, "main"), audit: audit}
	l.snapshot = snapshot(time.Now())
	l.config = web.Config{Log: quiet(), Snapshot: func() bridge.Snapshot { return l.snapshot }, Archive: l.archive, Audit: web.NewAudit(l.audit)}
	l.handler = web.New(l.config)
	return l
}

// snapshot is a laboratory of five with something to see.
func snapshot(now time.Time) bridge.Snapshot {
	skew := -42.0
	skewed := bridge.Counters{
		Instrument: "xn1000", Name: "Sysmex XN-1000 <bench 2>", Address: "0.0.0.0:5001", Protocol: "astm", State: bridge.StateConnected, Connections: 1, LastMessage: now.Add(-3 * time.Minute), LastContact: now,
		Messages: map[string]uint64{"result": 120, "qc": 4}, Failed: map[string]uint64{"unparsable": 2}, Refused: map[string]uint64{"store": 1},
		Events: map[codec.Event]uint64{codec.EventChecksum: 7, codec.EventNakSent: 7, codec.EventTransmission: 124}, Quirks: map[string]uint64{"no-lf": 3}, Warnings: map[string]uint64{codec.WarnBadTimestamp: 2},
		Repeats: 5, Bytes: 123456, Skew: &skew, Ack: bridge.Latency{Counts: make([]uint64, len(bridge.LatencyBounds())+1), Sum: time.Second, Count: 100},
	}
	skewed.Ack.Counts[3] = 100
	skewed.Hours.Add(now, 124)
	skewed.Problems.Add(now, 3)
	return bridge.Snapshot{
		At: now, Site: "main", Build: bridge.Build{Version: "v1.2.3", Go: "go1.26"}, Store: bridge.StoreState{Healthy: true}, Bus: bridge.BusState{Connected: true, Embedded: true},
		Disk: &bridge.DiskState{Free: 5 << 30}, Callers: map[string]uint64{"address": 2},
		Streams: []bridge.StreamState{{Name: subjects.StreamRaw, Messages: 130, Bytes: 900, MaxBytes: 1000}},
		Instruments: []bridge.Counters{
			{Instrument: "a/b c", Address: "10.0.0.1:1", State: bridge.StateWaiting}, skewed,
			{Instrument: "blocked", State: bridge.StateBlocked, Problem: "address in use"},
			{Instrument: "refusing", State: bridge.StateRefusing, Problem: "disk full"},
			{Instrument: "silent", State: bridge.StateSilent, Problem: "no message for 3h", SilentAfter: 2 * time.Hour, Since: now.Add(-3 * time.Hour)},
		},
	}
}

// keep stores a message as a live session would, and tells its sequence in
// keepFramed is keep with what the link noted of the frames.
func (l *lab) keepFramed(instrument, raw, incomplete, frames string) uint64 {
	l.t.Helper()
	return l.keep(instrument, raw, incomplete, func(r *bridge.Reception) { r.Frames = frames })
}

// LAB_PARSED.
func (l *lab) keep(instrument, raw, incomplete string, tune ...func(*bridge.Reception)) uint64 {
	l.t.Helper()
	r, err := bridge.Load("i", fmt.Appendf(nil, "instruments:\n  - {id: '%s', listen: '127.0.0.1:0', dedupe: false}\n", instrument), all.Protocols)
	if err != nil {
		l.t.Fatal(err)
	}
	reception := bridge.Reception{
		Site: "main", Instrument: instrument, Protocol: "astm", Session: "s1", N: 1, Digest: bridge.Digest([]byte(raw + time.Now().String())), ReceivedAt: time.Now(), Peer: "10.1.2.3:4", Quirks: []string{"no-lf"}, Incomplete: incomplete,
	}
	for _, f := range tune {
		f(&reception)
	}
	o, err := l.store.Receive(l.t.Context(), r.Instruments[0], reception, []byte(raw))
	if err != nil || o.RawSequence == 0 {
		l.t.Fatalf("stored %+v, %v", o, err)
	}
	s, err := l.bus.JetStream().Stream(l.t.Context(), subjects.StreamParsed)
	if err != nil {
		l.t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

// link stores a link event.
func (l *lab) link(e bridge.LinkEvent) {
	l.t.Helper()
	e.Schema, e.Site, e.At = bridge.LinkSchema, "main", time.Now()
	body, err := json.Marshal(e)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.bus.JetStream().Publish(l.t.Context(), subjects.Link("main", e.Instrument, e.Event), body, jetstream.WithExpectStream(subjects.StreamLink)); err != nil {
		l.t.Fatal(err)
	}
}

// ask sends a request as a browser on this machine does.
func (l *lab) ask(method, path string, change ...func(*http.Request)) (int, string, http.Header) {
	l.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8600"+path, nil)
	r.Header.Set("Accept", "text/html")
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		l.t.Fatal(err)
	}
	if method == http.MethodGet || !strings.HasPrefix(path, "/messages/") { // to post there is to ask for content
		privacytest.Text(privacytest.KindPage, fmt.Sprint(path, " ", w.Code, w.Header(), "\n", string(body)))
	}
	return w.Code, string(body), w.Header()
}

// see wants a page with texts on it.
func (l *lab) see(path string, want ...string) string {
	l.t.Helper()
	code, body, _ := l.ask(http.MethodGet, path)
	if code != http.StatusOK {
		l.t.Errorf("%s answers %d:\n%s", path, code, body)
	}
	for _, w := range want {
		if !strings.Contains(body, w) {
			l.t.Errorf("%s does not show %q", path, w)
		}
	}
	return body
}
