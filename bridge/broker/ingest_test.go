package broker_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// ingestUser may do what the help of `assaybus ingest` says, and nothing else.
func ingestUser(durable string) *server.User {
	return &server.User{Username: "lis", Password: "lis", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"$JS.API.CONSUMER.INFO.LAB_PARSED." + durable, "$JS.API.CONSUMER.MSG.NEXT.LAB_PARSED." + durable, "$JS.ACK.LAB_PARSED." + durable + ".>",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_lis.>"}},
	}}
}

// A user of least privilege ingests through a consumer that another one made.
func TestIngestUser(t *testing.T) {
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "bridge", Password: "bridge"}, ingestUser("ingest")}
	})
	c := external(s)
	c.URL = "nats://bridge:bridge@" + s.Addr().String()
	b := open(t, c)
	for n := range 3 {
		p := bridge.Publication{
			Stream: subjects.StreamParsed, Subject: subjects.Parsed("main", "xn1000", "result"), ID: fmt.Sprint("m", n),
			Body: fmt.Appendf(nil, `{"schema":"assaybus.message/1","id":"m%d","kind":"result","results":[{"code":"WBC","record":3}]}`, n),
		}
		if n == 2 {
			p.Body = []byte("no JSON")
		}
		if _, err := b.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	var refused []string
	nc, err := nats.Connect("nats://lis:lis@"+s.Addr().String(), nats.CustomInboxPrefix("_INBOX_lis"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, privacytest.Error(err))
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	sink, err := ingest.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "results.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	var done ingest.Progress
	config := ingest.Config{JetStream: js, Sink: sink, UntilEmpty: true, Progress: func(p ingest.Progress) { done = p }, Log: privacytest.Logger(nil)}

	err = ingest.New(config).Run(t.Context())
	if err == nil || !strings.Contains(privacytest.Error(err), "may not create it") {
		t.Fatalf("without a consumer: got %v, want the next step", err)
	}
	mu.Lock()
	if len(refused) != 1 || !strings.Contains(refused[0], "CONSUMER.CREATE") {
		t.Errorf("refused %q, want the creation only", refused)
	}
	refused = nil
	mu.Unlock()

	// a user who may: the bridge's, once, which ends at once
	once, end := context.WithCancel(t.Context())
	maker := ingest.Config{JetStream: b.JetStream(), Sink: endAtOnce{end}, Log: privacytest.Logger(nil)}
	if err := ingest.New(maker).Run(once); err != nil {
		t.Fatal(err)
	}
	if err := ingest.New(config).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := (ingest.Progress{Messages: 3, Results: 2, Failures: 1}); done != want {
		t.Errorf("progress %+v, want %+v", done, want)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(refused) > 0 {
		t.Errorf("refused: %q", refused)
	}
}

// endAtOnce is a sink that takes nothing.
type endAtOnce struct{ end context.CancelFunc }

func (e endAtOnce) Write(context.Context, []ingest.Delivery) error {
	e.end()
	return context.Canceled
}

func (e endAtOnce) Close() error { return nil }
