package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// serve runs a nats-server that is not ours.
func serve(t *testing.T, edit func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 256 << 20, JetStreamMaxMemory: 16 << 20,
	}
	if edit != nil {
		edit(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s
}

func external(s *server.Server) broker.Config {
	return broker.Config{URL: s.ClientURL(), StoreMax: 128 << 20, ConnectTimeout: 5 * time.Second, Log: privacytest.Logger(nil)}
}

func TestExternal(t *testing.T) {
	b := open(t, external(serve(t, nil)))
	if r := publish(t, b, raw(1)); r.Sequence != 1 {
		t.Errorf("got %+v", r)
	}
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
	if b.Conn().MaxPayload() == broker.MaxPayload {
		t.Error("the payload limit is the server's, not ours")
	}
}

func TestExternalRefused(t *testing.T) {
	pass := "s3cret"
	locked := serve(t, func(o *server.Options) { o.Username, o.Password = "lab", pass })
	token := serve(t, func(o *server.Options) { o.Authorization = pass })
	plain := serve(t, func(o *server.Options) { o.JetStream = false })
	garbage := filepath.Join(t.TempDir(), "lab.creds")
	if err := os.WriteFile(garbage, []byte("not a key: "+pass), 0o600); err != nil {
		t.Fatal(err)
	}
	closed := "nats://lab:" + pass + "@" + freeAddress(t)
	for name, tt := range map[string]struct {
		edit  func(*broker.Config)
		words []string
	}{
		"password":     {func(c *broker.Config) { c.URL = "nats://lab:wr0ng@" + locked.Addr().String() }, []string{locked.Addr().String(), "ASSAYBUS_NATS_CREDS"}},
		"token":        {func(c *broker.Config) { c.URL, c.Token = token.ClientURL(), "wr0ng" }, []string{"ASSAYBUS_NATS_TOKEN"}},
		"unreachable":  {func(c *broker.Config) { c.URL = closed }, []string{"start the server", "ASSAYBUS_NATS_URL", "300ms"}},
		"no JetStream": {func(c *broker.Config) { c.URL = plain.ClientURL() }, []string{"JetStream", "switch"}},
		"no creds":     {func(c *broker.Config) { c.URL, c.Creds = locked.ClientURL(), "/no/such.creds" }, []string{"ASSAYBUS_NATS_CREDS", "/no/such.creds"}},
		"bad creds":    {func(c *broker.Config) { c.URL, c.Creds = locked.ClientURL(), garbage }, []string{"ASSAYBUS_NATS_CREDS"}},
		"no CA":        {func(c *broker.Config) { c.URL, c.CA = locked.ClientURL(), "/no/ca.pem" }, []string{"ASSAYBUS_NATS_TLS_CA", "/no/ca.pem"}},
		"half a pair":  {func(c *broker.Config) { c.URL, c.Cert = locked.ClientURL(), "cert.pem" }, []string{"certificate and key"}},
		"not a URL":    {func(c *broker.Config) { c.URL = "nats://lab:" + pass + "%zz@127.0.0.1:1" }, []string{"ASSAYBUS_NATS_URL", "not a URL"}},
		"replicas":     {func(c *broker.Config) { c.URL, c.Replicas = serve(t, nil).ClientURL(), 3 }, []string{"ASSAYBUS_REPLICAS"}},
		"embedded":     {func(c *broker.Config) { c.Creds = "a.creds" }, []string{"ASSAYBUS_NATS_URL"}},
		"embedded R3":  {func(c *broker.Config) { c.Replicas = 3 }, []string{"ASSAYBUS_NATS_URL"}},
		"negative":     {func(c *broker.Config) { c.StoreMax = -1 }, []string{"store limit"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.ConnectTimeout = 300 * time.Millisecond
			tt.edit(&c)
			start := time.Now()
			b, err := broker.Open(t.Context(), c)
			if err == nil {
				shut(t, b)
				t.Fatal("opened")
			}
			for _, w := range tt.words {
				if !strings.Contains(privacytest.Error(err), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if strings.Contains(privacytest.Error(err), pass) || strings.Contains(privacytest.Error(err), "wr0ng") {
				t.Errorf("the error shows a secret: %q", err)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestExternalOpenEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := broker.Open(ctx, broker.Config{URL: "nats://" + freeAddress(t), Log: privacytest.Logger(nil)})
	if err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

// A server that does not answer in time is named, with what to do.
func TestExternalDoesNotAnswer(t *testing.T) {
	address := freeAddress(t)
	_, err := broker.Open(t.Context(), broker.Config{URL: "nats://" + address, ConnectTimeout: 100 * time.Millisecond, Log: privacytest.Logger(nil)})
	for _, want := range []string{"nats://" + address, "after 100ms", "start the server"} {
		if err == nil || !strings.Contains(privacytest.Error(err), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// An instrument hears no during an outage and the message is stored once
// afterwards: nothing waits in the client to be sent as a ghost.
func TestExternalOutage(t *testing.T) {
	var l logBuffer
	var opts server.Options
	s := serve(t, func(o *server.Options) { opts = *o })
	c := external(s)
	c.Log = l.logger(slog.LevelInfo)
	b := open(t, c)
	publish(t, b, raw(1))
	opts.Port = s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	eventually(t, 5*time.Second, "unhealthy", func() bool { return b.Healthy() != nil })
	if err := b.Healthy(); !strings.Contains(privacytest.Error(err), "127.0.0.1") {
		t.Errorf("the reason does not name the server: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.Publish(ctx, raw(2)); err == nil {
		t.Error("published during the outage")
	}
	// Nor does the connection keep anything for later: ReconnectBufSize(-1).
	if err := b.Conn().Publish(subjects.Raw("main", "ghost"), []byte("ghost")); err == nil {
		t.Error("the connection took a message during the outage")
	}
	serve(t, func(o *server.Options) { *o = opts })
	eventually(t, 20*time.Second, "recovery", func() bool { return b.Healthy() == nil })
	if got := messages(t, b, subjects.StreamRaw); got != 1 {
		t.Errorf("got %d messages, want no ghost", got)
	}
	if publish(t, b, raw(2)).Duplicate {
		t.Error("the refused message was stored")
	}
	for _, w := range []string{"bus disconnected", "bus connected again", "bus cannot store", "bus stores again"} {
		if n := strings.Count(l.String(), w); n != 1 {
			t.Errorf("%q was said %d times, want once", w, n)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"nats://u:p@h:4222":           "nats://h:4222",
		"tls://tok@h:1, u:p@i:2":      "tls://h:1,nats://i:2",
		"127.0.0.1:4222":              "nats://127.0.0.1:4222",
		"nats://u:p%zz@h":             "(unreadable URL)",
		"nats://h:4222/?token=secret": "nats://h:4222",
	} {
		if got := broker.Redact(in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestServerVersion(t *testing.T) {
	for v, ok := range map[string]bool{"2.15.2": true, "2.12.0": true, "3.0.0": true, "2.11.9": false, "1.4.1": false, "": false} {
		if err := broker.CheckVersion(v); (err == nil) != ok {
			t.Errorf("%q: got %v", v, err)
		}
	}
}

func TestNoConnectionLeftAfterRefusal(t *testing.T) {
	s := serve(t, nil)
	c := external(s)
	c.Replicas = 3
	if _, err := broker.Open(t.Context(), c); err == nil {
		t.Fatal("opened")
	} else if errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "no connection", func() bool { return s.NumClients() == 0 })
}
