//go:build snippets

// These tests need Node, npm, openssl and the nats command: `make snippets`.

package main

import (
	"encoding/json"
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

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/subjects"
)

// The Node program of docs/consumers.md, as it is printed.
func TestSnippetNode(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("there is no %s: apt-get install nodejs npm", program)
		}
	}
	dir := t.TempDir()
	var locked struct{ Dependencies map[string]string }
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", "node", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err == nil && name == "package.json" {
			err = json.Unmarshal(text, &locked)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	printed := map[string]string{}
	for _, p := range regexp.MustCompile(`(@nats-io/[a-z-]+)@(\S+)`).FindAllStringSubmatch(snippet(t, "sh", "npm install"), -1) {
		printed[p[1]] = p[2]
	}
	if diff := cmp.Diff(locked.Dependencies, printed); diff != "" {
		t.Fatalf("what docs/consumers.md installs is not what is tested (-tested +printed):\n%s", diff)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	program := filepath.Join(dir, "consumer.mjs")
	if err := os.WriteFile(program, []byte(snippet(t, "js", "import")), 0o600); err != nil {
		t.Fatal(err)
	}
	node := someone{command: []string{"node", program}, stored: lastLines}
	node.keepsItsPromise(t)
	t.Run("half a line", func(t *testing.T) { halfALine(t, node) })
}

// lastLines are the rows of a file in which the last line of an id counts.
func lastLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		var m struct {
			codec.Message
			Revision int `json:"revision"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		rows[m.ID] = nil
		for _, r := range m.Results {
			rows[m.ID] = append(rows[m.ID], fmt.Sprint(r.Specimen, " ", r.Code, " ", r.Value, " ", m.Kind, " ", m.Revision))
		}
	}
	var all []string
	for _, of := range rows {
		all = append(all, of...)
	}
	slices.Sort(all)
	return all
}

// What a crash cut off is written again, since it was not acknowledged.
func halfALine(t *testing.T, s someone) {
	l := openLaboratory(t, twoInstruments)
	path := filepath.Join(t.TempDir(), "kept")
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("Ü-2"))
	s.goes(t, l, "lis", path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-20); err != nil {
		t.Fatal(err)
	}
	if _, err := l.bus.JetStream().ResetConsumerToSequence(t.Context(), subjects.StreamParsed, "lis", 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"xn Ü-2 GLU 5.9 mmol/L revision 1\n"}, s.goes(t, l, "lis", path)); diff != "" {
		t.Errorf("after the crash (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"SPCR-1 GLU 5.9 result 1", "Ü-2 GLU 5.9 result 1"}, lastLines(t, path)); diff != "" {
		t.Errorf("rows after the crash (-want +got):\n%s", diff)
	}
}

// The certificate that docs/instruments.md makes is one that a listener takes.
func TestSnippetCertificates(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("there is no openssl: apt-get install openssl")
	}
	const page = "docs/instruments.md"
	all := scripts(codectest.Manual(t)[page])
	at := slices.IndexFunc(all, func(script string) bool { return strings.Contains(script, "openssl") })
	if at < 0 {
		t.Fatalf("%s makes no certificate", page)
	}
	m := openManual(t)
	m.run(page, m.folder(), all[at])
}

// natsShell runs what docs/consumers.md prints in a shell whose nats is the pinned one.
func natsShell(t *testing.T, l *laboratory) func(script string) string {
	t.Helper()
	program := os.Getenv("NATSCLI")
	if program == "" {
		t.Fatal("NATSCLI does not say where the nats command is: run make snippets")
	}
	home := t.TempDir() // no context of whoever runs the tests
	if err := os.Symlink(program, filepath.Join(home, "nats")); err != nil {
		t.Fatal(err)
	}
	return func(script string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "bash", "-eu", "-c", script)
		c.Env = append(os.Environ(), "PATH="+home+":"+os.Getenv("PATH"), "HOME="+home, "XDG_CONFIG_HOME="+home, "NATS_URL="+l.bus.URL())
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
}

// specimens are those in what the nats command shows, in its order.
func specimens(out string) []string {
	var all []string
	for _, found := range regexp.MustCompile(`"results":\[\{"specimen":"([^"]*)"`).FindAllStringSubmatch(out, -1) {
		all = append(all, found[1])
	}
	return all
}

// The nats commands of docs/consumers.md, as they are printed but for a count and a
// duration.
func TestSnippetNats(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	sh := natsShell(t, l)
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-2"))
	sent := time.Now()
	first := snippet(t, "sh", "consumer next LAB_PARSED lis ")
	if diff := cmp.Diff([]string{"SPCR-1"}, specimens(sh(first))); diff != "" {
		t.Errorf("next (-want +got):\n%s", diff)
	}
	_, next, _ := strings.Cut(first, "\n")
	if diff := cmp.Diff([]string{"SPCR-2"}, specimens(sh(next))); diff != "" {
		t.Errorf("next of what was acknowledged (-want +got):\n%s", diff)
	}
	if got := l.left("lis"); got != 0 {
		t.Errorf("the durable has %d left, want 0", got)
	}
	if diff := cmp.Diff([]string{"SPCR-1"}, specimens(sh(snippet(t, "sh", "consumer reset")+next))); diff != "" {
		t.Errorf("after the reset (-want +got):\n%s", diff)
	}

	// From a time on: old ones are older than the time that is asked for, and
	// the new one is younger.
	const ago = 20 * time.Second
	again := snippet(t, "sh", "--deliver 24h")
	if diff := cmp.Diff([]string{"SPCR-1", "SPCR-2"}, specimens(sh(strings.Replace(again, "--count 1", "--count 2", 1)))); diff != "" {
		t.Errorf("from 24 hours ago (-want +got):\n%s", diff)
	}
	select {
	case <-time.After(time.Until(sent.Add(ago))):
	case <-t.Context().Done():
	}
	l.send("xn", "astm", astmMessage("SPCR-3"))
	late := strings.Replace(again, "--deliver 24h", "--deliver "+ago.String(), 1)
	if diff := cmp.Diff([]string{"SPCR-3"}, specimens(sh(late))); diff != "" {
		t.Errorf("from %v ago (-want +got):\n%s", ago, diff)
	}
	if got, want := l.left("lis"), uint64(2); got != want { // SPCR-2 after the reset, and SPCR-3
		t.Errorf("the first durable has %d left, want %d: another one moved it", got, want)
	}
}

// left is how many messages the durable has still to get.
func (l *laboratory) left(durable string) uint64 {
	l.t.Helper()
	c, err := l.bus.JetStream().Consumer(l.t.Context(), subjects.StreamParsed, durable)
	if err != nil {
		l.t.Fatal(err)
	}
	return c.CachedInfo().NumPending + uint64(c.CachedInfo().NumAckPending)
}
