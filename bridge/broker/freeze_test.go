//go:build linux || darwin

package broker_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

const freezeEnv = "ASSAYBUS_TEST_FREEZE"

// A write error freezes a stream until the server restarts. The limit on file
// size stands for the full disk; it holds for a whole process, so the scene is
// played in one of its own.
func TestFrozenStreamRecovers(t *testing.T) {
	if os.Getenv(freezeEnv) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFrozenStreamRecovers$", "-test.v")
		cmd.Env = append(os.Environ(), freezeEnv+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("scene played")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	var l logBuffer
	c := config(t)
	c.Listen = "127.0.0.1:0"
	c.Log = l.logger(0)
	b := open(t, c)
	url := b.URL()
	p := raw(0)
	p.Body = make([]byte, 2000)
	rand.Read(p.Body)
	acked := map[string]bool{}
	try := func(n int) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		p.ID = fmt.Sprintf("id-%d", n)
		_, err := b.Publish(ctx, p)
		if err == nil {
			acked[p.ID] = true
		}
		return err
	}
	for i := range 20 {
		if err := try(i); err != nil {
			t.Fatal(err)
		}
	}

	restore := limitFiles(t, 100<<10)
	n := 20
	var err error
	for ; err == nil && n < 200; n++ {
		err = try(n)
	}
	if err == nil {
		t.Fatal("the limit has no effect")
	}
	if !strings.Contains(privacytest.Error(err), c.Data) || !strings.Contains(privacytest.Error(err), "make room") {
		t.Errorf("the publication's error lacks folder or next step: %v", err)
	}
	if b.Healthy() == nil {
		t.Error("healthy with a frozen stream")
	}
	start := time.Now()
	if try(n) == nil || time.Since(start) > time.Second {
		t.Errorf("a publication while frozen took %v, want a refusal at once", time.Since(start))
	}
	// It stays ill, without restarts, while the disk takes nothing.
	for until := time.After(1500 * time.Millisecond); ; {
		if b.Healthy() == nil {
			t.Fatal("healthy while the disk takes nothing")
		}
		select {
		case <-time.After(50 * time.Millisecond):
			continue
		case <-until:
		}
		break
	}
	if strings.Contains(l.String(), "restarting") {
		t.Error("restarted although the disk takes nothing")
	}

	restore()
	eventually(t, 2*time.Second, "recovery", func() bool { return b.Healthy() == nil })
	for i := n - 1; i < n+20; i++ { // the one that failed is repeated
		if err := try(i); err != nil {
			t.Fatalf("after recovery: %v", err)
		}
	}
	if got := b.URL(); got != url {
		t.Errorf("the listener moved from %s to %s", url, got)
	}
	if got := ids(t, b); len(got) != len(acked) {
		t.Errorf("%d messages are stored, %d were acknowledged", len(got), len(acked))
	} else {
		for id := range acked {
			if got[id] != 1 {
				t.Errorf("%s is stored %d times", id, got[id])
			}
		}
	}
	for _, w := range []string{"bus cannot store", "restarting the embedded server", "bus stores again"} {
		if n := strings.Count(l.String(), w); n != 1 {
			t.Errorf("%q was said %d times, want once\n%s", w, n, l.String())
		}
	}
	fmt.Fprintln(os.Stdout, "scene played")
}

func limitFiles(t *testing.T, bytes uint64) (restore func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	now := old
	now.Cur = bytes
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

// ids counts every message id stored in LAB_RAW.
func ids(t *testing.T, b *broker.Bus) map[string]int {
	t.Helper()
	got := map[string]int{}
	cons, err := b.JetStream().OrderedConsumer(t.Context(), subjects.StreamRaw, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for left := messages(t, b, subjects.StreamRaw); left > 0; left-- {
		m, err := cons.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		got[m.Headers().Get(subjects.HeaderMsgID)]++
	}
	return got
}
