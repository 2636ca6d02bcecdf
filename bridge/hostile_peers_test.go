package bridge_test

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// silent are 5,000 connections that never speak. They cost their sockets and
// a goroutine each, and no other link notices.
func (h *hostile) silent(t *testing.T) {
	n := 5000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := (int(limit.Cur) - 2000) / 2; most < n {
		t.Logf("only %d connections: the limit of open files is %d", most, limit.Cur)
		n = most
	}
	for range n {
		h.dial(t, "silent")
	}
	eventually(t, "all silent connections are there", func() bool { return h.counters("silent").Connections == n })
	pause(t, *hostileFor)
	if got := h.counters("silent"); got.Connections != n || len(got.Refused) > 0 {
		t.Errorf("%d connections, refused %v; want %d and nobody", got.Connections, got.Refused, n)
	}
}

// flood takes all places of an instrument and knocks on.
func (h *hostile) flood(t *testing.T) {
	for range 8 {
		h.dial(t, "flood")
	}
	eventually(t, "the places are taken", func() bool { return h.counters("flood").Connections == 8 })
	var knocks uint64
	for end := time.Now().Add(*hostileFor); time.Now().Before(end) && knocks < 20000; knocks++ {
		nc, err := net.Dial("tcp", h.server.Addr("flood").String())
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Fatal("the ninth is answered")
		}
		_ = nc.Close()
	}
	if got := h.counters("flood").Refused[bridge.RefusedConnections]; got != knocks {
		t.Errorf("%d refused, want all %d", got, knocks)
	}
}

// slowLoris sends a byte at a time, always within the receive timer; the
// message timeout ends it. What arrived is kept.
func (h *hostile) slowLoris(t *testing.T) {
	for id, text := range map[string]string{
		"slow-astm": strings.Repeat("slow", 1000),
		"slow-hl7":  "\x0bMSH|^~\\&|" + strings.Repeat("slow", 1000),
	} {
		nc := h.dial(t, id)
		if id == "slow-astm" { // the message begins as it should
			_, _ = io.WriteString(nc, "\x05"+astmFrame(1, "H|\\^&|||slow\r", 0x17)+"\x022P|")
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; h.counters(id).Events[codec.EventTimeout] == 0; n++ {
			if _, err := nc.Write([]byte{text[n%len(text)]}); err != nil {
				break // the connection was ended, which is what we want
			}
			if n > 1000 {
				t.Fatalf("%s: 20 s at a byte each 20 ms and the message timeout of 1 s has not passed", id)
			}
			<-tick.C
		}
		eventually(t, id+" kept what arrived", func() bool { return h.counters(id).Failed[subjects.ReasonIncomplete] > 0 })
	}
}

// endlessFrame never ends its frame.
func (h *hostile) endlessFrame(t *testing.T) {
	nc := h.dial(t, "frame")
	_, _ = io.WriteString(nc, "\x05\x021H|")
	h.pour(t, nc, strings.Repeat("endless", 1000), 16<<20)
	h.awaitRefused(t, "frame", bridge.RefusedOversize, 1)
}

// endlessSession sends good frame after good frame of one message without end.
func (h *hostile) endlessSession(t *testing.T) {
	nc := h.dial(t, "session")
	_, _ = io.WriteString(nc, "\x05")
	_, _ = io.WriteString(nc, astmFrame(1, "H|\\^&|||x\rP|1\rO|1|SPCHOST-1\r", 0x17))
	go func() { _, _ = io.Copy(io.Discard, nc) }()
	for n := 2; n < 5000; n++ {
		if _, err := io.WriteString(nc, astmFrame(n, strings.Repeat("C|1|I|endless\r", 20), 0x17)); err != nil {
			break
		}
	}
	h.awaitRefused(t, "session", bridge.RefusedOversize, 1)
}

// oneByteOver is a message of 10 MiB and one byte.
func (h *hostile) oneByteOver(t *testing.T) {
	head := "MSH|^~\\&|BENCH|LAB|||20261123083600||ORU^R01|7|P|2.3.1\rOBX|1|ED|PDF||"
	body := head + strings.Repeat("A", codec.DefaultMaxMessage+1-len(head))
	nc := h.dial(t, "large-hl7")
	go func() { _, _ = io.WriteString(nc, "\x0b"+body+"\x1c\r") }()
	h.awaitRefused(t, "large-hl7", bridge.RefusedOversize, 1)
	nc = h.dial(t, "large-astm")
	go func() {
		_, _ = io.WriteString(nc, "\x05"+astmFrame(1, "H|\\^&|||x\rM|1|", 0x17))
		for n := 2; ; n++ {
			if _, err := io.WriteString(nc, astmFrame(n, strings.Repeat("A", 500<<10), 0x17)); err != nil {
				return
			}
		}
	}()
	h.awaitRefused(t, "large-astm", bridge.RefusedOversize, 1)
	for _, id := range []string{"large-hl7", "large-astm"} {
		if c := h.counters(id); c.Bytes > 0 || len(c.Messages) > 0 {
			t.Errorf("%s: %+v; want nothing stored of it", id, c)
		}
	}
}

// nulFlood sends zeros and nothing else.
func (h *hostile) nulFlood(t *testing.T) {
	for _, id := range []string{"nul-auto", "nul-astm", "nul-hl7"} {
		nc := h.dial(t, id)
		h.pour(t, nc, strings.Repeat("\x00", 4096), 4<<20)
		_ = nc.Close()
		eventually(t, id+" is free again", func() bool { return h.counters(id).Connections == 0 })
		if c := h.counters(id); c.Bytes > 0 {
			t.Errorf("%s: %+v; want nothing stored", id, c)
		}
	}
	h.awaitRefused(t, "nul-auto", bridge.RefusedProtocol, 1)
}

// probes are those of port scanners.
func (h *hostile) probes(t *testing.T) {
	const each = 6
	for _, id := range []string{"probe-auto", "probe-astm", "probe-hl7"} {
		for n := range each {
			nc := h.dial(t, id)
			if id != "probe-auto" { // which hangs up by itself
				_ = nc.SetDeadline(time.Now().Add(100 * time.Millisecond))
			}
			if n%2 == 0 {
				_ = tls.Client(nc, &tls.Config{ServerName: "bench.lab"}).Handshake()
			} else {
				_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: bench.lab\r\n\r\n")
				_, _ = io.Copy(io.Discard, nc)
			}
			_ = nc.Close()
			eventually(t, id+" is free again", func() bool { return h.counters(id).Connections == 0 })
		}
		// a ClientHello is random: what happens to be framed in it is kept as failed
		if c := h.counters(id); len(c.Messages) > 0 || c.Events[codec.EventNoise] < each {
			t.Errorf("%s: %+v; want no message and %d times noise", id, c, each)
		}
	}
	h.awaitRefused(t, "probe-auto", bridge.RefusedProtocol, each)
}

// random sends random bytes on 50 connections to each kind of link. Control
// characters are as frequent as all others together, so that some are framed.
func (h *hostile) random(t *testing.T) {
	var going sync.WaitGroup
	end := time.Now().Add(*hostileFor)
	for n := range 50 {
		id := []string{"random-auto", "random-astm", "random-hl7"}[n%3]
		rnd := rand.New(rand.NewPCG(uint64(n), 42))
		going.Go(func() {
			for time.Now().Before(end) {
				nc, err := net.Dial("tcp", h.server.Addr(id).String())
				if err != nil {
					t.Errorf("connect: %v", err)
					return
				}
				_ = nc.SetDeadline(end.Add(time.Second))
				go func() { _, _ = io.Copy(io.Discard, nc) }()
				for time.Now().Before(end) {
					if _, err := nc.Write(randomBytes(rnd)); err != nil {
						break
					}
				}
				_ = nc.Close()
			}
		})
	}
	going.Wait()
	for _, id := range []string{"random-auto", "random-astm", "random-hl7"} {
		if c := h.counters(id); c.Messages["result"] > 0 {
			t.Errorf("%s took %v for messages", id, c.Messages)
		}
	}
}

func randomBytes(rnd *rand.Rand) []byte {
	const control = "\x02\x03\x04\x05\x06\x0b\x15\x17\x1c\r\nHML|"
	b := make([]byte, 1+rnd.IntN(2000))
	for i := range b {
		if b[i] = byte(rnd.Uint32()); rnd.IntN(2) == 0 {
			b[i] = control[rnd.IntN(len(control))]
		}
	}
	return b
}

// deaf sends good messages and never reads an answer.
func (h *hostile) deaf(t *testing.T) {
	nc := h.dial(t, "deaf")
	if err := nc.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	long := strings.Replace(hl7Message(1, "5.9"), "BENCH", strings.Repeat("B", 30<<10), 1) // comes back in the answer
	go func() {
		for {
			if _, err := io.WriteString(nc, long); err != nil {
				return
			}
		}
	}()
	h.awaitRefused(t, "deaf", bridge.RefusedUnread, 1)
}

// tinyRecords sends messages of two-byte records, which become hundreds each
// when they are decoded.
func (h *hostile) tinyRecords(t *testing.T) {
	nc := h.dial(t, "tiny")
	go func() { _, _ = io.Copy(io.Discard, nc) }()
	_, _ = io.WriteString(nc, "\x05")
	n := 1
	for _, text := range []string{"H|\\^&|||x\rP|1\rO|1|SPCHOST-1\r", strings.Repeat("R\r", 60_000), strings.Repeat("R\r", 60_000), "L|1\r"} {
		_, _ = io.WriteString(nc, astmFrame(n, text, 0x03))
		n++
	}
	eventually(t, "the message is kept as failed", func() bool { return h.counters("tiny").Failed[subjects.ReasonUnparsable] == 1 })
}

// pour writes text again and again until most bytes are written or the other
// side has had enough.
func (h *hostile) pour(t *testing.T, nc net.Conn, text string, most int) {
	t.Helper()
	go func() { _, _ = io.Copy(io.Discard, nc) }()
	for n := 0; n < most; n += len(text) {
		if _, err := io.WriteString(nc, text); err != nil {
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Errorf("neither read nor ended: %v", err)
			}
			return
		}
	}
}

// pause is time for others to go on.
func pause(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
