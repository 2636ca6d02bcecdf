package broker_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

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
				return err != nil && strings.Contains(privacytest.Error(err), "LAB_RAW is gone") && strings.Contains(privacytest.Error(err), "restart")
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
