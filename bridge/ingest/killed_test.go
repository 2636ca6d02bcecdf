package ingest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/ingest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// The environment of the child of testKilled.
const (
	childTarget = "INGEST_TEST_TARGET"
	childBus    = "INGEST_TEST_BUS"
	childDeath  = "INGEST_TEST_DEATH"
)

// mortal kills its own process around its second batch.
type mortal struct {
	ingest.Sink
	death string // before, during or after the commit
	wrote int
}

func (m *mortal) Write(ctx context.Context, batch []ingest.Delivery) error {
	if len(batch) > 0 {
		m.wrote++
	}
	die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	switch {
	case m.wrote < 2:
	case m.death == "before":
		die()
	case strings.HasPrefix(m.death, "during"):
		after, err := time.ParseDuration(strings.TrimPrefix(m.death, "during "))
		if err != nil {
			return err
		}
		time.AfterFunc(after, die)
	case m.death == "after":
		err := m.Sink.Write(ctx, batch)
		die()
		return err
	}
	return m.Sink.Write(ctx, batch)
}

// TestChild is no test but the process that [testKilled] kills.
func TestChild(t *testing.T) {
	target := os.Getenv(childTarget)
	if target == "" {
		return // an ordinary run of the tests
	}
	sink, err := ingest.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(os.Getenv(childBus))
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	c := ingest.Config{JetStream: js, Sink: &mortal{Sink: sink, death: os.Getenv(childDeath)}, AckWait: killedAckWait, UntilEmpty: true, Log: privacytest.Logger(nil)}
	if err := ingest.New(c).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// killedAckWait is how long the messages of a killed ingester are away here.
const killedAckWait = 500 * time.Millisecond

func TestKilledSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	_, db := openSQLite(t, path)
	testKilled(t, path, db)
}

// testKilled ingests into target with a process that is killed again and
// again, before, within and after a commit, and compares with what one that
// is left alone makes of the same messages.
func testKilled(t *testing.T, target string, db look) {
	const messages, perMessage = 1500, 3
	bus := openBus(t)
	publishMany(t, bus, messages, perMessage)
	publishHistory(t, bus, messages)
	deaths := []string{"before", "after", "during 3ms", "after", "during 10ms"}
	killed := 0
	for _, death := range deaths {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
		child.Env = append(os.Environ(), childTarget+"="+target, childBus+"="+bus.URL(), childDeath+"="+death)
		out, err := child.CombinedOutput()
		status, _ := child.ProcessState.Sys().(syscall.WaitStatus)
		switch {
		case status.Signaled() && status.Signal() == syscall.SIGKILL:
			killed++
		case err != nil:
			t.Fatalf("child: %v\n%s", err, out)
		}
	}
	if killed < len(deaths)/2 {
		t.Fatalf("only %d of %d processes were killed: the test shows nothing", killed, len(deaths))
	}
	last, err := ingest.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	ingestAll(t, bus, last, ingest.Config{AckWait: killedAckWait})

	calm, calmDB := openSQLite(t, filepath.Join(t.TempDir(), "calm.db"))
	ingestAll(t, bus, calm, ingest.Config{Durable: "calm"})
	if diff := cmp.Diff(history(t, calmDB), history(t, db)); diff != "" {
		t.Errorf("killed %d times, results (-without +with kills):\n%s", killed, diff)
	}
	want := fmt.Sprintf("%d|%d", messages*perMessage+10, messages*perMessage+10)
	if got := lines(t, db, "SELECT count(*), count(DISTINCT specimen || code || value) FROM results WHERE current OR corrected_by IS NOT NULL"); got[0] != want {
		t.Errorf("results: %s, want %s", got[0], want)
	}
}

// history is every row of results with what it is worth, without what
// depends on the order of arrival.
func history(t *testing.T, db look) []string {
	t.Helper()
	rows := lines(t, db, `SELECT m.message_id, r.item, r.specimen, r.code, r.value, CASE WHEN r.current THEN 1 ELSE 0 END, c.message_id
		FROM results r JOIN messages m ON m.id = r.message LEFT JOIN messages c ON c.id = r.corrected_by`)
	slices.Sort(rows)
	return rows
}
