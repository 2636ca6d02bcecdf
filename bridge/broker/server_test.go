package broker_test

import (
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

func TestListen(t *testing.T) {
	for _, tt := range []struct {
		listen, token string
		words         []string // of the error; nil = it opens
	}{
		{listen: "127.0.0.1:0"},
		{listen: "localhost:0"},
		{listen: "0.0.0.0:0", words: []string{"0.0.0.0:0", "ASSAYBUS_NATS_TOKEN"}},
		{listen: ":0", words: []string{"ASSAYBUS_NATS_TOKEN"}},
		{listen: "example.org:4222", words: []string{"ASSAYBUS_NATS_TOKEN"}},
		{listen: "0.0.0.0:0", token: "t0ken"},
		{listen: "4222", words: []string{"host:port"}},
		{listen: "127.0.0.1:x", words: []string{"port"}},
	} {
		t.Run(tt.listen+tt.token, func(t *testing.T) {
			c := config(t)
			c.Listen, c.Token = tt.listen, tt.token
			if tt.words != nil {
				refused(t, c, tt.words...)
				return
			}
			b := open(t, c)
			url := strings.Replace(b.URL(), "[::]", "127.0.0.1", 1)
			nc, err := nats.Connect(strings.Replace(url, "0.0.0.0", "127.0.0.1", 1), nats.Token(tt.token))
			if err != nil {
				t.Fatal(err)
			}
			nc.Close()
			if tt.token == "" {
				return
			}
			if nc, err := nats.Connect(url); err == nil {
				nc.Close()
				t.Error("connected without the token")
			}
		})
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := config(t)
	c.Listen = l.Addr().String()
	refused(t, c, c.Listen, "ASSAYBUS_NATS_LISTEN")
	c.Listen = broker.ListenNone
	open(t, c) // the folder was given back
}

func TestNoSocketInProcess(t *testing.T) {
	b := open(t, config(t))
	if a := b.Server().Addr(); a != nil || b.URL() != "" {
		t.Errorf("listens on %v (URL %q), want no socket", a, b.URL())
	}
}

func TestServerOptions(t *testing.T) {
	c := config(t)
	c.StoreMax, c.MemoryMax = 200<<20, 32<<20
	b := open(t, c)
	v, err := b.Server().Varz(&server.VarzOptions{})
	if err != nil {
		t.Fatal(err)
	}
	js := v.JetStream.Config
	if !js.SyncAlways {
		t.Error("SyncAlways is off: acknowledged messages would be lost in a power cut")
	}
	if js.MaxStore != 200<<20 || js.MaxMemory != 32<<20 {
		t.Errorf("limits: got %d and %d, want 200 and 32 MiB", js.MaxStore, js.MaxMemory)
	}
	if v.MaxPayload != broker.MaxPayload || v.MaxPending != 64<<20 || v.Name != "assaybus" || v.Host != "127.0.0.1" {
		t.Errorf("got payload %d, pending %d, name %q, host %q", v.MaxPayload, v.MaxPending, v.Name, v.Host)
	}
	if got := b.Conn().MaxPayload(); got != broker.MaxPayload {
		t.Errorf("client's payload limit: got %d", got)
	}
}

func TestDefaultStoreMax(t *testing.T) {
	c := config(t)
	c.StoreMax = 0
	b := open(t, c)
	v, err := b.Server().Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.JetStream.Config.MaxStore; got < 1<<30 {
		t.Errorf("got %d, want at least 1 GiB", got)
	}
	var sum int64
	for _, name := range []string{subjects.StreamRaw, subjects.StreamParsed, subjects.StreamLink, subjects.StreamOpen} {
		s, err := b.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if s.CachedInfo().Config.MaxBytes <= 0 {
			t.Errorf("%s has no byte limit", name)
		}
		sum += s.CachedInfo().Config.MaxBytes
	}
	if sum >= v.JetStream.Config.MaxStore {
		t.Errorf("the streams reserve %d of %d", sum, v.JetStream.Config.MaxStore)
	}
}
