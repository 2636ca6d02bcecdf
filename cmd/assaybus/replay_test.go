package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// astmMessage is a result of the specimen.
func astmMessage(specimen string) string {
	return "H|\\^&|||bench^1.0|||||||P|1|20261123083600\rP|1\rO|1|" + specimen + "||^^^GLU|R\rR|1|^^^GLU|5.9|mmol/L||N||F||op|20261123083000|20261123083100\rL|1|N\r"
}

const inHarare = `instruments:
  - {id: xn, listen: '127.0.0.1:0', protocol: astm, timezone: Africa/Harare}
  - {id: cobas, listen: '127.0.0.1:0', protocol: hl7}
`

// Whatever stands in testdata: what a live session published over a real
// socket is what replay derives, byte for byte.
func TestReplayDerivesWhatWasPublishedLive(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	sent := 0
	for protocol, instrument := range map[string]string{"astm": "xn", "hl7": "cobas"} {
		messages := readMessages(t, filepath.Join("..", "..", "testdata", protocol, "messages"))
		own, err := builtIn(protocol)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range own {
			messages = append(messages, string(m))
		}
		for _, m := range messages {
			if protocol == "hl7" && strings.ContainsAny(m, "\x0b\x1c") {
				continue // no block can carry it
			}
			l.send(instrument, protocol, m)
			sent++
		}
	}
	l.end() // what asks for no acknowledgement is stored now
	raw := l.messages(subjects.StreamRaw)
	if sent < 100 || raw < uint64(sent) {
		t.Fatalf("%d messages sent, %d stored: too few to prove anything", sent, raw)
	}
	s := l.summary(exitOK)
	if s.Same+s.Repeats != s.Messages || uint64(s.Messages) != raw || s.Same < 100 {
		t.Errorf("summary %+v, want all of %d the same", s, raw)
	}
	dir := t.TempDir()
	l.must(exitOK, "replay", "--out", dir)
	compared := 0
	for _, m := range l.stored(subjects.StreamParsed) {
		sequence, err := strconv.ParseUint(m.Get(subjects.HeaderRawSequence), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%012d.json", sequence)))
		if err != nil {
			t.Fatal(err)
		}
		if want := append(slices.Clone(m.Body), '\n'); !bytes.Equal(got, want) {
			t.Errorf("raw %d: replay derives\n%s\nlive published\n%s", sequence, got, want)
		}
		compared++
	}
	for _, m := range l.stored(subjects.StreamRaw) {
		if got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%012d.raw", m.Sequence))); err != nil || !bytes.Equal(got, m.Body) {
			t.Errorf("raw %d is not exported byte for byte (%v)", m.Sequence, err)
		}
	}
	l.must(exitOK, "replay", "--publish", "--all", "--run", "again")
	live := map[string]bridge.Stored{}
	for _, m := range l.stored(subjects.StreamParsed) {
		sequence := m.Get(subjects.HeaderRawSequence)
		if m.Get(subjects.HeaderReplay) == "" {
			live[sequence] = m
			continue
		}
		first := live[sequence]
		own := []string{subjects.HeaderMsgID, subjects.HeaderCEID, subjects.HeaderReplay, subjects.HeaderRevision}
		for _, name := range own {
			delete(m.Header, name)
			delete(first.Header, name)
		}
		if diff := cmp.Diff(first.Header, m.Header); diff != "" || m.Subject != first.Subject || !bytes.Equal(m.Body, first.Body) {
			t.Errorf("raw %s: published again as %s, was %s; headers -live +replay\n%s", sequence, m.Subject, first.Subject, diff)
		}
		delete(live, sequence)
	}
	if len(live) > 0 || compared < 100 {
		t.Errorf("%d of %d derived messages were not published again", len(live), compared)
	}
}

func readMessages(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if path.Ext(e.Name()) != ".raw" {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(raw))
	}
	return all
}

func TestReplayComparesPerField(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("S-1"), astmMessage("S-2"), astmMessage("S-1")) // the third is a repeat
	failed := l.received("xn", astmMessage("S-3"), 1, "", errors.New("a bug"))
	partial := l.received("xn", "H|\\^&\rP|1\rO|1|S-4\r", 2, subjects.ReasonIncomplete, nil)
	out := l.must(exitDiffer, "replay")
	for _, want := range []string{"5 messages, raw 1 to 5", "same           3", "changed        1", "repeats        1", "failed→parsed", fmt.Sprint("raw ", failed)} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	l.configure(inHarare)
	s := l.summary(exitDiffer)
	want := map[string]int{"failed→parsed": 1, "sentAt changed": 2, "results[].observedAt changed": 2}
	if s.Changed != 3 || s.Same != 1 || s.Repeats != 1 || s.Changes["failed→parsed"] != 1 || s.Changes["sentAt changed"] != 2 || s.Changes["results[].observedAt changed"] != 2 {
		t.Errorf("summary %+v, want the changes %v", s, want)
	}
	if m := l.stored(subjects.StreamRaw)[partial-1]; m.Get(subjects.HeaderIncomplete) == "" {
		t.Error("the incomplete message is not marked")
	}
	plain, values := l.must(exitDiffer, "replay"), l.must(exitDiffer, "replay", "--values")
	lines, linesWithValues := l.must(exitDiffer, "replay", "--json"), l.must(exitDiffer, "replay", "--json", "--values")
	const was, is = "2026-11-23T08:36:00Z", "2026-11-23T08:36:00+02:00"
	for name, shows := range map[string]bool{plain: false, values: true, lines: false, linesWithValues: true} {
		if strings.Contains(name, was) != shows || strings.Contains(name, is) != shows {
			t.Errorf("values shown is not %v:\n%s", shows, name)
		}
	}
	var first struct {
		Type        string `json:"type"`
		RawSequence uint64 `json:"rawSequence"`
		Instrument  string `json:"instrument"`
		Verdict     string `json:"verdict"`
		Changes     []bridge.Change
	}
	if err := json.Unmarshal([]byte(lines[:strings.IndexByte(lines, '\n')]), &first); err != nil {
		t.Fatal(err)
	}
	if first.Type != "difference" || first.RawSequence != 1 || first.Instrument != "xn" || first.Verdict != "changed" || first.Changes[0].Path != "results[0].observedAt" {
		t.Errorf("first line %+v", first)
	}
	if l.messages(subjects.StreamParsed) != 4 {
		t.Error("comparing published something")
	}
}

func TestReplayPublishesOncePerRun(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("S-1"), astmMessage("S-2"))
	l.received("xn", astmMessage("S-3"), 1, "", errors.New("a bug"))
	s := l.summary(exitOK, "--publish", "--run", "fix")
	if s.Published != 1 || s.Already != 0 || s.Run != "fix" {
		t.Errorf("first run %+v, want 1 published", s)
	}
	if s := l.summary(exitOK, "--publish", "--run", "fix"); s.Published != 0 || s.Already != 1 || s.Changed != 0 {
		t.Errorf("same run again %+v, want nothing published", s)
	}
	if s := l.summary(exitOK, "--publish", "--run", "fix", "--all"); s.Published != 2 || s.Already != 1 {
		t.Errorf("same run with --all %+v, want the 2 others", s)
	}
	if s := l.summary(exitOK, "--publish", "--run", "other", "--all"); s.Published != 3 {
		t.Errorf("another run %+v, want 3", s)
	}
	revisions := map[string][]string{}
	for _, m := range l.stored(subjects.StreamParsed) {
		revisions[m.Get(subjects.HeaderRawSequence)] = append(revisions[m.Get(subjects.HeaderRawSequence)],
			m.Subject+" "+m.Get(subjects.HeaderReplay)+" "+m.Get(subjects.HeaderRevision))
		if run := m.Get(subjects.HeaderReplay); run != "" {
			r := bridge.ReceptionOf(m.Get)
			want := subjects.ReplayID(subjects.ParsedID(r.Site, r.Instrument, r.Digest), run)
			if m.Get(subjects.HeaderMsgID) != want || m.Get(subjects.HeaderCEID) != want {
				t.Errorf("message id %s, event id %s, want %s", m.Get(subjects.HeaderMsgID), m.Get(subjects.HeaderCEID), want)
			}
		}
	}
	want := map[string][]string{
		"1": {"lab.parsed.main.xn.result  ", "lab.parsed.main.xn.result fix 2", "lab.parsed.main.xn.result other 3"},
		"2": {"lab.parsed.main.xn.result  ", "lab.parsed.main.xn.result fix 2", "lab.parsed.main.xn.result other 3"},
		"3": {"lab.failed.main.xn.unparsable  ", "lab.parsed.main.xn.result fix 2", "lab.parsed.main.xn.result other 3"},
	}
	if fmt.Sprint(revisions) != fmt.Sprint(want) {
		t.Errorf("revisions\n got %v\nwant %v", revisions, want)
	}
}

// A run that is killed in the middle is continued by the same id and adds
// every message once; the dedupe window of the stream has no part in it.
func TestReplayResumesAfterAKill(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	stream, err := l.bus.JetStream().Stream(t.Context(), subjects.StreamParsed)
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	c.Duplicates = 100 * time.Millisecond
	if _, err := l.bus.JetStream().UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	const messages = 30
	for n := range messages {
		l.received("xn", astmMessage(fmt.Sprint("S-", n)), n, "", errors.New("a bug"))
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := make(chan int, 1)
	var out, complaint strings.Builder // read when it has ended
	go func() {
		killed <- run(ctx, []string{"replay", "--publish", "--run", "night", "--rate", "50/s", "--nats", l.bus.URL()}, strings.NewReader(""), &out, &complaint)
	}()
	for l.messages(subjects.StreamParsed) < messages+5 {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the run publishes nothing")
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	if code := <-killed; code != exitFailed || !strings.Contains(complaint.String(), "--run night continues") {
		t.Fatalf("killed: exit %d, %s", code, complaint.String())
	}
	published := int(l.messages(subjects.StreamParsed)) - messages
	if published >= messages {
		t.Fatal("the kill came too late to prove anything")
	}
	s := l.summary(exitOK, "--publish", "--run", "night")
	if s.Published != messages-published || s.Already != published {
		t.Errorf("continued %+v, want %d published and %d before", s, messages-published, published)
	}
	once := map[string]int{}
	for _, m := range l.stored(subjects.StreamParsed) {
		if m.Get(subjects.HeaderReplay) != "" {
			once[m.Get(subjects.HeaderRawSequence)]++
		}
	}
	for sequence, n := range once {
		if n != 1 {
			t.Errorf("raw %s was published %d times", sequence, n)
		}
	}
	if len(once) != messages {
		t.Errorf("%d messages published, want %d", len(once), messages)
	}
}

func TestReplayKeepsTheRate(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	for n := range 11 {
		l.received("xn", astmMessage(fmt.Sprint("S-", n)), n, "", errors.New("a bug"))
	}
	began := time.Now()
	if s := l.summary(exitOK, "--publish", "--rate", "40/s"); s.Published != 11 {
		t.Fatalf("%+v", s)
	}
	if took := time.Since(began); took < 10*25*time.Millisecond {
		t.Errorf("11 messages at 40/s took %v, want 250ms at least", took)
	}
}

// Raw messages whose bytes or headers are not what was received are named and
// never published, not even with --all.
func TestReplayVerifiesTheDigest(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("S-1"))
	good := l.stored(subjects.StreamRaw)[0]
	for n, change := range []func(map[string]string){
		func(h map[string]string) { h[subjects.HeaderDigest] = bridge.Digest([]byte("something else")) },
		func(h map[string]string) { delete(h, subjects.HeaderDigest) },
		func(h map[string]string) { delete(h, subjects.HeaderReceivedAt) },
	} {
		header := map[string]string{}
		for name := range good.Header {
			header[name] = good.Get(name)
		}
		change(header)
		_, err := l.bus.Publish(t.Context(), bridge.Publication{
			Stream: subjects.StreamRaw, Subject: good.Subject, ID: fmt.Sprint("forged", n), Header: header, Body: good.Body,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := l.summary(exitFailed, "--publish", "--all")
	if s.Damaged != 3 || s.Published != 1 {
		t.Errorf("summary %+v, want 3 damaged and 1 published", s)
	}
	code, out, stderr := l.run("replay")
	if code != exitFailed || !strings.Contains(out, "raw 2: raw message is damaged") || !strings.Contains(stderr, "3 raw messages damaged") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
	if lines := l.must(exitFailed, "replay", "--json"); !strings.Contains(lines, `{"type":"error","rawSequence":2,`) {
		t.Errorf("no error line:\n%s", lines)
	}
}

func TestReplaySelects(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("S-1"), astmMessage("S-12"))
	l.send("cobas", "hl7", "MSH|^~\\&|BENCH|LAB|HOST|LAB|20261123083600||ORU^R01^ORU_R01|77|P|2.5.1\rPID|1\rOBR|1||S-1|GLU\rOBX|1|NM|GLU||5.9|mmol/L|||||F\r")
	l.received("xn", astmMessage("S-4"), 1, "", errors.New("a bug"))
	l.received("xn", "H|\\^&\rP|1\rO|1|S-5\r", 2, subjects.ReasonIncomplete, nil)
	later := time.Now().Add(time.Hour).Format(time.RFC3339)
	for _, tt := range []struct {
		args []string
		want []int // raw sequences
	}{
		{nil, []int{1, 2, 3, 4, 5}},
		{[]string{"--instrument", "cobas"}, []int{3}},
		{[]string{"--site", "elsewhere"}, nil},
		{[]string{"--site", "main", "--protocol", "hl7"}, []int{3}},
		{[]string{"--from-seq", "2", "--to-seq", "3"}, []int{2, 3}},
		{[]string{"--from-seq", "5"}, []int{5}},
		{[]string{"--since", "1h"}, []int{1, 2, 3, 4, 5}},
		{[]string{"--since", "1h", "--from-seq", "4"}, []int{4, 5}},
		{[]string{"--since", later}, nil},
		{[]string{"--until", "1h"}, nil},
		{[]string{"--until", later}, []int{1, 2, 3, 4, 5}},
		{[]string{"--failed"}, []int{4, 5}},
		{[]string{"--specimen", "S-1"}, []int{1, 3}},
		{[]string{"--specimen", "S-4", "--failed"}, []int{4}},
		{[]string{"--specimen", "S-5"}, []int{5}},
		{[]string{"--specimen", "S"}, nil},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			dir := t.TempDir()
			l.must(exitOK, append([]string{"replay", "--out", dir}, tt.args...)...)
			var got []int
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if number, ok := strings.CutSuffix(e.Name(), ".raw"); ok {
					n, _ := strconv.Atoi(number)
					got = append(got, n)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("selected %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("what was repaired has failed once", func(t *testing.T) {
		l.summary(exitOK, "--publish")
		if s := l.summary(exitOK, "--failed"); s.Messages != 2 || s.Same != 2 {
			t.Errorf("%+v, want 2 that failed once", s)
		}
	})
}

func TestReplayWithoutWhatWasPublished(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("S-1"), astmMessage("S-2"))
	stream, err := l.bus.JetStream().Stream(t.Context(), subjects.StreamParsed)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(2)); err != nil {
		t.Fatal(err)
	}
	if s := l.summary(exitOK); s.Gone != 1 || s.Same != 1 {
		t.Errorf("%+v, want 1 gone", s)
	}
	// Raw was kept and nothing more: the instrument was refused and never repeated it.
	raw := astmMessage("S-9")
	header := map[string]string{}
	for name, values := range l.stored(subjects.StreamRaw)[0].Header {
		header[name] = values[0]
	}
	header[subjects.HeaderDigest] = bridge.Digest([]byte(raw))
	if _, err := l.bus.Publish(t.Context(), bridge.Publication{
		Stream: subjects.StreamRaw, Subject: "lab.raw.main.xn", ID: "s.1." + header[subjects.HeaderDigest], Header: header, Body: []byte(raw),
	}); err != nil {
		t.Fatal(err)
	}
	if s := l.summary(exitDiffer); s.Missing != 1 {
		t.Errorf("%+v, want 1 missing", s)
	}
	if s := l.summary(exitOK, "--publish"); s.Published != 1 {
		t.Errorf("%+v, want what was missing published", s)
	}
	if s := l.summary(exitOK); s.Missing != 0 || s.Same != 2 || s.Gone != 1 {
		t.Errorf("%+v, want nothing missing", s)
	}
	stored := l.stored(subjects.StreamParsed)
	if got := stored[len(stored)-1].Get(subjects.HeaderRevision); got != "1" {
		t.Errorf("what was never published became revision %q, want 1", got)
	}
	if s := l.summary(exitOK, "--publish", "--all"); s.Published != 3 {
		t.Errorf("%+v, want --all to publish what is gone too", s)
	}
}

func TestReplayOfAnInstrumentThatIsNotInTheFile(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("S-1"))
	l.configure("instruments:\n  - {id: cobas, listen: '127.0.0.1:0', protocol: hl7}\n")
	out := l.must(exitOK, "replay", "--publish", "--all")
	if !strings.Contains(out, "1 of xn, which is not in the instruments file") || l.messages(subjects.StreamParsed) != 1 {
		t.Errorf("output\n%s", out)
	}
	if s := l.summary(exitOK); s.Unknown != 1 || s.Absent["xn"] != 1 {
		t.Errorf("summary %+v", s)
	}
}

func TestReplayElsewhere(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("S-1"), astmMessage("S-1"))
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
	l.send("xn", "astm", astmMessage("S-1"))
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
	if got, _ := os.ReadFile(filepath.Join(dir, "000000000001.raw")); string(got) != astmMessage("S-1") {
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

func TestProgress(t *testing.T) {
	now := time.Now()
	p := progress{began: now.Add(-10 * time.Second), read: 500, from: now.Add(-100 * time.Hour)}
	got := p.text(bridge.Position{Stream: "LAB_RAW", First: 1, Sequence: 501, Last: 1001, At: now}, now)
	if want := "LAB_RAW 501 of 1001,  50 %, 50/s, 10s left"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.until = now.Add(-50 * time.Hour)
	got = p.text(bridge.Position{Stream: "LAB_RAW", First: 1, Sequence: 11, Last: 1001, At: now.Add(-75 * time.Hour)}, now)
	if want := "LAB_RAW 11 of 1001,  50 %, 50/s, 10s left"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var screen strings.Builder
	p = progress{w: &screen, began: now.Add(-2 * time.Second)}
	p.show(bridge.Position{Stream: "LAB_RAW", First: 1, Sequence: 2, Last: 3, At: now})
	p.show(bridge.Position{Stream: "LAB_RAW", First: 1, Sequence: 3, Last: 3, At: now}) // too soon for another line
	p.clear()
	if s := bufio.NewScanner(strings.NewReader(screen.String())); !s.Scan() || strings.Count(s.Text(), "LAB_RAW") != 1 || !strings.HasSuffix(s.Text(), "\r\x1b[K") {
		t.Errorf("screen %q", screen.String())
	}
}
