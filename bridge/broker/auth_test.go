package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/crypto/bcrypt"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

const (
	lisPassword     = "lis-Aegh4ohquu"
	monitorPassword = "mon-ieL7aesh9u"
	bridgePassword  = "bri-Ohx3eiz4ah"
)

// secretFile writes a file that only its owner may read.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// withUsers is a bus with one user of each role; the consumer's password is in
// bcrypt.
func withUsers(t *testing.T) (*broker.Bus, *logBuffer) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(lisPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	c := config(t)
	c.Listen, c.Log = "127.0.0.1:0", log.logger(slog.LevelDebug)
	c.Users = secretFile(t, "users:\n  - {name: lis, password: '"+string(hash)+"', role: consumer}\n"+
		"  - {name: watch, password: "+monitorPassword+", role: monitor}\n  - {name: edge, password: "+bridgePassword+", role: bridge}\n")
	return open(t, c), &log
}

// login is a user's connection and what the server refused to it.
func login(t *testing.T, b *broker.Bus, name, password string) (*nats.Conn, <-chan error) {
	t.Helper()
	refusals := make(chan error, 100)
	options := []nats.Option{nats.UserInfo(name, password), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refusals <- err })}
	if name != "edge" {
		options = append(options, nats.CustomInboxPrefix("_INBOX_"+name))
	}
	nc, err := nats.Connect(b.URL(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, refusals
}

// mayNot publishes to, or asks, every subject and expects to be refused.
func mayNot(t *testing.T, nc *nats.Conn, refusals <-chan error, subjects ...string) {
	t.Helper()
	for _, s := range subjects {
		if err := nc.Publish(s, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refusals:
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(strings.ToLower(privacytest.Error(err)), strings.ToLower(s)) {
				t.Errorf("%s: %v", s, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s was not refused", s)
		}
	}
}

// mayNotHear subscribes to every subject and expects to be refused.
func mayNotHear(t *testing.T, nc *nats.Conn, refusals <-chan error, subjects ...string) {
	t.Helper()
	for _, s := range subjects {
		if _, err := nc.SubscribeSync(s); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refusals:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", s, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("listening on %s was not refused", s)
		}
	}
}

func TestNobodyWithoutPassword(t *testing.T) {
	b, log := withUsers(t)
	for _, who := range [][2]string{{"", ""}, {"lis", "guess"}, {"assaybus", ""}, {"nobody", lisPassword}} {
		if nc, err := nats.Connect(b.URL(), nats.UserInfo(who[0], who[1])); err == nil {
			nc.Close()
			t.Errorf("%q is let in", who[0])
		}
	}
	for _, secret := range []string{lisPassword, monitorPassword, bridgePassword, "$2a$"} {
		if strings.Contains(log.String(), secret) {
			t.Error("the log holds a password")
		}
	}
}

// The consumer reads its durable, which is there when it first comes, and
// touches nothing else.
func TestConsumerRole(t *testing.T) {
	b, _ := withUsers(t)
	publish(t, b, raw(1))
	publish(t, b, parsed(1))
	nc, refusals := login(t, b, "lis", lisPassword)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.Consumer(t.Context(), subjects.StreamParsed, "lis")
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Errorf("acknowledge: %v", err)
	}
	mayNot(t, nc, refusals, "lab.raw.main.x", "lab.parsed.main.x.result", "lab.failed.main.x.unparsable", "lab.link.main.x.connected", "labsvc.order",
		"$JS.API.STREAM.DELETE.LAB_RAW", "$JS.API.STREAM.PURGE.LAB_PARSED", "$JS.API.STREAM.MSG.DELETE.LAB_PARSED", "$JS.API.STREAM.UPDATE.LAB_PARSED",
		"$JS.API.STREAM.INFO.LAB_RAW", "$JS.API.STREAM.MSG.GET.LAB_RAW", "$JS.API.DIRECT.GET.LAB_RAW", "$JS.API.STREAM.CREATE.OTHER",
		"$JS.API.CONSUMER.CREATE.LAB_RAW", "$JS.API.CONSUMER.DELETE.LAB_PARSED.lis", "$JS.API.CONSUMER.MSG.NEXT.LAB_PARSED.other", "$JS.ACK.LAB_PARSED.other.1.1.1.1.1",
		"$SYS.REQ.SERVER.PING")
	mayNotHear(t, nc, refusals, "lab.>", ">", "_INBOX.>", "_INBOX_watch.>", "$JS.>")
	if n := messages(t, b, subjects.StreamRaw); n != 1 {
		t.Errorf("%d raw messages, want 1", n)
	}
}

func TestMonitorRole(t *testing.T) {
	b, _ := withUsers(t)
	nc, refusals := login(t, b, "watch", monitorPassword)
	events, err := nc.SubscribeSync(subjects.AllLink)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	b.PublishLink("lab.link.main.a1.connected", nil, []byte("{}"))
	if _, err := events.NextMsg(5 * time.Second); err != nil {
		t.Errorf("link events: %v", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), subjects.StreamRaw); err != nil {
		t.Errorf("stream info: %v", err)
	}
	mayNot(t, nc, refusals, "lab.raw.main.x", "lab.link.main.a1.connected", "$JS.API.STREAM.MSG.GET.LAB_PARSED", "$JS.API.DIRECT.GET.LAB_RAW",
		"$JS.API.CONSUMER.CREATE.LAB_PARSED", "$JS.API.CONSUMER.MSG.NEXT.LAB_PARSED.lis", "$JS.API.STREAM.DELETE.LAB_RAW", "$JS.API.STREAM.PURGE.LAB_RAW")
	mayNotHear(t, nc, refusals, "lab.raw.>", "lab.parsed.>", "_INBOX.>", "_INBOX_lis.>")
}

// The bridge's own rights suffice for what it does, and end there: it deletes
// nothing.
func TestBridgeRole(t *testing.T) {
	b, _ := withUsers(t)
	nc, refusals := login(t, b, "edge", bridgePassword)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "lab.raw.main.edge", []byte("x"), jetstream.WithExpectStream(subjects.StreamRaw)); err != nil {
		t.Errorf("publish: %v", err)
	}
	c, err := js.OrderedConsumer(t.Context(), subjects.StreamRaw, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(jetstream.FetchMaxWait(5 * time.Second)); err != nil {
		t.Errorf("read back: %v", err)
	}
	s, err := js.Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetMsg(t.Context(), 1); err != nil {
		t.Errorf("get: %v", err)
	}
	mayNot(t, nc, refusals, "$JS.API.STREAM.DELETE.LAB_RAW", "$JS.API.STREAM.PURGE.LAB_RAW", "$JS.API.STREAM.MSG.DELETE.LAB_RAW",
		"$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.UPDATE.OTHER", "$SYS.REQ.SERVER.PING", "other.subject")
	mayNotHear(t, nc, refusals, ">", "_INBOX_lis.>", "$SYS.>")
}

// A consumer cannot have what it reads delivered into the archive: messages
// carry the stream that they belong to.
func TestConsumerCannotForgeByReply(t *testing.T) {
	b, _ := withUsers(t)
	publish(t, b, parsed(1))
	nc, _ := login(t, b, "lis", lisPassword)
	if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.LAB_PARSED.lis", "lab.raw.main.forged", []byte(`{"batch":1,"expires":500000000}`)); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := b.JetStream().Consumer(ctx, subjects.StreamParsed, "lis")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the request is over", func() bool {
		i, err := c.Info(ctx)
		return err == nil && i.Delivered.Consumer == 1
	})
	if got := publish(t, b, raw(1)); got.Sequence != 1 || messages(t, b, subjects.StreamRaw) != 1 {
		t.Errorf("%d messages in %s, ours is number %d; want ours alone", messages(t, b, subjects.StreamRaw), subjects.StreamRaw, got.Sequence)
	}
}

func TestUsersFile(t *testing.T) {
	const good = "{name: lis, password: 0123456789ab, role: consumer}"
	for _, tt := range []struct {
		name, text string
		words      []string // nil = it opens
	}{
		{"good", "users: [" + good + "]", nil},
		{"raw durable", "users: [{name: a, password: 0123456789ab, role: consumer, stream: LAB_RAW, durable: archive}]", nil},
		{"empty", "", []string{"names no user"}},
		{"not yaml", "users: [{name: lis, password: hunter2hunter2", []string{"not understood"}},
		{"unknown key", "users:\n  - {name: lis, pasword: hunter2hunter2}", []string{":2:17", "not understood"}},
		{"no name", "users: [{password: hunter2hunter2, role: monitor}]", []string{"user 1", "letters, digits"}},
		{"wildcard", "users: [{name: '>', password: hunter2hunter2, role: monitor}]", []string{"letters, digits"}},
		{"short password", "users: [{name: a, password: hunter2, role: monitor}]", []string{"at least 12"}},
		{"role", "users: [{name: a, password: hunter2hunter2, role: admin}]", []string{`(got "admin")`}},
		{"stream", "users: [{name: a, password: hunter2hunter2, role: consumer, stream: LAB_LINK}]", []string{"LAB_PARSED or LAB_RAW"}},
		{"durable of a monitor", "users: [{name: a, password: hunter2hunter2, role: monitor, durable: x}]", []string{"are for the role consumer"}},
		{"durable with a dot", "users: [{name: a, password: hunter2hunter2, role: consumer, durable: a.b}]", []string{"durable must be"}},
		{"twice", "users: [" + good + ", " + good + "]", []string{"user 2", "taken"}},
		{"our own", "users: [{name: assaybus, password: hunter2hunter2, role: monitor}]", []string{"taken"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config(t)
			c.Users = secretFile(t, tt.text)
			if tt.words == nil {
				shut(t, open(t, c))
				return
			}
			refused(t, c, append(tt.words, "ASSAYBUS_NATS_USERS")...)
			if _, err := broker.Open(t.Context(), c); strings.Contains(privacytest.Error(err), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	t.Run("with a token", func(t *testing.T) {
		c := config(t)
		c.Users, c.Token = secretFile(t, "users: ["+good+"]"), "t0ken"
		refused(t, c, "two ways to log in")
	})
	t.Run("external", func(t *testing.T) {
		refused(t, broker.Config{URL: "nats://127.0.0.1:1", Users: secretFile(t, "users: ["+good+"]")}, "ASSAYBUS_NATS_USERS is for the embedded server")
	})
	t.Run("for all to read", func(t *testing.T) {
		c := config(t)
		c.Users = secretFile(t, "users: ["+good+"]")
		if err := os.Chmod(c.Users, 0o644); err != nil {
			t.Fatal(err)
		}
		refused(t, c, "chmod 600")
	})
	t.Run("no file", func(t *testing.T) {
		c := config(t)
		c.Users = filepath.Join(t.TempDir(), "none")
		refused(t, c, "ASSAYBUS_NATS_USERS", "no such file", "name a file")
	})
	t.Run("open to the network", func(t *testing.T) {
		c := config(t)
		c.Listen = "0.0.0.0:0"
		refused(t, c, "ASSAYBUS_NATS_USERS")
	})
}
