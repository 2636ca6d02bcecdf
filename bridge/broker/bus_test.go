package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// logBuffer is a log that may be read while others write.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger(level slog.Level) *slog.Logger {
	return privacytest.Logger(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

// config is an in-process bus in a folder of the test's own.
func config(t testing.TB) broker.Config {
	return broker.Config{Data: t.TempDir(), Listen: broker.ListenNone, StoreMax: 256 << 20, Log: privacytest.Logger(nil)}
}

func open(t testing.TB, c broker.Config) *broker.Bus {
	t.Helper()
	if c.Log == nil {
		c.Log = privacytest.Logger(nil)
	}
	b, err := broker.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, b) })
	t.Cleanup(func() { onbus.Hear(b.JetStream()) })
	return b
}

func shut(t testing.TB, b *broker.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// refused opens a bus that must not open; the error must hold every word.
func refused(t *testing.T, c broker.Config, words ...string) {
	t.Helper()
	b, err := broker.Open(t.Context(), c)
	if err == nil {
		shut(t, b)
		t.Fatalf("Open succeeded, want an error with %q", words)
	}
	privacytest.Error(err)
	for _, w := range words {
		if !strings.Contains(privacytest.Error(err), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

func raw(n int) bridge.Publication {
	return bridge.Publication{
		Stream: subjects.StreamRaw, Subject: subjects.Raw("main", "xn1000"),
		ID: fmt.Sprintf("id-%d", n), Header: map[string]string{subjects.HeaderInstrument: "xn1000"},
		Body: []byte("H|\\^&|||xn1000\rL|1|N\r"),
	}
}

func publish(t testing.TB, b *broker.Bus, p bridge.Publication) bridge.Receipt {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := b.Publish(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func messages(t testing.TB, b *broker.Bus, stream string) uint64 {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// eventually polls a fact that another goroutine makes true.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.After(within)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

func TestReopenKeepsMessages(t *testing.T) {
	c := config(t)
	b := open(t, c)
	for i := range 10 {
		if got, want := publish(t, b, raw(i)).Sequence, uint64(i+1); got != want {
			t.Fatalf("sequence: got %d, want %d", got, want)
		}
	}
	shut(t, b)
	b = open(t, c)
	if got := messages(t, b, subjects.StreamRaw); got != 10 {
		t.Errorf("after reopening: got %d messages, want 10", got)
	}
	if r := publish(t, b, raw(3)); !r.Duplicate || r.Sequence != 4 {
		t.Errorf("repeat after reopening: got %+v, want a duplicate of 4", r)
	}
}

func TestFolderInUse(t *testing.T) {
	c := config(t)
	b := open(t, c)
	refused(t, c, c.Data, "used by another assaybus", "ASSAYBUS_DATA")
	shut(t, b)
	open(t, c)
}

func TestFolderUnusable(t *testing.T) {
	c := config(t)
	c.Data = filepath.Join(c.Data, "file")
	if err := os.WriteFile(c.Data, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, c, c.Data, "ASSAYBUS_DATA")

	if runtime.GOOS == "linux" { // /proc takes no folders, not even from root
		c.Data = "/proc/assaybus"
		refused(t, c, c.Data, "ASSAYBUS_DATA")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	c := config(t)
	b := open(t, c) // what the libraries start once and keep is running now
	shut(t, b)
	before := runtime.NumGoroutine()
	for range 3 {
		b := open(t, c)
		publish(t, b, raw(1))
		shut(t, b)
		shut(t, b)
		if b.Healthy() == nil {
			t.Error("healthy after Close")
		}
		if _, err := b.Publish(t.Context(), raw(2)); err == nil {
			t.Error("published after Close")
		}
	}
	eventually(t, 5*time.Second, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestQuietLog(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(slog.LevelInfo)
	b := open(t, c)
	for i := range 20 {
		publish(t, b, raw(i))
	}
	shut(t, b)
	if got := l.String(); got != "" {
		t.Errorf("all was well and the log says:\n%s", got)
	}
}

func TestDebugLog(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(slog.LevelDebug)
	b := open(t, c)
	publish(t, b, raw(1))
	shut(t, b)
	got := l.String()
	if !strings.Contains(got, "nats-server: ") {
		t.Error("the server's notices are missing at level debug")
	}
	if strings.Contains(got, "H|") {
		t.Error("the log holds content")
	}
}
