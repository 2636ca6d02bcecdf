package bridge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// world is a running server on a bus in memory.
type world struct {
	t      *testing.T
	bus    *bus
	board  *bridge.Board
	server *bridge.Server
	logged *syncBuffer
	links  *linkLog
	stop   func() error
}

type linkLog struct {
	mu   sync.Mutex
	seen []string
	more chan struct{}
}

func (l *linkLog) PublishLink(subject string, _ map[string]string, body []byte) {
	l.mu.Lock()
	l.seen = append(l.seen, subject+" "+string(body))
	privacytest.Text(privacytest.KindStored, subject+" "+string(body))
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// await blocks until an event holds every one of texts.
func (l *linkLog) await(t *testing.T, texts ...string) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		for _, s := range l.seen {
			all := true
			for _, text := range texts {
				all = all && strings.Contains(s, text)
			}
			if all {
				l.mu.Unlock()
				return
			}
		}
		seen := strings.Join(l.seen, "\n")
		l.mu.Unlock()
		select {
		case <-l.more:
		case <-limit:
			t.Fatalf("no link event with %q; there were\n%s", texts, seen)
		}
	}
}

func start(t *testing.T, text string) *world {
	t.Helper()
	return startWith(t, registry(t, text))
}

// startAll is start with the real protocols.
func startAll(t *testing.T, text string) *world {
	t.Helper()
	r, err := bridge.Load("instruments.yaml", []byte(text), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	return startWith(t, r)
}

func startWith(t *testing.T, r *bridge.Registry, tune ...func(*bridge.Server)) *world {
	t.Helper()
	inMemory := &bus{}
	w := serveOn(t, inMemory, r, time.Second, tune...)
	w.bus = inMemory
	return w
}

// serveOn serves r on any bus.
func serveOn(t *testing.T, on bridge.Publisher, r *bridge.Registry, patience time.Duration, tune ...func(*bridge.Server)) *world {
	t.Helper()
	log, logged := quiet()
	w := &world{t: t, board: bridge.NewBoard(), logged: logged, links: &linkLog{more: make(chan struct{}, 1)}}
	archive, _ := on.(bridge.Archive)
	w.server = bridge.NewServer(bridge.Config{
		Site: "main", Store: bridge.NewStore(on, patience), Board: w.board, Links: w.links, Log: log, Grace: 2 * time.Second, Archive: archive,
	})
	for _, f := range tune {
		f(w.server)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- w.server.Run(ctx, r) }()
	var once sync.Once
	var err error
	w.stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case err = <-over:
			case <-time.After(20 * time.Second):
				err = errors.New("the server does not stop")
			}
		})
		return err
	}
	t.Cleanup(func() {
		privacytest.Value(privacytest.KindStatus, w.board.Snapshot())
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// peer is a client of the lines protocol.
type peer struct {
	net.Conn
	r *bufio.Reader
}

func (w *world) call(instrument string) *peer {
	w.t.Helper()
	w.links.await(w.t, "lab.link.main."+instrument+".listening")
	nc, err := net.Dial("tcp", w.server.Addr(instrument).String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return newPeer(nc)
}

func newPeer(nc net.Conn) *peer { return &peer{nc, bufio.NewReader(nc)} }

func (p *peer) say(t *testing.T, line, want string) {
	t.Helper()
	if _, err := io.WriteString(p, line+"\n"); err != nil {
		t.Fatal(err)
	}
	got, err := p.r.ReadString('\n')
	if err != nil || strings.TrimSpace(got) != want {
		t.Fatalf("%q is answered %q, %v; want %q", line, got, err, want)
	}
}

func (p *peer) hungUp(t *testing.T) {
	t.Helper()
	if b, err := p.r.ReadByte(); err == nil {
		t.Fatalf("got %q, want the connection closed", b)
	} else if codec.IsTimeout(err) {
		t.Fatal("the connection is still open")
	}
}

func (w *world) counters(instrument string) bridge.Counters {
	for _, c := range w.board.Snapshot() {
		if c.Instrument == instrument {
			return c
		}
	}
	w.t.Fatalf("no counters of %s", instrument)
	return bridge.Counters{}
}

const callsUs = "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, max_connections: 2}\n"

func TestMessageIsStoredBeforeTheAnswer(t *testing.T) {
	w := start(t, callsUs)
	p := w.call("a1")
	for n := range 3 {
		p.say(t, fmt.Sprintf("WBC %d", n), "+")
		if got := len(w.bus.in(subjects.StreamParsed)); got != n+1 {
			t.Fatalf("%d parsed messages at the answer, want %d", got, n+1)
		}
	}
	c := w.counters("a1")
	if c.Messages["result"] != 3 || c.Connections != 1 || c.State != bridge.StateConnected {
		t.Errorf("counters %+v", c)
	}
}

func TestRefusedWhileTheStoreIsSick(t *testing.T) {
	w := start(t, callsUs)
	p := w.call("a1")
	w.bus.setSick(errors.New("disk full: free some"))
	p.say(t, "WBC", "-")
	if c := w.counters("a1"); c.State != bridge.StateRefusing || c.Refused[bridge.RefusedNotReady] != 1 {
		t.Errorf("counters %+v, want refusing", c)
	}
	w.bus.setSick(nil)
	p.say(t, "WBC", "+")
	if c := w.counters("a1"); c.State != bridge.StateConnected {
		t.Errorf("state %s after recovery", c.State)
	}
}

// pitfalls 3.A4 and 3.A7: two clients of one instrument have a state each and
// do not mix.
func TestTwoClientsDoNotMix(t *testing.T) {
	w := start(t, callsUs)
	a, b := w.call("a1"), w.call("a1")
	_, _ = io.WriteString(a, "from-a ")
	_, _ = io.WriteString(b, "from-b ")
	b.say(t, "one", "+")
	a.say(t, "two", "+")
	raw := w.bus.in(subjects.StreamRaw)
	if len(raw) != 2 || string(raw[0].Body) != "from-b one" || string(raw[1].Body) != "from-a two" {
		t.Errorf("stored %q and %q", raw[0].Body, raw[1].Body)
	}
	if raw[0].Header[subjects.HeaderSession] == raw[1].Header[subjects.HeaderSession] {
		t.Error("two connections have one session id")
	}
}

func TestConnectionCapIsVisible(t *testing.T) {
	w := start(t, callsUs)
	w.call("a1").say(t, "1", "+")
	w.call("a1").say(t, "2", "+")
	w.call("a1").hungUp(t)
	w.links.await(t, "a1.refused", `"reason":"connections"`)
	if c := w.counters("a1"); c.Refused[bridge.RefusedConnections] != 1 {
		t.Errorf("counters %+v", c)
	}
	if !strings.Contains(w.logged.String(), "raise max_connections") {
		t.Error("the log does not say what to do")
	}
}

func TestUnknownCallerIsRefusedAndSaidOnce(t *testing.T) {
	w := start(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, from: [10.0.0.0/8]}\n")
	for range 5 {
		w.call("a1").hungUp(t)
	}
	w.links.await(t, "lab.link.main._.refused", `"reason":"address"`)
	if got := w.board.Callers()[bridge.RefusedAddress]; got != 5 {
		t.Errorf("%d callers counted, want 5", got)
	}
	if got := strings.Count(w.logged.String(), "unknown caller refused"); got != 1 {
		t.Errorf("said %d times, want once a minute", got)
	}
}

func TestPanicEndsOnlyItsSession(t *testing.T) {
	w := start(t, callsUs)
	healthy, p := w.call("a1"), w.call("a1")
	_, _ = io.WriteString(p, "crash\n")
	p.hungUp(t)
	healthy.say(t, "WBC", "+")
	w.links.await(t, "a1.disconnected")
	if said := w.logged.String(); !strings.Contains(said, "panic in a session") || strings.Contains(said, "Doe") {
		t.Errorf("log: %s; want the panic without content", said)
	}
	healthy.say(t, "panic", "+") // in the parser: the message is kept as failed
	if c := w.counters("a1"); c.Failed[subjects.ReasonUnparsable] != 1 {
		t.Errorf("counters %+v", c)
	}
	if strings.Contains(w.logged.String(), "Doe") {
		t.Error("the log holds content")
	}
}

func TestRejectTellsTheInstrument(t *testing.T) {
	w := start(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, unparsable: reject}\n")
	w.call("a1").say(t, "bad", "!")
	if n := len(w.bus.in(subjects.StreamParsed)); n != 1 {
		t.Errorf("%d messages, want the failure stored", n)
	}
}

// pitfalls 3.B25: what was incomplete at a hang-up is kept and counted.
func TestHangUpKeepsTheIncomplete(t *testing.T) {
	w := start(t, callsUs)
	p := w.call("a1")
	_, _ = io.WriteString(p, "half a mess")
	_ = p.Close()
	w.links.await(t, "a1.disconnected")
	if c := w.counters("a1"); c.Failed[subjects.ReasonIncomplete] != 1 {
		t.Errorf("counters %+v, want one incomplete", c)
	}
	raw := w.bus.in(subjects.StreamRaw)
	if len(raw) != 1 || string(raw[0].Body) != "half a mess" || raw[0].Header[subjects.HeaderIncomplete] != subjects.ReasonIncomplete {
		t.Errorf("raw %+v", raw)
	}
}

func TestTooLargeNamesInstrumentAndLimit(t *testing.T) {
	w := start(t, callsUs)
	w.bus.fail = func(_ int, p bridge.Publication) error {
		if p.Stream == subjects.StreamRaw {
			return bridge.ErrTooLarge
		}
		return nil
	}
	w.call("a1").say(t, "WBC", "-")
	failed := w.bus.in(subjects.StreamParsed)
	if len(failed) != 1 || !strings.HasSuffix(failed[0].Subject, ".oversize") || !strings.Contains(string(failed[0].Body), `a1`) || !strings.Contains(string(failed[0].Body), "10MiB") {
		t.Errorf("failed %v, want oversize naming instrument and limit", failed)
	}
}

// pitfalls 3.E41: connected means that somebody is there.
func TestStateIsTheConnections(t *testing.T) {
	w := start(t, callsUs)
	w.links.await(t, "a1.listening")
	if c := w.counters("a1"); c.State != bridge.StateWaiting {
		t.Errorf("state %s with an open listener, want waiting", c.State)
	}
	p := w.call("a1")
	p.say(t, "1", "+")
	if c := w.counters("a1"); c.State != bridge.StateConnected {
		t.Errorf("state %s with a caller, want connected", c.State)
	}
	_ = p.Close()
	w.links.await(t, "a1.disconnected")
	if c := w.counters("a1"); c.State != bridge.StateWaiting {
		t.Errorf("state %s after the hang-up, want waiting", c.State)
	}
}
