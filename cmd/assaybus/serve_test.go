package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// served is a running `assaybus serve`.
type served struct {
	t    *testing.T
	js   jetstream.JetStream
	bus  string
	page string // URL
	file string
	log  *logLines
	stop func() int
	from time.Time // when it was started
}

// logLines gives every JSON log line once it is complete.
type logLines struct {
	mu    sync.Mutex
	b     bytes.Buffer
	lines chan map[string]any
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Write(p)
	for {
		line, err := l.b.ReadBytes('\n')
		if err != nil {
			l.b.Write(line)
			return len(p), nil
		}
		var m map[string]any
		if json.Unmarshal(line, &m) != nil {
			m = map[string]any{"msg": string(line)}
		}
		l.lines <- m
	}
}

// await is the first line whose message begins with text.
func (l *logLines) await(t *testing.T, text string) map[string]any {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case m := <-l.lines:
			if s, _ := m["msg"].(string); strings.HasPrefix(s, text) {
				return m
			}
			t.Log(m)
		case <-limit:
			t.Fatalf("nothing was logged that begins with %q", text)
		}
	}
}

func startServe(t *testing.T, instruments string, flags ...string) *served {
	t.Helper()
	return startServeIn(t, t.TempDir(), instruments, flags...)
}

// startServeIn serves from a folder, with what an earlier one left there.
func startServeIn(t *testing.T, folder, instruments string, flags ...string) *served {
	t.Helper()
	s := &served{t: t, from: time.Now(), file: filepath.Join(folder, "instruments.yaml"), log: &logLines{lines: make(chan map[string]any, 100_000)}}
	s.write(instruments)
	for name, value := range map[string]string{
		"INSTRUMENTS": s.file, "DATA": filepath.Join(folder, "data"), "NATS_LISTEN": "127.0.0.1:0", "HTTP": "127.0.0.1:0",
		"STORE_MAX": "1GiB", "SHUTDOWN_GRACE": "5s", "LOG_LEVEL": "debug",
	} {
		t.Setenv(prefix+"_"+name, value)
	}
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- hearing(ctx, append([]string{"serve"}, flags...), strings.NewReader(""), io.Discard, s.log)
	}()
	var once sync.Once
	var result int
	s.stop = func() int {
		once.Do(func() {
			onbus.Hear(s.js)
			hearPages(s.page)
			cancel()
			result = <-code
		})
		return result
	}
	t.Cleanup(func() { s.stop() })
	serving := s.log.await(t, "serving")
	s.bus, _ = serving["bus"].(string)
	s.page, _ = serving["http"].(string)
	nc, err := nats.Connect(s.bus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if s.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return s
}

// hearPages tells the privacy test what a bridge answers to who only looks.
func hearPages(url string) {
	if url == "" || !privacytest.On() {
		return
	}
	browser := http.Client{Timeout: 5 * time.Second}
	defer browser.CloseIdleConnections()
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/api/snapshot", "/problems", "/messages/1"} {
		answer, err := browser.Get(url + path)
		if err != nil {
			continue // the test has taken it away
		}
		var text strings.Builder
		_ = answer.Write(&text)
		_ = answer.Body.Close()
		privacytest.Text(privacytest.KindPage, path+"\n"+text.String())
	}
}

func (s *served) write(instruments string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte(instruments), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// last is the newest message of a subject, once there is one.
func (s *served) last(stream, subject string) *jetstream.RawStreamMsg {
	s.t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for time.Now().Before(limit) {
		str, err := s.js.Stream(s.t.Context(), stream)
		if err != nil {
			s.t.Fatal(err)
		}
		if m, err := str.GetLastMsgForSubject(s.t.Context(), subject); err == nil {
			return m
		}
	}
	s.t.Fatalf("nothing on %s", subject)
	return nil
}

// call connects to the listener that the link event names.
func (s *served) call(instrument string) *analyzer {
	s.t.Helper()
	var e bridge.LinkEvent
	for limit := s.from.Add(20 * time.Second); !e.At.After(s.from); { // not the listener of an earlier life
		if err := json.Unmarshal(s.last(subjects.StreamLink, subjects.Link("main", instrument, subjects.EventListening)).Data, &e); err != nil || time.Now().After(limit) {
			s.t.Fatalf("no listener of %s: %v", instrument, err)
		}
	}
	nc, err := net.Dial("tcp", e.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &analyzer{nc, bufio.NewReader(nc)}
}

type analyzer struct {
	net.Conn
	r *bufio.Reader
}

// answer is the MSA segment of the next block.
func (p *analyzer) answer(t *testing.T) string {
	t.Helper()
	block, err := p.r.ReadString(0x1c)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = p.r.ReadByte()
	_, msa, _ := strings.Cut(block, "\rMSA|")
	msa, _, _ = strings.Cut(msa, "\r")
	return msa
}

// control sends ASTM bytes and expects ACK.
func (p *analyzer) control(t *testing.T, send string) {
	t.Helper()
	_, _ = io.WriteString(p, send)
	if b, err := p.r.ReadByte(); err != nil || b != 0x06 {
		t.Fatalf("answer %02x, %v; want ACK", b, err)
	}
}

func oru(n int) string {
	return fmt.Sprintf("\x0bMSH|^~\\&|BENCH|LAB|||20261123083600||ORU^R01|%d|P|2.3.1\rPID|1\rOBR|1||SPCR-%d|GLU\rOBX|1|NM|GLU||5.9|mmol/L|||||F\r\x1c\r", n, n)
}

func TestServe(t *testing.T) {
	const one = "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: hl7, max_connections: 2}\n"
	s := startServe(t, one)
	p := s.call("a1")
	_, _ = io.WriteString(p, oru(1))
	if got := p.answer(t); !strings.HasPrefix(got, "AA|1") {
		t.Fatalf("answer %q, want AA for message 1", got)
	}
	m := s.last(subjects.StreamParsed, "lab.parsed.main.a1.result")
	var message codec.Message
	if err := json.Unmarshal(m.Data, &message); err != nil {
		t.Fatal(err)
	}
	if len(message.Results) != 1 || message.Results[0].Specimen != "SPCR-1" || message.RawSequence != 1 {
		t.Errorf("parsed %+v", message)
	}

	// a bad file changes nothing and says why; a good one adds a link and
	// leaves the others alone
	s.write(one + "  - {id: b1, listn: x}\n")
	if e, _ := s.log.await(t, "instruments file not taken")["error"].(string); !strings.Contains(e, ":3:") {
		t.Errorf("the reason does not name the line: %q", e)
	}
	s.write(one + "  - {id: b1, listen: '127.0.0.1:0', protocol: hl7}\n  - {id: c1, listen: '127.0.0.1:0', protocol: astm}\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.log.await(t, "instruments file in force")
	_, _ = io.WriteString(s.call("b1"), oru(2))
	_, _ = io.WriteString(p, oru(3))
	if got := p.answer(t); !strings.HasPrefix(got, "AA|3") {
		t.Fatalf("the old connection answers %q", got)
	}

	// SIGTERM in mid-message: what has begun is finished and acknowledged
	sender := s.call("c1")
	sender.control(t, "\x05")
	code := make(chan int, 1)
	go func() { code <- s.stop() }()
	if _, err := p.r.ReadByte(); err == nil {
		t.Error("the idle connection is still open")
	}
	sender.control(t, "\x021H|\\^&\rP|1\rO|1|SPCR-4\rR|1|^^^GLU|5.9\rL|1|N\r\x037F\r\n")
	_, _ = io.WriteString(sender, "\x04")
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d, want 0", got)
	}
}

func TestServeRefusesToStart(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "instruments.yaml")
	if err := os.WriteFile(file, []byte("instruments: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(folder, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		code int
		want string
	}{
		{"no file", map[string]string{"INSTRUMENTS": filepath.Join(folder, "none.yaml")}, exitFailed, "ASSAYBUS_INSTRUMENTS"},
		{"unknown variable", map[string]string{"PATIENSE": "5s"}, exitUsage, "did you mean ASSAYBUS_PATIENCE"},
		{"data is a file", map[string]string{"DATA": plain}, exitFailed, "plain"},
		{"bus refuses us", map[string]string{"NATS_URL": locked(t), "NATS_TOKEN": "another"}, exitFailed, "check ASSAYBUS_NATS_CREDS"}, // one that does not answer: TestExternalDoesNotAnswer
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range map[string]string{"INSTRUMENTS": file, "DATA": filepath.Join(t.TempDir(), "data"), "NATS_LISTEN": "none", "HTTP": "none", "STORE_MAX": "1GiB"} {
				t.Setenv(prefix+"_"+name, value)
			}
			for name, value := range tt.env {
				t.Setenv(prefix+"_"+name, value)
			}
			var stderr bytes.Buffer
			if code := hearing(t.Context(), []string{"serve"}, strings.NewReader(""), io.Discard, &stderr); code != tt.code || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit code %d and %q, want %d and %q", code, stderr.String(), tt.code, tt.want)
			}
		})
	}
}

// locked is the URL of a bus that asks for a token.
func locked(t *testing.T) string {
	t.Helper()
	bus, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Token: "the token", StoreMax: 1 << 30, Log: privacytest.Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close(context.Background()) })
	return bus.URL()
}

func TestWarnPayload(t *testing.T) {
	registry, err := bridge.Load("x", []byte("instruments:\n  - {id: small, listen: '127.0.0.1:0', max_message: 1MiB}\n  - {id: large, listen: '127.0.0.1:0'}\n"), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	warnPayload(privacytest.Logger(slog.NewTextHandler(&out, nil)), registry, 1<<20)
	if said := out.String(); strings.Contains(said, "small") || !strings.Contains(said, "instrument=large max_message=10MiB max_payload=1MiB") {
		t.Errorf("said %q", said)
	}
}

// SIGTERM while it is starting is an orderly end.
func TestServeStoppedWhileStarting(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "instruments.yaml")
	if err := os.WriteFile(file, []byte("instruments: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"INSTRUMENTS": file, "DATA": filepath.Join(folder, "data"), "NATS_LISTEN": "none", "HTTP": "none", "STORE_MAX": "1GiB"} {
		t.Setenv(prefix+"_"+name, value)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	if code := hearing(ctx, []string{"serve"}, strings.NewReader(""), io.Discard, &stderr); code != exitOK || !strings.Contains(stderr.String(), "stopped before it served") {
		t.Errorf("exit code %d and %q, want 0", code, stderr.String())
	}
}
