package broker_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/all"
)

// analyzer is an ASTM instrument on a bridge over b, on a socket of its own.
func analyzer(t *testing.T, b *broker.Bus) net.Conn {
	t.Helper()
	r, err := bridge.Load("custody", []byte("instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: astm}\n"), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	var l logBuffer
	s := bridge.NewServer(bridge.Config{Site: "main", Store: bridge.NewStore(b, 2*time.Second), Board: bridge.NewBoard(), Log: l.logger(0), Grace: time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx, r) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	eventually(t, 5*time.Second, "listener", func() bool { return s.Addr("a1") != nil })
	c, err := net.Dial("tcp", s.Addr("a1").String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// bid sends ENQ and returns the answer; after ACK it ends the session.
func bid(t *testing.T, c net.Conn) byte {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 1)
	if _, err := io.WriteString(c, "\x05"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	if answer[0] == 0x06 {
		if _, err := io.WriteString(c, "\x04"); err != nil {
			t.Fatal(err)
		}
	}
	return answer[0]
}

// The instrument's ENQ is refused while the store is away, and taken again
// within two seconds of its return.
func TestENQFollowsTheStore(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	folder, port := s.StoreDir(), s.Addr().(*net.TCPAddr).Port
	b := open(t, external(s))
	c := analyzer(t, b)
	if got := bid(t, c); got != 0x06 {
		t.Fatalf("a healthy store answers ENQ with %#x", got)
	}
	s.Shutdown()
	s.WaitForShutdown()
	eventually(t, 5*time.Second, "NAK", func() bool { return bid(t, c) == 0x15 })
	serve(t, func(o *server.Options) { o.StoreDir, o.Port = strings.TrimSuffix(folder, "/jetstream"), port })
	back := time.Now()
	eventually(t, 5*time.Second, "ACK", func() bool { return bid(t, c) == 0x06 })
	if took := time.Since(back); took > 2*time.Second {
		t.Errorf("taken again after %v, want at most 2s", took)
	}
}

// The same over the embedded server, which ends and is replaced in-process.
func TestENQFollowsTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	b := open(t, config(t))
	c := analyzer(t, b)
	if got := bid(t, c); got != 0x06 {
		t.Fatalf("a healthy store answers ENQ with %#x", got)
	}
	b.Server().Shutdown()
	ended := time.Now()
	eventually(t, 5*time.Second, "ACK over the new server", func() bool {
		s := b.Server()
		return bid(t, c) == 0x06 && s != nil && s.Running() && b.Healthy() == nil
	})
	if took := time.Since(ended); took > 2*time.Second {
		t.Errorf("taken again after %v, want at most 2s", took)
	}
}
