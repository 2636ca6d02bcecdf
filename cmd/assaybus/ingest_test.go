package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// results counts the rows of the table of an SQLite file.
func results(t *testing.T, path string) int {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM results WHERE current").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestIngestUntilEmpty(t *testing.T) {
	bus := openBus(t, "")
	for n := range 7 {
		store(t, bus, subjects.StreamParsed, subjects.Parsed("main", "xn1000", "result"), n, marshal(t, codec.Message{
			Schema: codec.Schema, ID: fmt.Sprint("m", n), Instrument: "xn1000", Kind: "result", Results: make([]codec.Result, 3),
		}))
	}
	path := filepath.Join(t.TempDir(), "results.db")
	var stderr bytes.Buffer
	code := hearing(t.Context(), []string{"ingest", "--database", path, "--nats", bus.URL(), "--until-empty"}, strings.NewReader(""), io.Discard, &stderr)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if got := results(t, path); got != 21 {
		t.Errorf("%d results, want 21", got)
	}
	if strings.Contains(stderr.String(), "\r") {
		t.Errorf("a bar where nobody looks: %q", stderr.String())
	}
	for _, want := range []string{`"messages":7`, `"results":21`, `"durable":"ingest"`} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, stderr.String())
		}
	}
}

// The end that a service manager asks for is no failure.
func TestIngestEnds(t *testing.T) {
	bus := openBus(t, "")
	log := &logLines{lines: make(chan map[string]any, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- hearing(ctx, []string{"ingest", "--database", filepath.Join(t.TempDir(), "results.db"), "--nats", bus.URL()}, strings.NewReader(""), io.Discard, log)
	}()
	log.await(t, "ingesting")
	cancel()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d, want 0", got)
	}
}

func TestIngestRefuses(t *testing.T) {
	bus := openBus(t, "")
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"durable":  {[]string{"--durable", "a.b"}, exitUsage, "durable name"},
		"bus":      {[]string{"--nats", "http://x"}, exitUsage, "--nats"},
		"database": {[]string{"--nats", bus.URL(), "--database", "/nowhere/at/all.db"}, exitFailed, "this user may write"},
		"scheme":   {[]string{"--nats", bus.URL(), "--database", "mysql://u:secret@h/d"}, exitFailed, "not known"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := hearing(t.Context(), append([]string{"ingest"}, tt.args...), strings.NewReader(""), io.Discard, &stderr)
			if code != tt.code || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit code %d, want %d; %q, want %q in it", code, tt.code, stderr.String(), tt.want)
			}
			if strings.Contains(stderr.String(), "secret") {
				t.Errorf("a password: %s", stderr.String())
			}
		})
	}
}

// The inbox is the user's own.
func TestIngestInbox(t *testing.T) {
	for url, want := range map[string]string{
		"": "_INBOX_ingest", "nats://bus:4222": "_INBOX_ingest", "nats://lis:secret@bus:4222,nats://b": "_INBOX_lis", "nats://t.o>ken@bus": "_INBOX_ingest",
	} {
		f := ingestFlags{durable: "ingest", bus: busFlag{url}}
		if got := f.inbox(config{}); got != want {
			t.Errorf("%q: got %s, want %s", url, got, want)
		}
	}
}

func TestServeIngest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	t.Setenv(prefix+"_INGEST_DATABASE", path)
	s := startServe(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: hl7}\n", "--ingest")
	p := s.call("a1")
	for n := range 3 {
		_, _ = io.WriteString(p, oru(n))
		if got := p.answer(t); !strings.HasPrefix(got, "AA|") {
			t.Fatalf("answer %q, want AA", got)
		}
	}
	limit := time.After(20 * time.Second)
	for results(t, path) < 3 {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			t.Fatal("the results do not reach the database")
		}
	}
	if code := s.stop(); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestBarText(t *testing.T) {
	at := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	from := barMark{at, ingest.Progress{Messages: 1000, Results: 20000, Pending: 9000}}
	for want, to := range map[string]barMark{
		"[==                      ]  10 %  20000 results, 9000 messages wait":            from,
		"[============            ]  50 %  40000 results/s, 5000 messages wait, 3s left": {at.Add(2 * time.Second), ingest.Progress{Messages: 5000, Results: 100000, Pending: 5000}},
		"[========================] 100 %  90000 results/s, 0 messages wait":             {at.Add(2 * time.Second), ingest.Progress{Messages: 10000, Results: 200000}},
		"[=                       ]   5 %  0 results/s, 19000 messages wait":             {at.Add(2 * time.Second), ingest.Progress{Messages: 1000, Results: 20000, Pending: 19000}},
	} {
		if got := barText(from, to); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
