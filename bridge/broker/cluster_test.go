package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

const memberPassword = "change-me"

// member runs server n of the cluster that docs/cluster.md describes.
func member(t *testing.T, n int, folder string, addresses []string) *server.Server {
	t.Helper()
	manual, err := os.ReadFile("../../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(manual), "```\n# nats.conf of n1;")
	text, _, found := strings.Cut(text, "```\n")
	if !found {
		t.Fatal("docs/cluster.md has no nats.conf")
	}
	text = "#" + text
	for _, r := range [][2]string{
		{"server_name: n1", fmt.Sprintf("server_name: n%d", n+1)},
		{"listen: 0.0.0.0:4222", "listen: 127.0.0.1:-1"},
		{"listen: 0.0.0.0:6222", "listen: " + addresses[n]},
		{"n1:6222", addresses[0]}, {"n2:6222", addresses[1]}, {"n3:6222", addresses[2]},
		{"/var/lib/nats", strconv.Quote(folder)},
	} {
		if strings.Count(text, r[0]) != 1 {
			t.Fatalf("nats.conf of docs/cluster.md has not one %q", r[0])
		}
		text = strings.Replace(text, r[0], r[1], 1)
	}
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LAB_PASSWORD", memberPassword)
	printed, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, func(o *server.Options) {
		*o = *printed
		o.NoSigs, o.NoLog = true, true
	})
}

// memberURL is s with its user.
func memberURL(s *server.Server) string {
	return "nats://assaybus:" + memberPassword + "@" + s.Addr().String()
}

// behind names what is not well with the copies of the streams.
func behind(ctx context.Context, js jetstream.JetStream) error {
	for _, name := range []string{subjects.StreamRaw, subjects.StreamParsed, subjects.StreamLink, subjects.StreamOpen} {
		s, err := js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c := s.CachedInfo().Cluster
		if c == nil || c.Leader == "" || len(c.Replicas) != 2 {
			return fmt.Errorf("%s has no leader, or too few copies", name)
		}
		for _, r := range c.Replicas {
			if !r.Current || r.Offline {
				return fmt.Errorf("%s on %s is behind", name, r.Name)
			}
		}
	}
	return nil
}

// ask repeats a question to JetStream until the cluster has the answer.
func ask(t *testing.T, s *server.Server, what string, question func(context.Context, jetstream.JetStream) error) {
	t.Helper()
	nc, err := nats.Connect(memberURL(s))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < time.Minute; {
		if err = question(t.Context(), js); err == nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("%s: %v", what, err)
}

// A cluster that loses its power, and then once more, has every message that
// was acknowledged. Among compressed copies it would not: nats-server 2.15 cuts
// the last block of a copy back to Raft's snapshot when it starts, and while it
// writes to that block again compresses what is there, so that the next start
// finds it damaged, in every copy.
func TestClusterKilledTwice(t *testing.T) {
	folder := t.TempDir()
	addresses := []string{freeAddress(t), freeAddress(t), freeAddress(t)}
	places := []string{filepath.Join(folder, "n1"), filepath.Join(folder, "n2"), filepath.Join(folder, "n3")}
	var servers []*server.Server
	begin := func() {
		t.Helper()
		servers = nil
		for n, place := range places {
			servers = append(servers, member(t, n, place, addresses))
		}
	}
	end := func() {
		for _, s := range servers {
			s.Shutdown()
		}
		for _, s := range servers {
			s.WaitForShutdown()
		}
	}
	var stored []uint64
	store := func(when string) {
		t.Helper()
		if len(stored) > 0 { // at first Open must wait by itself
			ask(t, servers[0], when, behind)
		}
		c := external(servers[0])
		c.URL, c.Replicas, c.ConnectTimeout = memberURL(servers[0]), 3, time.Minute
		b, err := broker.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, b)
		for _, name := range []string{subjects.StreamRaw, subjects.StreamParsed} {
			if got := stream(t, b, name).Config; got.Replicas != 3 || got.Compression != jetstream.NoCompression {
				t.Errorf("%s: %d copies, compression %v", name, got.Replicas, got.Compression)
			}
		}
		ask(t, servers[0], when, behind)
		if got := messages(t, b, subjects.StreamRaw); got != uint64(len(stored)) {
			t.Errorf("%s: %d messages, %d were acknowledged", when, got, len(stored))
		}
		for range 100 {
			p := raw(len(stored))
			p.Body = bytes.Repeat(fmt.Appendf(nil, "R|%d\r", len(stored)), 200)
			ask(t, servers[0], when, func(ctx context.Context, _ jetstream.JetStream) error { // a leader may change meanwhile
				ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
				defer cancel()
				r, err := b.Publish(ctx, p)
				if err == nil {
					stored = append(stored, r.Sequence)
				}
				return err
			})
		}
		for n, seq := range stored {
			ask(t, servers[0], when, func(ctx context.Context, js jetstream.JetStream) error {
				s, err := js.Stream(ctx, subjects.StreamRaw)
				if err != nil {
					return err
				}
				m, err := s.GetMsg(ctx, seq)
				if err == nil && m.Header.Get(nats.MsgIdHdr) != raw(n).ID {
					t.Fatalf("%s: message %d of %d is not the one that was acknowledged", when, n, len(stored))
				}
				return err
			})
		}
		ask(t, servers[0], when, behind)
	}

	begin()
	store("at first")
	end() // an orderly end leaves a snapshot
	begin()
	for n := range 2 {
		store(fmt.Sprintf("before kill %d", n+1))
		// What a power cut leaves: the files as they are while the server runs.
		for _, place := range places {
			if err := os.CopyFS(place+".left", os.DirFS(place)); err != nil {
				t.Fatal(err)
			}
		}
		end()
		for _, place := range places {
			if err := os.RemoveAll(place); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(place+".left", place); err != nil {
				t.Fatal(err)
			}
		}
		begin()
	}
	store("at last")
}
