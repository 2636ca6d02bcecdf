package bridge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
	"github.com/assaybus/assaybus/subjects"
)

// joins is a laboratory whose HL7 instrument h1 sends messages in parts.
type joins struct {
	*world
	*shelf
	registry *bridge.Registry
}

const partsLab = "instruments:\n  - {id: h1, listen: '127.0.0.1:0', protocol: hl7, max_connections: 100}\n"

func startJoins(t *testing.T, text string) *joins {
	t.Helper()
	r, err := bridge.Load("instruments.yaml", []byte(text), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf(16 << 20)
	return joinsOn(t, s, s, r, 10*time.Second)
}

// joinsOn serves r on any bus over the shelf; what came before is known.
func joinsOn(t *testing.T, on bridge.Publisher, s *shelf, r *bridge.Registry, patience time.Duration) *joins {
	t.Helper()
	j := &joins{shelf: s, registry: r, world: serveOn(t, on, r, patience)}
	bridge.AwaitRecall(j.server)
	return j
}

// restart ends the server and starts another one on what was stored.
func (j *joins) restart() {
	j.t.Helper()
	if err := j.stop(); err != nil {
		j.t.Fatal(err)
	}
	j.world = serveOn(j.t, j.shelf, j.registry, 10*time.Second)
}

// deliver sends one message over p and returns MSA-1, or "" for a hang-up.
// What is refused because the chains of before are not known yet is repeated
// over another connection, as an instrument does.
func (j *joins) deliver(p *peer, raw string) string {
	j.t.Helper()
	for range 1000 {
		code := p.deliver(j.t, raw)
		if code != "" || !strings.Contains(j.logged.String(), "not known yet") {
			return code
		}
		*p = *j.call("h1")
	}
	j.t.Fatal("what came before the start is never known")
	return ""
}

func (p *peer) deliver(t *testing.T, raw string) string {
	t.Helper()
	if _, err := io.WriteString(p, "\x0b"+raw+"\x1c\r"); err != nil {
		return ""
	}
	answer, err := p.r.ReadString(0x1c)
	if err != nil {
		return ""
	}
	_, _ = p.r.ReadByte()
	_, code, _ := strings.Cut(answer, "\rMSA|")
	return code[:min(2, len(code))]
}

// accept delivers messages that must be acknowledged.
func (j *joins) accept(p *peer, messages ...string) {
	j.t.Helper()
	for n, raw := range messages {
		if code := j.deliver(p, raw); code != "AA" {
			j.t.Fatalf("message %d is answered %q, want AA; log:\n%s", n+1, code, j.logged.String())
		}
	}
}

// derived is what stands in LAB_PARSED, in order.
type derived struct {
	bridge.Publication
	codec.Message
	failure bridge.Failure
}

func (j *joins) derived() []derived {
	j.t.Helper()
	var out []derived
	for _, p := range j.in(subjects.StreamParsed) {
		d := derived{Publication: p}
		var into any = &d.Message
		if strings.HasPrefix(p.Subject, "lab.failed.") {
			into = &d.failure
		}
		if err := json.Unmarshal(p.Body, into); err != nil {
			j.t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

// outcomes is derived in words: a part, an alarm, a failure with its reason,
// or a message with the specimens and values of its results.
func (j *joins) outcomes() []string {
	j.t.Helper()
	var out []string
	for _, d := range j.derived() {
		var b strings.Builder
		switch _, raw := d.Header[subjects.HeaderRawSequence]; {
		case d.failure.Reason != "" && !raw:
			fmt.Fprint(&b, "alarm ", d.failure.Parts)
		case d.failure.Reason != "":
			fmt.Fprint(&b, "failed ", d.failure.Reason)
		case len(d.Warnings) == 1 && d.Warnings[0].Code == codec.WarnPart:
			fmt.Fprint(&b, "part")
			codectest.Validate(j.t, &d.Message)
			d.Records, d.Warnings = nil, nil
			if len(d.Patients)+len(d.Orders)+len(d.Results)+len(d.Queries)+len(d.Comments)+len(d.Parts) > 0 || d.Kind != codec.KindOther || d.Ack != nil {
				j.t.Errorf("a part says %+v", d.Message)
			}
		default:
			codectest.Validate(j.t, &d.Message)
			fmt.Fprint(&b, d.Kind, " ", d.Parts)
			for _, r := range d.Results {
				fmt.Fprintf(&b, " %s:%s=%s", r.Specimen, r.Code, r.Value)
			}
		}
		out = append(out, b.String())
	}
	return out
}

func (j *joins) want(outcomes ...string) {
	j.t.Helper()
	if diff := cmp.Diff(outcomes, j.outcomes()); diff != "" {
		j.t.Errorf("derived (-want +got):\n%s", diff)
	}
	j.replaysTheSame()
}

// replaysTheSame derives every raw message again: what comes out is what the
// live session published, byte for byte.
func (j *joins) replaysTheSame() {
	j.t.Helper()
	r := bridge.Replay{Archive: j.shelf, Registry: j.registry}
	for f, err := range r.Messages(j.t.Context()) {
		if err != nil {
			j.t.Fatal(err)
		}
		if f.Verdict != bridge.Same && f.Verdict != bridge.Repeat {
			j.t.Errorf("raw %d is %s when it is replayed: %v %v", f.Stored.Sequence, f.Verdict, f.Changes, f.Err)
		}
	}
}

// part writes one part of an ORU of a sender.
func part(sender, id, continues, pointer string, segments ...string) string {
	s := fmt.Sprintf("MSH|^~\\&|%s||||20261123||ORU^R01|%s|P|2.5||%s\r", sender, id, continues) + strings.Join(segments, "\r") + "\r"
	if pointer != "" {
		s += "DSC|" + pointer + "|F\r"
	}
	return s
}

func order(specimen string) string { return "OBR|1|" + specimen + "||T" }

func value(code, value string) string { return "OBX|1|NM|" + code + "||" + value + "||||||F" }

// Every file of testdata/hl7/parts: the parts say nothing, the last says what
// the golden file has, and its id is that of the whole.
func TestPartsAreJoined(t *testing.T) {
	dir := filepath.Join(codectest.Root(t), "testdata", "hl7", "parts")
	files, err := filepath.Glob(filepath.Join(dir, "*.raw"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden, err := os.ReadFile(strings.TrimSuffix(file, "raw") + "golden.json")
			if err != nil {
				t.Fatal(err)
			}
			var want codec.Message
			if err := json.Unmarshal(golden, &want); err != nil {
				t.Fatal(err)
			}
			parts := hl7.Messages(raw)
			j := startJoins(t, partsLab)
			p := j.call("h1")
			for _, raw := range parts {
				j.accept(p, string(raw))
			}
			j.replaysTheSame()
			got := j.derived()
			if len(got) != len(parts) || len(j.in(subjects.StreamRaw)) != len(parts) {
				t.Fatalf("%d raw and %d derived of %d parts", len(j.in(subjects.StreamRaw)), len(got), len(parts))
			}
			for n, d := range got[:len(got)-1] {
				if d.Subject != "lab.parsed.main.h1.other" || d.Header[subjects.HeaderPart] != subjects.PartMore || d.Pointer == "" || len(d.Records) == 0 || d.Results != nil || d.Orders != nil || d.Patients != nil {
					t.Errorf("part %d is %s %v %s", n+1, d.Subject, d.Header, d.Publication.Body)
				}
			}
			last := got[len(got)-1]
			want.ID = subjects.ParsedID("main", "h1", bridge.Digest(bytes.Join(parts, nil)))
			want.Site, want.Instrument, want.ReceivedAt = "main", "h1", last.ReceivedAt
			want.RawSequence = uint64(len(parts))
			for n := range parts {
				want.Parts = append(want.Parts, uint64(n+1))
			}
			if diff := cmp.Diff(want, last.Message); diff != "" {
				t.Errorf("joined (-want +got):\n%s", diff)
			}
			if got := last.Header[subjects.HeaderDigest]; got != bridge.Digest(parts[len(parts)-1]) {
				t.Errorf("the header's digest %s is not of the raw message", got)
			}
			c := j.counters("h1")
			if c.Messages[codec.KindOther] != uint64(len(parts)-1) || c.Warnings[codec.WarnPart] != uint64(len(parts)-1) || c.Messages[want.Kind] != 1 {
				t.Errorf("counted %v %v", c.Messages, c.Warnings)
			}
		})
	}
}

// three is a message in three parts and what becomes of them.
func three(sender string) (parts, outcomes []string) {
	return []string{
			part(sender, "1", "", "p1", order("S1"), value("A", "1"), order("S2")),
			part(sender, "2", "p1", "p2", value("B", "2")),
			part(sender, "3", "p2", "", value("C", "3")),
		},
		[]string{"part", "part", "result [1 2 3] S1:A=1 S2:B=2 S2:C=3"}
}

// An instrument repeats whatever it did not hear of, at every place, over the
// same or another connection, or all of it from the beginning: consumers hear
// of everything once.
func TestPartsRepeated(t *testing.T) {
	parts, want := three("A")
	t.Run("each", func(t *testing.T) {
		j := startJoins(t, partsLab)
		for _, raw := range parts {
			for range 3 {
				j.accept(j.call("h1"), raw)
			}
		}
		if c := j.counters("h1"); c.Repeats != 6 || bridge.Total(c.Failed) != 0 {
			t.Errorf("%d repeats, failed %v; want 6 and none", c.Repeats, c.Failed)
		}
		if diff := cmp.Diff([]string{"part", "part", "result [1 4 7] S1:A=1 S2:B=2 S2:C=3"}, j.outcomes()); diff != "" {
			t.Error(diff)
		}
		j.replaysTheSame()
	})
	t.Run("all", func(t *testing.T) {
		j := startJoins(t, partsLab)
		p := j.call("h1")
		j.accept(p, slices.Concat(parts, parts, parts[:2], parts)...)
		if c := j.counters("h1"); c.Repeats != 8 || bridge.Total(c.Failed) != 0 {
			t.Errorf("%d repeats, failed %v; want 8 and none", c.Repeats, c.Failed)
		}
		j.want(want...)
	})
	t.Run("one pointer for all", func(t *testing.T) {
		j := startJoins(t, partsLab)
		p := j.call("h1")
		parts := []string{
			part("A", "1", "", "1", order("S1")), part("A", "2", "1", "1", value("B", "2")), part("A", "3", "1", "", value("C", "3")),
		}
		j.accept(p, parts[0], parts[0], parts[1], parts[1], parts[0], parts[1], parts[2], parts[2])
		if diff := cmp.Diff([]string{"part", "part", "result [1 3 7] S1:B=2 S1:C=3"}, j.outcomes()); diff != "" {
			t.Error(diff)
		}
		j.replaysTheSame()
	})
}

// The program is killed behind every part, its answer lost or not: the next
// start knows what came.
func TestPartsSurviveARestart(t *testing.T) {
	parts, want := three("A")
	for _, repeat := range []bool{false, true} {
		t.Run(fmt.Sprintf("repeated %v", repeat), func(t *testing.T) {
			j := startJoins(t, partsLab)
			for _, raw := range parts {
				j.accept(j.call("h1"), raw)
				j.restart()
				if repeat {
					j.accept(j.call("h1"), raw)
					j.restart()
				}
			}
			got := j.outcomes()
			if repeat {
				want[2] = "result [1 3 5] S1:A=1 S2:B=2 S2:C=3"
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("derived (-want +got):\n%s", diff)
			}
			j.replaysTheSame()
		})
	}
}
