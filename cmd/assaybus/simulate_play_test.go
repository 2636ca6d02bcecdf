package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// shelf is a codec.Host that stores everything in memory.
type shelf struct {
	mu     sync.Mutex
	stored []string
}

func (s *shelf) Receive(_ context.Context, d codec.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	privacytest.Message(d.Raw)
	s.stored = append(s.stored, string(d.Raw))
	return nil
}

func (s *shelf) Incomplete(context.Context, codec.Delivery, error) {}
func (s *shelf) Ready() error                                      { return nil }

// take serves one connection to its end.
func (s *shelf) take(t *testing.T, protocol string, conn net.Conn) {
	defer conn.Close()
	p, err := all.Protocols.Build(protocol, codec.Options{})
	if err != nil {
		t.Error(err)
		return
	}
	for p.Serve(t.Context(), conn, s) == nil {
		continue
	}
}

func (s *shelf) listen(t *testing.T, protocol string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.take(t, protocol, conn) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func TestSimulatePlays(t *testing.T) {
	for _, protocol := range all.Protocols.Names() {
		t.Run(protocol, func(t *testing.T) {
			var s shelf
			code, stdout, stderr := runText(t, "", "simulate", "--to", s.listen(t, protocol), "--protocol", protocol,
				"--count", "20", "--connections", "2", "--start", "7", "--fault", "split=0.5,cut=0.2", "--json")
			var got struct{ Sent, Acknowledged, Repeats, Unacknowledged int }
			if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitOK {
				t.Fatalf("exit %d, %q, %q, %v", code, stdout, stderr, err)
			}
			if got.Sent != 20 || got.Acknowledged != 20 || got.Unacknowledged != 0 || got.Repeats == 0 {
				t.Errorf("got %+v, want 20 sent and acknowledged, with repeats for the cuts", got)
			}
			if len(s.stored) < 20 {
				t.Errorf("%d stored, want at least 20", len(s.stored))
			}
		})
	}
}

// Bare records with line feeds, and what came over the wire, are the same
// messages to an instrument.
func TestSimulatePlaysFilesAndCaptures(t *testing.T) {
	const bare = "MSH|^~\\&|A|B|C|D|20260102030405||ORU^R01|1|P|2.3.1\nOBX|1|NM|WBC||5.9\nMSH|^~\\&|A|B|C|D|20260102030405||ORU^R01|2|P|2.3.1\n"
	cr := strings.ReplaceAll(bare, "\n", "\r")
	half := strings.LastIndex(cr, "MSH|")
	capture := filepath.Join(t.TempDir(), "capture.bin")
	if err := os.WriteFile(capture, []byte("\x0b"+cr[:half]+"\x1c\r\x0b"+cr[half:]+"\x1c\r"), 0o600); err != nil {
		t.Fatal(err)
	}
	var s shelf
	code, stdout, stderr := runText(t, bare, "simulate", "--to", s.listen(t, "auto"), "-", capture)
	if code != exitOK || !strings.Contains(stdout, "p50") || stderr != "" {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	if got := strings.Join(s.stored, ""); got != cr+cr {
		t.Errorf("stored %q, want %q twice", got, cr)
	}
}

func TestSimulateListens(t *testing.T) {
	heard, say := io.Pipe()
	done := make(chan int, 1)
	var out strings.Builder
	go func() {
		done <- hearing(t.Context(), []string{"simulate", "--listen", "127.0.0.1:0", "--protocol", "astm"}, strings.NewReader(""), &out, say)
	}()
	line, err := bufio.NewReader(heard).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(strings.TrimSpace(line), " on ")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var s shelf
	s.take(t, "astm", conn)
	if code := <-done; code != exitOK || len(s.stored) != 5 {
		t.Errorf("exit %d, %d stored of 5, %q", code, len(s.stored), out.String())
	}
}
