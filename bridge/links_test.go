package bridge_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// loopback is a listener that plays an instrument which we call.
func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func accept(t *testing.T, l net.Listener) *peer {
	t.Helper()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return newPeer(nc)
}

// pitfalls 3.E39: a dialled link reconnects for ever.
func TestDialReconnects(t *testing.T) {
	l := loopback(t)
	w := start(t, fmt.Sprintf("instruments:\n  - {id: d1, dial: '%s', protocol: lines}\n", l.Addr()))
	for n := range 3 {
		p := accept(t, l)
		p.say(t, fmt.Sprintf("WBC %d", n), "+")
		_ = p.Close()
	}
	if c := w.counters("d1"); c.Messages["result"] != 3 {
		t.Errorf("counters %+v", c)
	}
}

// An instrument that spoke is alive: when its link breaks, for our own reasons
// or its, it is called again after the first pause, however often that was.
func TestDialBackoffForgetsAfterAWord(t *testing.T) {
	t.Parallel()
	l := loopback(t)
	w := start(t, fmt.Sprintf("instruments:\n  - {id: d1, dial: '%s', protocol: lines}\n", l.Addr()))
	w.bus.setSick(errors.New("full"))
	var hungUp time.Time
	for n := range 4 {
		p := accept(t, l)
		if took := time.Since(hungUp); n == 3 && took > 1900*time.Millisecond {
			t.Errorf("the fourth call came after %v, want at most a second", took)
		}
		p.say(t, "WBC", "-")
		_ = p.Close()
		hungUp = time.Now()
	}
}

// The pauses between dials: from a second, doubling to a minute, jittered
// down to a half, for ever (the module we replace gave up after five).
func TestDialBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var pauses []time.Duration
		bridge.Backoff(t.Context(), 12, func() {
			pauses = append(pauses, time.Since(began))
			began = time.Now()
		})
		want := time.Second
		for n, got := range pauses {
			if got < want/2 || got > want {
				t.Errorf("pause %d is %v, want %v to %v", n, got, want/2, want)
			}
			want = min(2*want, time.Minute)
		}
	})
}

func TestSharedListenerToldApartByAddress(t *testing.T) {
	port := freePort(t)
	w := start(t, fmt.Sprintf(`
instruments:
  - {id: wide, listen: '127.0.0.1:%[1]d', from: [127.0.0.0/8], protocol: lines}
  - {id: narrow, listen: '127.0.0.1:%[1]d', from: [127.0.0.5], protocol: lines}
`, port))
	w.links.await(t, "narrow.listening")
	for _, tt := range []struct{ from, want string }{{"127.0.0.5", "narrow"}, {"127.0.0.6", "wide"}} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(tt.from)}}
		nc, err := d.DialContext(t.Context(), "tcp", w.server.Addr("wide").String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		newPeer(nc).say(t, "WBC", "+")
		if c := w.counters(tt.want); c.Messages["result"] != 1 {
			t.Errorf("caller %s is not %s", tt.from, tt.want)
		}
	}
}

// A port that the test has just seen free.
func freePort(t *testing.T) int {
	t.Helper()
	l := loopback(t)
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	return port
}

// pitfalls 3.E40: an address in use is tried again; the others go on.
func TestAddressInUseIsRetried(t *testing.T) {
	taken := loopback(t)
	w := start(t, fmt.Sprintf("instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines}\n  - {id: b1, listen: '%s', protocol: lines}\n", taken.Addr()))
	w.call("a1").say(t, "WBC", "+")
	until(t, "blocked", func() bool { return w.counters("b1").State == bridge.StateBlocked })
	_ = taken.Close()
	w.call("b1").say(t, "WBC", "+")
}

func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	l := loopback(t)
	text := "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines}\n  - {id: b1, listen: '127.0.0.1:0', protocol: lines%s}\n%s"
	dialled := fmt.Sprintf("  - {id: d1, dial: '%s', protocol: lines}\n", l.Addr())
	w := start(t, fmt.Sprintf(text, "", dialled))
	a, b, d := w.call("a1"), w.call("b1"), accept(t, l)
	a.say(t, "1", "+")
	b.say(t, "2", "+")
	d.say(t, "3", "+")
	addr := w.server.Addr("a1").String()
	if err := w.server.Apply(t.Context(), registry(t, fmt.Sprintf(text, ", max_connections: 5", dialled+"  - {id: c1, listen: '127.0.0.1:0', protocol: lines}\n"))); err != nil {
		t.Fatal(err)
	}
	b.hungUp(t) // its options changed
	a.say(t, "4", "+")
	d.say(t, "5", "+")
	if got := w.server.Addr("a1").String(); got != addr {
		t.Errorf("the unchanged listener moved from %s to %s", addr, got)
	}
	w.call("c1").say(t, "6", "+")
	w.call("b1").say(t, "7", "+")
	if err := w.server.Apply(t.Context(), registry(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines}\n")); err != nil {
		t.Fatal(err)
	}
	d.hungUp(t)
	a.say(t, "8", "+")
	if got := len(w.board.Snapshot()); got != 1 {
		t.Errorf("%d instruments on the board, want 1", got)
	}
}

func TestShutdownLetsTheTransmissionFinish(t *testing.T) {
	w := start(t, callsUs)
	idle, busy := w.call("a1"), w.call("a1")
	idle.say(t, "1", "+")
	_, _ = io.WriteString(busy, "half ")
	w.links.await(t, "a1.connected")
	until(t, "two connections", func() bool { return w.counters("a1").Connections == 2 })
	busy.say(t, "and half", "+") // begun before the stop
	_, _ = io.WriteString(busy, "another ")
	waitRead(t, w, busy)
	over := make(chan error, 1)
	go func() { over <- w.stop() }()
	idle.hungUp(t)
	busy.say(t, "message", "+")
	busy.hungUp(t)
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	raw := w.bus.in(subjects.StreamRaw)
	if got := string(raw[len(raw)-1].Body); got != "another message" {
		t.Errorf("last message %q", got)
	}
}

// waitRead blocks until the server has read the first bytes of a conversation.
func waitRead(t *testing.T, w *world, _ *peer) {
	t.Helper()
	last := w.counters("a1").LastMessage
	until(t, "bytes read", func() bool { return w.counters("a1").LastContact.After(last.Add(time.Microsecond)) })
}

// until blocks until what holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for !holds() {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain: %s", what)
		}
		runtime.Gosched()
	}
}

func TestShutdownCutsAfterTheGrace(t *testing.T) {
	w := start(t, callsUs)
	p := w.call("a1")
	p.say(t, "1", "+")
	_, _ = io.WriteString(p, "never ends")
	waitRead(t, w, p)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if c := w.counters("a1"); c.Failed[subjects.ReasonIncomplete] != 1 || c.Connections != 0 {
		t.Errorf("counters %+v, want the rest kept as incomplete", c)
	}
}

// Registration and shutdown race: with 200 dials at the same time every
// connection is either served to its end or refused, and none leaks.
func TestShutdownAgainst200Dials(t *testing.T) {
	w := start(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, max_connections: 500}\n")
	w.links.await(t, "a1.listening")
	addr := w.server.Addr("a1").String()
	var wg sync.WaitGroup
	var mu sync.Mutex
	acknowledged := 0
	for n := range 200 {
		wg.Go(func() {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer func() { _ = nc.Close() }()
			_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
			p := newPeer(nc)
			_, _ = fmt.Fprintf(p, "WBC %d\n", n)
			if got, _ := p.r.ReadString('\n'); strings.HasPrefix(got, "+") {
				mu.Lock()
				acknowledged++
				mu.Unlock()
			}
		})
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if stored := len(w.bus.in(subjects.StreamRaw)); stored < acknowledged {
		t.Errorf("%d acknowledged, %d stored", acknowledged, stored)
	}
	if c := w.counters("a1"); c.Connections != 0 {
		t.Errorf("%d connections left", c.Connections)
	}
	if err := w.server.Apply(t.Context(), registry(t, callsUs)); err == nil {
		t.Error("Apply works on a closed server")
	}
}

func TestIdleTimeoutCloses(t *testing.T) {
	w := start(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, idle_timeout: 50ms}\n")
	p := w.call("a1")
	p.say(t, "1", "+")
	p.hungUp(t)
}

// A burst of transmissions is announced in part; the next one that is says how
// many were left out.
func TestBurstIsAnnouncedInPart(t *testing.T) {
	var w bridge.Window
	now := time.Now()
	count := func(n int) (announced, skipped int) {
		for range n {
			if s, ok := w.Admit(now); ok {
				announced++
				skipped += s
			}
		}
		return announced, skipped
	}
	if n, s := count(50); n != 20 || s != 0 {
		t.Errorf("in a burst of 50: %d announced, %d said to be skipped; want 20 and 0", n, s)
	}
	now = now.Add(time.Second)
	if n, s := count(1); n != 1 || s != 30 {
		t.Errorf("a second later: %d announced, %d said to be skipped; want 1 and 30", n, s)
	}
	if n, s := count(1); n != 1 || s != 0 {
		t.Errorf("the next: %d announced, %d said to be skipped; want 1 and 0", n, s)
	}
}
