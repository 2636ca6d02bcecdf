package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/web"
)

// watched is a live page whose snapshot a test changes.
type watched struct {
	*lab
	mu  sync.Mutex
	url string
}

func newWatched(t *testing.T) *watched {
	w := &watched{lab: newLab(t)}
	w.config.Snapshot = func() bridge.Snapshot {
		w.mu.Lock()
		defer w.mu.Unlock()
		s := w.snapshot
		s.At = time.Now()
		return s
	}
	server := httptest.NewServer(web.New(w.config))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	w.url = server.URL
	return w
}

func (w *watched) change(f func(*bridge.Snapshot)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.snapshot)
}

// updates are the pieces that come, each name with what it holds.
func (w *watched) updates(path string) <-chan map[string]json.RawMessage {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || got != "text/event-stream" {
		w.t.Fatalf("%s answers %d, %s", path, answer.StatusCode, got)
	}
	out := make(chan map[string]json.RawMessage)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(out)
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			text, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var pieces map[string]json.RawMessage
			if err := json.Unmarshal([]byte(text), &pieces); err != nil {
				if ctx.Err() == nil { // else the end of the test cut it short
					w.t.Error(err)
				}
				return
			}
			select {
			case out <- pieces:
			case <-ctx.Done():
				return
			}
		}
	})
	w.t.Cleanup(func() { cancel(); reading.Wait(); _ = answer.Body.Close() })
	return out
}

// until waits for a piece that holds a text, and wants no content on the way.
func until(t *testing.T, from <-chan map[string]json.RawMessage, piece, text string) {
	t.Helper()
	for pieces := range from {
		for name, html := range pieces {
			for _, secret := range secrets() {
				if strings.Contains(string(html), secret) {
					t.Errorf("%s holds %q", name, secret)
				}
			}
		}
		if strings.Contains(string(pieces[piece]), text) {
			return
		}
	}
	t.Fatalf("no piece %s with %q came", piece, text)
}

func TestInstrumentIsLive(t *testing.T) {
	w := newWatched(t)
	updates := w.updates("/instruments/xn1000/live")
	until(t, updates, "instrument-state", "connected")
	w.keep("xn1000", message, "")
	w.link(bridge.LinkEvent{Instrument: "xn1000", Event: "connected", Peer: "10.9.8.7:6"})
	w.change(func(s *bridge.Snapshot) { s.Instruments[1].LastMessage = time.Now() })
	until(t, updates, "instrument-messages", "/messages/1")
	w.change(func(s *bridge.Snapshot) { s.Instruments[1].State = bridge.StateRefusing })
	until(t, updates, "instrument-state", "refusing")
	until(t, w.updates("/instruments/xn1000/live"), "instrument-links", "10.9.8.7:6")
	until(t, w.updates("/instruments/xn1000/live?before=1"), "instrument-messages", "No messages before these")
	w.change(func(s *bridge.Snapshot) { s.Instruments = nil })
	until(t, updates, "gone", "no such instrument")
}

func TestProblemsAreLive(t *testing.T) {
	w := newWatched(t)
	updates := w.updates("/problems/live")
	until(t, updates, "problems-past", "Nothing failed")
	w.keep("xn1000", "garbage that is no message of SPEC-0815", "")
	w.link(bridge.LinkEvent{Instrument: "a/b c", Event: "refused", Reason: bridge.RefusedStore})
	w.change(func(s *bridge.Snapshot) { s.Instruments[1].LastProblem = time.Now() })
	until(t, updates, "problems-past", "/messages/1")
	w.change(func(s *bridge.Snapshot) { s.Store = bridge.StoreState{Problem: "disk full"} })
	until(t, updates, "problems-store", "disk full")
	w.change(func(s *bridge.Snapshot) { s.Instruments[0].Problem = "cable out" })
	until(t, updates, "problems-now", "cable out")
}

// Only what changed is sent, and what is watched is bounded.
func TestLiveSendsWhatChanged(t *testing.T) {
	w := newWatched(t)
	updates := w.updates("/live")
	first := <-updates
	if len(first) != 4 {
		t.Errorf("the first update has %d pieces", len(first))
	}
	w.change(func(s *bridge.Snapshot) { s.Disk = &bridge.DiskState{Free: 77 << 30} })
	for next := range updates {
		if store, ok := next["store"]; ok {
			if !strings.Contains(string(store), "77.0 GiB") || next["trouble"] != nil || next["summary"] != nil {
				t.Errorf("after a change of the disk came %s", next)
			}
			break
		}
	}
}

func TestLiveIsBounded(t *testing.T) {
	w := newWatched(t)
	for n := range web.MaxWatchers {
		path := "/live"
		if n%2 == 1 {
			path = "/problems/live"
		}
		w.updates(path)
	}
	answer, err := http.Get(w.url + "/instruments/xn1000/live")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one page too many answers %d", answer.StatusCode)
	}
}
