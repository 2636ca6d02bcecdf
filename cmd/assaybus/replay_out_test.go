package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/subjects"
)

func TestReplayElsewhere(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-1"))
	l.received("xn", "H|\\^&\rP|1\r", 2, subjects.ReasonIncomplete, nil)
	code, _, stderr := l.run("replay", "--to", "test.parsed")
	if code != exitFailed || !strings.Contains(stderr, "no such stream takes it; create one") {
		t.Errorf("no stream: exit %d, %s", code, stderr)
	}
	if _, err := l.bus.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "TEST", Subjects: []string{"test.>"}}); err != nil {
		t.Fatal(err)
	}
	if s := l.summary(exitOK, "--to", "test.parsed", "--run", "a"); s.Published != 2 || s.Repeats != 1 {
		t.Errorf("%+v, want 2 published and the repeat left out", s)
	}
	if s := l.summary(exitOK, "--to", "test.parsed", "--run", "a"); s.Published != 0 || s.Already != 2 {
		t.Errorf("%+v, want nothing published again", s)
	}
	var got []string
	for _, m := range l.stored("TEST") {
		got = append(got, m.Subject)
	}
	if want := []string{"test.parsed.main.xn.result", "test.parsed.main.xn.failed"}; !slices.Equal(got, want) {
		t.Errorf("subjects %v, want %v", got, want)
	}
	if s := l.summary(exitOK, "--publish", "--all", "--run", "a"); s.Published != 2 {
		t.Errorf("%+v: the same run id elsewhere hides this one", s)
	}
}

func TestReplayExports(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"))
	dir := filepath.Join(t.TempDir(), "new")
	if s := l.summary(exitOK, "--out", dir); s.Exported != 1 {
		t.Errorf("%+v, want 1 exported", s)
	}
	for name, want := range map[string]fs.FileMode{"": 0o700, "000000000001.raw": 0o600, "000000000001.json": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v %v, want %v", name, info, err, want)
		}
	}
	code, _, stderr := l.run("replay", "--out", dir)
	if code != exitFailed || !strings.Contains(stderr, "000000000001.raw is there already") || !strings.Contains(stderr, "--force") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	// A link planted in the folder is replaced, not followed.
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(dir, "000000000001.raw"))
	if err := os.Symlink(outside, filepath.Join(dir, "000000000001.raw")); err != nil {
		t.Fatal(err)
	}
	l.must(exitOK, "replay", "--out", dir, "--force")
	if got, _ := os.ReadFile(outside); string(got) != "mine" {
		t.Errorf("wrote through a link: %q", got)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "000000000001.raw")); string(got) != astmMessage("SPCR-1") {
		t.Errorf("exported %q", got)
	}
}

func TestReplayUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"--since yesterday", "--since: is no moment"},
		{"--until 1h --since 5m", "--until is before --since"},
		{"--from-seq 5 --to-seq 4", "--to-seq 4 is before --from-seq 5"},
		{"--publish --out x", "say one of them"},
		{"--publish --to test", "say one of them"},
		{"--all", "--all goes with --publish"},
		{"--run x", "--run and --rate go with"},
		{"--rate 5/s", "--run and --rate go with"},
		{"--publish --rate fast", "--rate: write messages per time"},
		{"--publish --run ../x", "--run: 1 to 64 letters"},
		{"--force", "--force goes with --out"},
		{"--to lab.parsed", "choose another prefix"},
		{"--to labsvc", "choose another prefix"},
		{"--to test.>", "--to: letters, digits"},
		{"--to _INBOX.x", "--to: letters, digits"},
		{"--to $JS.API", "--to: letters, digits"},
		{"--protocol poct", "--protocol: unknown protocol"},
		{"--samples -1", "--samples cannot be negative"},
		{"--nats http://x", "--nats: must be nats://"},
	} {
		code, _, stderr := runText(t, "", append([]string{"replay"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit %d, %q, want 2 and %q", tt.args, code, stderr, tt.want)
		}
	}
}

func TestReplayOfNothing(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	if out := l.must(exitOK, "replay"); !strings.HasPrefix(out, "0 messages\n") {
		t.Errorf("output %q", out)
	}
	t.Setenv("ASSAYBUS_INSTRUMENTS", filepath.Join(t.TempDir(), "none.yaml"))
	if _, _, stderr := l.run("replay"); !strings.Contains(stderr, "name it with ASSAYBUS_INSTRUMENTS") {
		t.Errorf("without instruments: %s", stderr)
	}
}
