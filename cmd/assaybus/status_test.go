package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

// statusOf runs the command against a bridge that answers s.
func statusOf(t *testing.T, s bridge.Snapshot, token string, args ...string) (int, string) {
	t.Helper()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/api/snapshot":
			http.NotFound(w, r)
		case r.Header.Get("Authorization") != "Bearer the-token-of-sixteen":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_ = json.NewEncoder(w).Encode(s)
		}
	}))
	defer page.Close()
	t.Setenv("ASSAYBUS_HTTP_TOKEN", token)
	var out bytes.Buffer
	code := hearing(t.Context(), append([]string{"status", "--url", page.URL}, args...), strings.NewReader(""), &out, &out)
	return code, out.String()
}

func TestStatus(t *testing.T) {
	now := time.Now()
	well := bridge.Counters{Instrument: "xn1000", State: bridge.StateConnected, LastMessage: now.Add(-90 * time.Second)}
	well.Hours.Add(now, 17)
	ill := bridge.Counters{Instrument: "cobas\x1b[2J", State: bridge.StateRefusing, Problem: "disk full"}
	s := bridge.Snapshot{
		At: now, Site: "main", Store: bridge.StoreState{Healthy: true}, Instruments: []bridge.Counters{well}, Disk: &bridge.DiskState{Free: 5 << 30},
		Streams: []bridge.StreamState{{Name: "LAB_RAW", Messages: 12, Bytes: 512, MaxBytes: 1024}},
	}
	const token = "the-token-of-sixteen"
	code, out := statusOf(t, s, token)
	for _, want := range []string{"store taking messages", "xn1000", "1m30s ago", "17", "LAB_RAW     12 messages, 512 B of 1 KiB, 50 % full", "5 GiB free"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != exitOK {
		t.Errorf("exit %d when all is well", code)
	}
	s.Instruments = append(s.Instruments, ill)
	code, out = statusOf(t, s, token)
	if code != exitFailed || !strings.Contains(out, "1 instrument: needs attention") || !strings.Contains(out, "disk full") || strings.Contains(out, "\x1b") {
		t.Errorf("exit %d with an ill instrument:\n%q", code, out)
	}
	s.Instruments, s.Store = nil, bridge.StoreState{Problem: "disk full: free some"}
	if code, out = statusOf(t, s, token); code != exitFailed || !strings.Contains(out, "REFUSING: disk full: free some") {
		t.Errorf("exit %d with an ill store:\n%s", code, out)
	}
	if code, out = statusOf(t, s, ""); code != exitFailed || !strings.Contains(out, "set ASSAYBUS_HTTP_TOKEN") {
		t.Errorf("exit %d without a token:\n%s", code, out)
	}
	_, out = statusOf(t, s, token, "--json")
	var back bridge.Snapshot
	if err := json.Unmarshal([]byte(strings.Split(out, "\n")[0]), &back); err != nil || back.Store.Problem != s.Store.Problem {
		t.Errorf("--json prints %q, %v", out, err)
	}
}

// The command and a running bridge agree, and the page is there.
func TestStatusOfServe(t *testing.T) {
	s := startServe(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0'}\n")
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	code := hearing(t.Context(), []string{"status", "--json", "--url", s.page}, strings.NewReader(""), out, out)
	text, _ := os.ReadFile(filepath.Clean(out.Name()))
	var back bridge.Snapshot
	if err := json.Unmarshal(bytes.Split(text, []byte("\n"))[0], &back); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if code != exitOK || len(back.Instruments) != 1 || !back.Store.Healthy || !back.Bus.Connected || back.Disk == nil || back.Build.Go == "" {
		t.Errorf("exit %d, snapshot %+v", code, back)
	}
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/metrics": 200, "/": 200, "/instruments/a1": 200, "/problems": 200, "/messages/1": 404, "/debug/pprof/": 404} {
		got := statusCode(t, s.page+path)
		for deadline := time.Now().Add(10 * time.Second); path == "/readyz" && got != want && time.Now().Before(deadline); { // it has just started
			got = statusCode(t, s.page+path)
		}
		if got != want {
			t.Errorf("%s answers %d, want %d", path, got, want)
		}
	}
}

func statusCode(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}
