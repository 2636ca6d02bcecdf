package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// live keeps messages as a session does.
func (s *shelf) live(t *testing.T, protocol codec.Protocol, messages ...string) {
	t.Helper()
	i := &bridge.Instrument{ID: "a1", Protocol: protocol, Dedupe: true}
	store := bridge.NewStore(s, time.Second)
	for _, m := range messages {
		n := len(s.in(subjects.StreamRaw)) + 1
		_, err := store.Receive(t.Context(), i, bridge.Reception{
			Site: "main", Instrument: "a1", Protocol: "lines", Session: "s1", N: n, Digest: bridge.Digest([]byte(m)), ReceivedAt: s.began,
		}, []byte(m))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// version is a later or an earlier parser.
type version struct {
	lines
	parse func(raw []byte, m *codec.Message) error
}

func (v version) Parse(raw []byte) (*codec.Message, error) {
	m, err := v.lines.Parse(raw)
	if err == nil {
		err = v.parse(raw, m)
	}
	return m, err
}

// fields is a parser that notes the raw message as units of a result.
func fields(raw []byte, m *codec.Message) error {
	for part := range strings.FieldsSeq(string(raw)) {
		m.Results = append(m.Results, codec.Result{Units: part, Record: 1})
	}
	return nil
}

func (s *shelf) replay(protocol codec.Protocol) *bridge.Replay {
	return &bridge.Replay{
		Archive: s, Registry: &bridge.Registry{Instruments: []*bridge.Instrument{{ID: "a1", Protocol: protocol, Dedupe: true}}},
	}
}

// verdicts runs a replay and tells what it found, in order.
func verdicts(t *testing.T, r *bridge.Replay) (list []string) {
	t.Helper()
	for m, err := range r.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%d %s", m.Stored.Sequence, m.Verdict)
		for _, c := range m.Changes {
			text += fmt.Sprintf("; %s: %s→%s", c.Label(), c.Then, c.Now)
		}
		list = append(list, text)
	}
	return list
}

func TestReplayNamesEveryDifference(t *testing.T) {
	for _, tt := range []struct {
		name      string
		then, now func([]byte, *codec.Message) error
		want      string
	}{
		{"nothing", fields, fields, "1 same"},
		{"changed", fields, func(raw []byte, m *codec.Message) error {
			return fields(bytes.ReplaceAll(raw, []byte("b"), []byte("x")), m)
		}, `1 changed; results[].units changed: "b"→"x"; results[].units changed: "b"→"x"`},
		{"added at the end", fields, func(raw []byte, m *codec.Message) error { return fields(append(raw, " c"...), m) },
			`1 changed; results[] added: →{"record":1,"units":"c"}`},
		{"removed", fields, func(raw []byte, m *codec.Message) error { return fields(raw[:1], m) },
			`1 changed; results[] removed: {"record":1,"units":"b"}→; results[] removed: {"record":1,"units":"b"}→`},
		{"field added", fields, func(raw []byte, m *codec.Message) error { m.Version = "2"; return fields(raw, m) },
			`1 changed; version added: →"2"`},
		{"kind", fields, func(raw []byte, m *codec.Message) error { m.Kind = codec.KindQC; return fields(raw, m) },
			`1 changed; kind result→qc: "result"→"qc"`},
		{"number keeps its digits", func(_ []byte, m *codec.Message) error { return number(m, 0.1) }, func(_ []byte, m *codec.Message) error { return number(m, 0.10000000000000002) },
			`1 changed; results[].number changed: 0.1→0.10000000000000002`},
		{"fails now", fields, func([]byte, *codec.Message) error { return errors.New("worse") }, "1 changed; parsed→failed: →"},
		{"failed then", func([]byte, *codec.Message) error { return errors.New("worse") }, fields, "1 changed; failed→parsed: →"},
		{"fails otherwise", func([]byte, *codec.Message) error { return errors.New("worse") }, func([]byte, *codec.Message) error { return codec.ErrUnknownContent },
			`1 changed; error changed: "worse"→"` + privacytest.Error(codec.ErrUnknownContent) + `"; id changed: "main.a1.D.unparsable"→"main.a1.D.unknown"; reason unparsable→unknown: "unparsable"→"unknown"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShelf(1 << 20)
			s.live(t, version{parse: tt.then}, "a b b")
			got := strings.ReplaceAll(strings.Join(verdicts(t, s.replay(version{parse: tt.now})), "\n"), bridge.Digest([]byte("a b b")), "D")
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func number(m *codec.Message, n float64) error {
	m.Results = append(m.Results, codec.Result{Number: &n})
	return nil
}

// The memory is bounded by the segment; what is found does not depend on it.
func TestReplayInSegments(t *testing.T) {
	for _, segment := range []uint64{0, 1, 3, 7} {
		s := newShelf(1 << 20)
		old := version{parse: fields}
		better := version{parse: func(raw []byte, m *codec.Message) error {
			if string(raw) == "d" {
				m.Version = "2"
			}
			return fields(raw, m)
		}}
		s.live(t, old, "a", "b", "a", "c", "d", "e", "b", "f")
		r := s.replay(better)
		r.Segment, r.Run = segment, "run"
		p := bridge.NewRepublisher(s, r.Run, nil, 0)
		want := "1 same,2 same,3 repeat,4 same,5 changed; version added: →\"2\",6 same,7 repeat,8 same"
		if got := strings.Join(verdicts(t, r), ","); got != want {
			t.Errorf("segment %d\n got %s\nwant %s", segment, got, want)
		}
		for m, err := range r.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if m.Verdict == bridge.Changed {
				if took, err := p.Publish(t.Context(), m); err != nil || !took {
					t.Fatalf("publish: %v %v", took, err)
				}
			}
		}
		for m, err := range r.Messages(t.Context()) {
			if err != nil || m.Done != (m.Stored.Sequence == 5) || m.Verdict == bridge.Changed {
				t.Errorf("segment %d, raw %d: %s, done %v, %v", segment, m.Stored.Sequence, m.Verdict, m.Done, err)
			}
		}
		if segment == 1 && s.scans < 16 || segment == 0 && s.scans > 6 {
			t.Errorf("segment %d: %d scans", segment, s.scans)
		}
	}
}

// What was made smaller for the bus is made as small again.
func TestReplayShrinksAsLive(t *testing.T) {
	big := strings.Repeat("x", 3000)
	probe := newShelf(1 << 20)
	probe.live(t, lines{}, "small", big)
	tight := bridge.WireSize(probe.in(subjects.StreamParsed)[1]) - 1 // raw fits, parsed does not
	for name, parse := range map[string]func([]byte, *codec.Message) error{
		"records elided": func([]byte, *codec.Message) error { return nil },
		"oversize":       fields,
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(1 << 20)
			s.live(t, lines{}, "small")
			s.limit = tight
			s.live(t, version{parse: parse}, big)
			r := s.replay(version{parse: parse})
			r.Selection.From, r.Run = 2, "run"
			if got := verdicts(t, r); len(got) != 1 || got[0] != "2 same" {
				t.Errorf("got %v, want the same", got)
			}
			s.limit = 1 << 20
			got := strings.Join(verdicts(t, r), "")
			if name == "oversize" && !strings.Contains(got, "failed→parsed") || name != "oversize" && !strings.Contains(got, "records added") {
				t.Errorf("on a larger bus: %.200s", got)
			}
			// A bus that takes less than it says.
			for m, err := range r.Messages(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				s.limit = tight
				if took, err := bridge.NewRepublisher(s, "run", nil, 0).Publish(t.Context(), m); err != nil || !took {
					t.Fatalf("publish: %v %v", took, err)
				}
				s.limit = 1 << 20
			}
			all := s.in(subjects.StreamParsed)
			if live, again := all[1], all[2]; live.Subject != again.Subject || !bytes.Equal(live.Body, again.Body) {
				t.Errorf("published again\n%s %.300s\nwas\n%s %.300s", again.Subject, again.Body, live.Subject, live.Body)
			}
		})
	}
}

// Raw was kept and nothing more: missing, unless a live session may still be
// at work on it. What was missing is published as revision 1, once.
func TestReplayOfWhatWasNeverPublished(t *testing.T) {
	s := newShelf(1 << 20)
	s.live(t, lines{}, "a", "b", "c")
	s.stored = slices.DeleteFunc(s.stored, func(p bridge.Publication) bool {
		return p.Stream == subjects.StreamParsed && p.Header[subjects.HeaderRawSequence] == "3"
	})
	r := s.replay(lines{})
	r.Run = "run"
	if got := strings.Join(verdicts(t, r), ","); got != "1 same,2 same,3 missing" {
		t.Errorf("got %s", got)
	}
	s.began = s.began.Add(3599 * time.Second)
	s.now = s.began.Add(29 * time.Second)
	if got := strings.Join(verdicts(t, r), ","); got != "1 same,2 same,3 fresh" {
		t.Errorf("at once: got %s", got)
	}
	s.now = s.began.Add(time.Minute)
	for m, err := range r.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Verdict == bridge.Missing {
			if took, err := bridge.NewRepublisher(s, "run", nil, 0).Publish(t.Context(), m); err != nil || !took {
				t.Fatalf("publish: %v %v", took, err)
			}
		}
	}
	all := s.in(subjects.StreamParsed)
	if last := all[len(all)-1]; len(all) != 3 || last.Header[subjects.HeaderRevision] != "1" || last.Header[subjects.HeaderRawSequence] != "3" {
		t.Errorf("published %d, the last with %v", len(all), last.Header)
	}
	if got := strings.Join(verdicts(t, r), ","); got != "1 same,2 same,3 same" {
		t.Errorf("afterwards: got %s", got)
	}
}

// What ages out while replay looks is gone, not an error.
func TestReplayWhileMessagesAgeOut(t *testing.T) {
	s := newShelf(1 << 20)
	s.live(t, lines{}, "a")
	s.lost = map[uint64]bool{1: true}
	if got := verdicts(t, s.replay(lines{})); len(got) != 1 || got[0] != "1 gone" {
		t.Errorf("got %v, want gone", got)
	}
}

func TestRepublisherRefusesWhatIsDamaged(t *testing.T) {
	s := newShelf(1 << 20)
	s.live(t, lines{}, "a")
	s.stored[0].Body = []byte("b")
	for m, err := range s.replay(lines{}).Messages(t.Context()) {
		if err != nil || m.Verdict != bridge.Damaged {
			t.Fatalf("%v %v", m.Verdict, err)
		}
		if _, err := bridge.NewRepublisher(s, "run", nil, 0).Publish(t.Context(), m); !errors.Is(err, bridge.ErrDamaged) {
			t.Errorf("publish = %v, want %v", err, bridge.ErrDamaged)
		}
	}
	if n := len(s.in(subjects.StreamParsed)); n != 1 {
		t.Errorf("%d messages in LAB_PARSED, want 1", n)
	}
}

// The pace holds over any number of messages; a pause is not caught up.
func TestRepublisherPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(1 << 20)
		s.live(t, lines{}, "a")
		p := bridge.NewRepublisher(s, "run", nil, 4)
		publish := func() time.Duration {
			began := time.Now()
			for m, err := range s.replay(lines{}).Messages(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(began)
		}
		var got []time.Duration
		for range 3 {
			got = append(got, publish())
		}
		time.Sleep(time.Hour)
		got = append(got, publish(), publish())
		want := []time.Duration{0, 250 * time.Millisecond, 250 * time.Millisecond, 0, 250 * time.Millisecond}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("waited %v, want %v", got, want)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		cancel(stop)
		for m, err := range s.replay(lines{}).Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Publish(ctx, m); !errors.Is(err, stop) {
				t.Errorf("after the end: %v, want %v", err, stop)
			}
		}
	})
}

// What wireSize says is what NATS counts, to the byte.
func TestWireSizeIsThatOfNATS(t *testing.T) {
	b, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: broker.ListenNone, StoreMax: 1 << 30, Log: privacytest.Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	p := bridge.Publication{
		Stream: subjects.StreamParsed, Subject: "lab.parsed.main.a1.result", ID: "an id",
		Header: map[string]string{subjects.HeaderInstrument: "a1", subjects.HeaderCEID: "x"},
	}
	p.Body = make([]byte, broker.MaxPayload-bridge.WireSize(p))
	if _, err := b.Publish(t.Context(), p); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	p.Body = append(p.Body, 0)
	if _, err := b.Publish(t.Context(), p); !errors.Is(err, bridge.ErrTooLarge) {
		t.Errorf("a byte over the limit: %v, want %v", err, bridge.ErrTooLarge)
	}
}
