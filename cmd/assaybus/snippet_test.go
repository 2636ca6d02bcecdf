package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	_ "modernc.org/sqlite"

	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/subjects"
)

// consumers is the file that holds the snippets.
const consumers = "docs/consumers.md"

// snippet is the only code block of the chapter on consumers that is of the
// language and holds the words.
func snippet(t *testing.T, language, words string) string {
	t.Helper()
	_, chapter, found := strings.Cut(codectest.Manual(t)[consumers], "\n## Your own consumer\n")
	if !found {
		t.Fatalf("%s has no chapter on consumers of one's own", consumers)
	}
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	var blocks []string
	for _, b := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(chapter, -1) {
		if strings.Contains(b[1], words) {
			blocks = append(blocks, b[1])
		}
	}
	if len(blocks) != 1 {
		t.Fatalf("%s has %d blocks of %s with %q, want 1", consumers, len(blocks), language, words)
	}
	return blocks[0]
}

// someone is a consumer's program that runs until it is interrupted.
type someone struct {
	command []string
	stored  func(t *testing.T, path string) []string // specimen, code, value, kind and revision of every row
}

// goes runs the program on the bus until its durable has acknowledged all
// there is, and returns the lines that it printed.
func (s someone) goes(t *testing.T, l *laboratory, durable string, args ...string) []string {
	t.Helper()
	c := exec.CommandContext(t.Context(), s.command[0], slices.Concat(s.command[1:], []string{durable}, args)...)
	c.Env = append(os.Environ(), "NATS_URL="+l.bus.URL())
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(2 * time.Minute)
	for idle := false; !idle; {
		select {
		case <-tick.C:
			idle = l.idle(durable)
		case err := <-ended:
			t.Fatalf("it ended by itself: %v\n%s%s", err, out.String(), complaint.String())
		case <-limit:
			_ = c.Process.Kill()
			t.Fatalf("not idle after 2 minutes: %v\n%s", <-ended, complaint.String())
		}
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("interrupted: %v\n%s", err, complaint.String())
	}
	return slices.Collect(strings.Lines(out.String()))
}

// idle reports that someone asks for more on the durable and there is no more.
func (l *laboratory) idle(durable string) bool {
	c, err := l.bus.JetStream().Consumer(l.t.Context(), subjects.StreamParsed, durable)
	if err != nil {
		return false // not made yet
	}
	i := c.CachedInfo()
	return i.NumPending == 0 && i.NumAckPending == 0 && i.NumWaiting > 0
}

// again puts the first message into the stream a second time, as a repeat after
// the window of duplicates does: the same but for the sequence.
func (l *laboratory) again() {
	l.t.Helper()
	m := l.stored(subjects.StreamParsed)[0]
	if _, err := l.bus.JetStream().PublishMsg(l.t.Context(), &nats.Msg{Subject: m.Subject, Data: m.Body}); err != nil {
		l.t.Fatal(err)
	}
}

// keepsItsPromise is what docs/consumers.md says of a consumer, whatever it is written in.
func (s someone) keepsItsPromise(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	durable, kept := "lis", filepath.Join(t.TempDir(), "kept")
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-2"))
	l.send("xn", "astm", astmMessage("SPCR-1")) // the stream drops it
	want := []string{"xn SPCR-1 GLU 5.9 mmol/L revision 1\n", "xn SPCR-2 GLU 5.9 mmol/L revision 1\n"}
	if diff := cmp.Diff(want, s.goes(t, l, durable, kept)); diff != "" {
		t.Errorf("first run (-want +got):\n%s", diff)
	}
	rows := []string{"SPCR-1 GLU 5.9 result 1", "SPCR-2 GLU 5.9 result 1"}
	if diff := cmp.Diff(rows, s.stored(t, kept)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}

	// Everything is delivered again, and a late repeat comes.
	l.again()
	if _, err := l.bus.JetStream().ResetConsumerToSequence(t.Context(), subjects.StreamParsed, durable, 1); err != nil {
		t.Fatal(err)
	}
	if l.idle(durable) {
		t.Fatal("the durable has nothing to deliver again: this proves nothing")
	}
	if got := s.goes(t, l, durable, kept); len(got) > 0 {
		t.Errorf("repeats: it printed %q, want nothing", got)
	}
	if diff := cmp.Diff(rows, s.stored(t, kept)); diff != "" {
		t.Errorf("rows after repeats (-want +got):\n%s", diff)
	}

	// A replay publishes higher revisions, which replace.
	l.must(exitOK, "replay", "--publish", "--all", "--run", "harare")
	want = []string{"xn SPCR-1 GLU 5.9 mmol/L revision 2\n", "xn SPCR-2 GLU 5.9 mmol/L revision 2\n"}
	if diff := cmp.Diff(want, s.goes(t, l, durable, kept)); diff != "" {
		t.Errorf("after the replay (-want +got):\n%s", diff)
	}
	rows = []string{"SPCR-1 GLU 5.9 result 2", "SPCR-2 GLU 5.9 result 2"}
	if diff := cmp.Diff(rows, s.stored(t, kept)); diff != "" {
		t.Errorf("rows after the replay (-want +got):\n%s", diff)
	}

	// From a time, with what was lost since, and nobody else notices.
	l.send("xn", "astm", astmMessage("SPCR-3"))
	stored := l.stored(subjects.StreamParsed)
	from := stored[len(stored)-1].At.UTC().Format(time.RFC3339Nano)
	other := filepath.Join(t.TempDir(), "other")
	want = []string{"xn SPCR-3 GLU 5.9 mmol/L revision 1\n"}
	for _, path := range []string{other, kept} {
		if diff := cmp.Diff(want, s.goes(t, l, "lis-again-"+filepath.Base(path), path, from)); diff != "" {
			t.Errorf("from a time into %s (-want +got):\n%s", filepath.Base(path), diff)
		}
	}
	if got := s.goes(t, l, durable, kept); len(got) > 0 {
		t.Errorf("the first durable after the second: it printed %q, want nothing", got)
	}
	if diff := cmp.Diff([]string{"SPCR-3 GLU 5.9 result 1"}, s.stored(t, other)); diff != "" {
		t.Errorf("rows from a time (-want +got):\n%s", diff)
	}

	// What nobody can read does not stop those behind it.
	for _, body := range []string{"no JSON", "null", "{}"} {
		if _, err := l.bus.JetStream().Publish(t.Context(), subjects.Parsed("main", "xn", "result"), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	l.send("xn", "astm", astmMessage("SPCR-4"))
	want = []string{"xn SPCR-4 GLU 5.9 mmol/L revision 1\n"}
	if diff := cmp.Diff(want, s.goes(t, l, durable, kept)); diff != "" {
		t.Errorf("behind a poison message (-want +got):\n%s", diff)
	}
}

// The Go program of docs/consumers.md, as it is printed.
func TestSnippetGo(t *testing.T) {
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "consumer")
	if err := os.WriteFile(source, []byte(snippet(t, "go", "package main")), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, source)
	build.Dir = codectest.Root(t)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false", "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	someone{command: []string{program}, stored: sqliteRows}.keepsItsPromise(t)
}

func sqliteRows(t *testing.T, path string) []string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT specimen, code, value, kind, revision FROM results JOIN messages USING (id) ORDER BY specimen`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var specimen, code, value, kind string
		var revision int
		if err := rows.Scan(&specimen, &code, &value, &kind, &revision); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(specimen, " ", code, " ", value, " ", kind, " ", revision))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// A durable cannot get another start, and can be set back only to its own.
func TestDurableKeepsItsStart(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-2"))
	js := l.bus.JetStream()
	from := l.stored(subjects.StreamParsed)[1].At
	c := jetstream.ConsumerConfig{Durable: "lis", DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &from, AckPolicy: jetstream.AckExplicitPolicy}
	if _, err := js.CreateOrUpdateConsumer(t.Context(), subjects.StreamParsed, c); err != nil {
		t.Fatal(err)
	}
	earlier := from.Add(-time.Hour)
	c.OptStartTime = &earlier
	if _, err := js.CreateOrUpdateConsumer(t.Context(), subjects.StreamParsed, c); err == nil {
		t.Error("the start of a durable could be changed: docs/consumers.md says that it cannot")
	}
	if _, err := js.ResetConsumerToSequence(t.Context(), subjects.StreamParsed, "lis", 1); err == nil {
		t.Error("a durable was set back to before its start: docs/consumers.md says that it cannot be")
	}
	if _, err := js.ResetConsumerToSequence(t.Context(), subjects.StreamParsed, "lis", 2); err != nil {
		t.Errorf("set back to its start: %v", err)
	}
}
