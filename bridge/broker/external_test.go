package broker_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/broker"
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
	return broker.Config{URL: s.ClientURL(), StoreMax: 128 << 20, ConnectTimeout: 5 * time.Second}
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
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if strings.Contains(err.Error(), pass) || strings.Contains(err.Error(), "wr0ng") {
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
	_, err := broker.Open(ctx, broker.Config{URL: "nats://" + freeAddress(t)})
	if err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
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
	if err := b.Healthy(); !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("the reason does not name the server: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.Publish(ctx, raw(2)); err == nil {
		t.Error("published during the outage")
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

// A stream removed under a running bridge is an illness, not a surprise at
// every message.
func TestStreamRemoved(t *testing.T) {
	for name, c := range map[string]broker.Config{"embedded": config(t), "external": external(serve(t, nil))} {
		t.Run(name, func(t *testing.T) {
			b := open(t, c)
			if err := b.JetStream().DeleteStream(t.Context(), subjects.StreamRaw); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Publish(t.Context(), raw(1)); err == nil {
				t.Error("published without a stream")
			}
			eventually(t, 5*time.Second, "unhealthy", func() bool {
				err := b.Healthy()
				return err != nil && strings.Contains(err.Error(), "LAB_RAW is gone") && strings.Contains(err.Error(), "restart")
			})
		})
	}
}

func TestExternalMemoryStreamRefused(t *testing.T) {
	s := serve(t, nil)
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: subjects.StreamRaw, Subjects: []string{subjects.AllRaw},
		Storage: jetstream.MemoryStorage, Discard: jetstream.DiscardNew,
	}); err != nil {
		t.Fatal(err)
	}
	refused(t, external(s), "LAB_RAW", "storage memory", "nats stream")
}

func TestExternalSubjectsTaken(t *testing.T) {
	s := serve(t, nil)
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"lab.>"}}); err != nil {
		t.Fatal(err)
	}
	refused(t, external(s), "LAB_RAW", "another stream has these subjects")
}

// A user who may not publish: said in the log once, not once per message.
func TestExternalPermissionDenied(t *testing.T) {
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "lab", Password: "lab", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"lab.raw.>"}},
		}}}
	})
	var l logBuffer
	c := external(s)
	c.URL = "nats://lab:lab@" + s.Addr().String()
	c.Log = l.logger(slog.LevelInfo)
	b := open(t, c)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := b.Publish(ctx, raw(1))
		cancel()
		if err == nil {
			t.Fatal("published without permission")
		}
	}
	eventually(t, 5*time.Second, "log", func() bool { return strings.Contains(strings.ToLower(l.String()), "permissions violation") })
	if n := strings.Count(l.String(), "msg=bus "); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, l.String())
	}
}

func TestExternalTLS(t *testing.T) {
	ca, cert, key := certificates(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool.AppendCertsFromPEM(text)
	s := serve(t, func(o *server.Options) {
		o.TLS, o.TLSVerify = true, true
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	})
	c := external(s)
	c.CA, c.Cert, c.Key = ca, cert, key
	publish(t, open(t, c), raw(1))
	c.CA = ""
	refused(t, c, "ASSAYBUS_NATS_TLS_CA")
}

// The embedded listener with TLS lets in who shows a certificate.
func TestEmbeddedTLS(t *testing.T) {
	ca, cert, key := certificates(t)
	c := config(t)
	c.Listen, c.CA, c.Cert, c.Key = "127.0.0.1:0", ca, cert, key
	b := open(t, c)
	publish(t, b, raw(1))
	nc, err := nats.Connect(b.URL(), nats.RootCAs(ca), nats.ClientCert(cert, key))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if nc, err := nats.Connect(b.URL(), nats.RootCAs(ca)); err == nil {
		nc.Close()
		t.Error("connected without a client certificate")
	}
}

// certificates makes an authority and a pair that serves as both ends.
func certificates(t *testing.T) (ca, cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "assaybus test"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: kder}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, cert, key
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
