package broker_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge/broker"
)

// way is a way to a server that can be cut: then connections stay open and
// nothing passes, as in a partitioned network.
type way struct {
	addr string
	mu   sync.Mutex
	cut  bool
}

func newWay(t *testing.T, target string) *way {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{addr: l.Addr().String()}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	carry := func(to, from net.Conn) {
		defer to.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if w.isCut() {
				<-ctx.Done()
			}
			if _, e := to.Write(buffer[:n]); err != nil || e != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(target, "nats://"))
			if err != nil {
				in.Close()
				continue
			}
			context.AfterFunc(ctx, func() { in.Close(); out.Close() })
			wg.Go(func() { carry(out, in) })
			wg.Go(func() { carry(in, out) })
		}
	})
	return w
}

func (w *way) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

func (w *way) setCut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
}

// A server behind a partition answers nothing and hangs up on nobody. The bus
// finds that out by itself and goes on with another server of the list.
func TestPartitionedServerIsLeft(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	ways := map[string]*way{}
	var urls []string
	for range 2 {
		w := newWay(t, s.ClientURL())
		ways["nats://"+w.addr] = w
		urls = append(urls, "nats://"+w.addr)
	}
	b := open(t, broker.Config{URL: strings.Join(urls, ","), StoreMax: 128 << 20, ConnectTimeout: 5 * time.Second})
	publish(t, b, raw(1))
	first := b.Conn().ConnectedUrl()
	ways[first].setCut()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.Publish(ctx, raw(2)); err == nil {
		t.Fatal("published through a cut line")
	}
	if b.Healthy() == nil {
		t.Error("healthy although nothing is confirmed")
	}
	eventually(t, 12*time.Second, "another server", func() bool { return b.Healthy() == nil })
	if now := b.Conn().ConnectedUrl(); now == first {
		t.Errorf("still on %s", now)
	}
	publish(t, b, raw(2))
}
