package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-2"), astmMessage("SPCR-1")) // the third is a repeat
	failed := l.received("xn", astmMessage("SPCR-3"), 1, "", errors.New("a bug"))
	partial := l.received("xn", "H|\\^&\rP|1\rO|1|SPCR-4\r", 2, subjects.ReasonIncomplete, nil)
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
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-2"))
	l.received("xn", astmMessage("SPCR-3"), 1, "", errors.New("a bug"))
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
