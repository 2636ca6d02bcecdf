//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// stage is a bus and a fleet whose messages the test stores itself.
type stage struct {
	t       *testing.T
	bus     *broker.Bus
	store   *bridge.Store
	fleet   *fleet
	entries map[*link][]simulator.Entry
	n       int
}

func newStage(t *testing.T, window time.Duration) *stage {
	t.Helper()
	f, err := newFleet(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	b, err := broker.Open(t.Context(), broker.Config{Data: t.TempDir(), Listen: broker.ListenNone, StoreMax: 256 << 20, Log: privacytest.Logger(nil), DedupeWindow: window})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return &stage{t: t, bus: b, store: bridge.NewStore(b, 5*time.Second), fleet: f, entries: map[*link][]simulator.Entry{}}
}

// told notes that the next message of l was sent and how often acknowledged.
func (s *stage) told(l *link, acknowledged int) []byte {
	raw, _ := l.next()
	s.entries[l] = append(s.entries[l], simulator.Entry{Digest: simulator.DigestOf(raw), Plays: 1, Attempts: 1, Acknowledged: acknowledged})
	return raw
}

// keep stores raw as the bridge does.
func (s *stage) keep(l *link, raw []byte, incomplete string) {
	s.t.Helper()
	p, err := all.Protocols.Build(l.protocol, codec.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.n++
	i := &bridge.Instrument{ID: l.id, Protocol: p, Dedupe: true}
	r := bridge.Reception{Site: "chaos", Instrument: l.id, Protocol: l.protocol, Session: "s", N: s.n, Digest: bridge.Digest(raw), ReceivedAt: time.Now(), Incomplete: incomplete}
	if _, err := s.store.Receive(s.t.Context(), i, r, raw); err != nil {
		s.t.Fatal(err)
	}
}

// put stores one message past the bridge.
func (s *stage) put(stream, subject, id string, header map[string]string, body []byte) {
	s.t.Helper()
	if _, err := s.bus.Publish(s.t.Context(), bridge.Publication{Stream: stream, Subject: subject, ID: id, Header: header, Body: body}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) compare() tally {
	s.t.Helper()
	t, err := compare(s.t.Context(), s.bus.JetStream(), s.fleet, s.entries, true)
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

// What the harness accepts: everything acknowledged is there; partial and
// repeated receptions do no harm.
func TestAuditOfSoundStreams(t *testing.T) {
	s := newStage(t, dedupeWindow)
	for _, l := range s.fleet.links {
		for range 3 {
			s.keep(l, s.told(l, 1), "")
		}
		whole := s.told(l, 1)
		s.keep(l, whole[:len(whole)/2], subjects.ReasonIncomplete)
		s.keep(l, append(append([]byte{}, whole[:40]...), whole[:17]...), subjects.ReasonIncomplete)
		s.keep(l, append(append([]byte{}, whole[30:60]...), "\r\x0370\r\n"...), subjects.ReasonIncomplete) // after a timer
		damaged := append([]byte{}, whole[:35]...)
		damaged[20] = 0x60
		s.keep(l, damaged, subjects.ReasonIncomplete) // cut before its checksum
		s.keep(l, whole, "")
		s.keep(l, whole, "") // its ACK was lost
	}
	got := s.compare()
	want := 4 * len(s.fleet.links)
	if got.Lost != 0 || got.Wrong != 0 || got.Stored != want || got.Acknowledged != want || got.Sent != want {
		t.Errorf("got %+v, want %d stored and nothing lost or wrong", got, want)
	}
}

// Every way in which the promise can break must be seen: a harness that sees
// nothing proves nothing.
func TestAuditSeesViolations(t *testing.T) {
	tests := []struct {
		name        string
		breach      func(s *stage, l *link)
		lost, wrong int
		problem     string
	}{
		{"acknowledged, not stored", func(s *stage, l *link) { s.told(l, 1) }, 1, 0, "not in LAB_RAW"},
		{"acknowledged, raw only", func(s *stage, l *link) {
			raw := s.told(l, 1)
			s.put(subjects.StreamRaw, subjects.Raw("chaos", l.id), "x", headers(l, raw), raw)
		}, 1, 0, "not in LAB_PARSED"},
		{"never acknowledged", func(s *stage, l *link) { s.keep(l, s.told(l, 0), "") }, 0, 1, "neither acknowledged"},
		{"bytes changed", func(s *stage, l *link) {
			raw := s.told(l, 1)
			s.keep(l, raw, "")
			s.put(subjects.StreamRaw, subjects.Raw("chaos", l.id), "x", headers(l, raw), append(raw, 'x'))
		}, 0, 1, "digest"},
		{"a mixture of two messages", func(s *stage, l *link) {
			a, b := s.told(l, 1), s.told(l, 1)
			s.keep(l, a, "")
			s.keep(l, b, "")
			s.keep(l, append(append([]byte{}, a[:len(a)/2]...), b...), subjects.ReasonIncomplete)
		}, 0, 1, "never sent this"},
		{"another instrument's", func(s *stage, l *link) {
			other := s.fleet.links[1]
			raw := s.told(other, 1)
			s.keep(other, raw, "")
			s.put(subjects.StreamRaw, subjects.Raw("chaos", l.id), "x", headers(l, raw), raw)
		}, 0, 1, "never sent this"},
		{"stored twice for consumers", func(s *stage, l *link) {
			s.keep(l, s.told(l, 1), "")
			copyDerived(s, nil)
		}, 0, 1, "twice"},
		{"attributed to another specimen", func(s *stage, l *link) {
			s.keep(l, s.told(l, 1), "")
			copyDerived(s, func(m *codec.Message) { m.ID, m.Results[1].Specimen = "y", m.Results[0].Specimen })
		}, 0, 1, "another specimen"},
		{"a result is missing", func(s *stage, l *link) {
			s.keep(l, s.told(l, 1), "")
			copyDerived(s, func(m *codec.Message) { m.ID, m.Results = "y", m.Results[:1] })
		}, 0, 1, "not the results"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, shortWindow)
			tt.breach(s, s.fleet.links[0])
			got := s.compare()
			if got.Lost != tt.lost || got.Wrong != tt.wrong || !strings.Contains(fmt.Sprint(got.Problems), tt.problem) {
				t.Errorf("got %d lost, %d wrong, %q; want %d, %d and %q", got.Lost, got.Wrong, got.Problems, tt.lost, tt.wrong, tt.problem)
			}
		})
	}
}

func headers(l *link, raw []byte) map[string]string {
	return map[string]string{subjects.HeaderInstrument: l.id, subjects.HeaderDigest: bridge.Digest(raw)}
}

// shortWindow is after how long a stream of the test forgets an id.
const shortWindow = 100 * time.Millisecond

// copyDerived puts the last derived message into the stream again: changed, or
// as it is once the stream has forgotten its id, long before it may.
func copyDerived(s *stage, change func(*codec.Message)) {
	s.t.Helper()
	stream, err := s.bus.JetStream().Stream(s.t.Context(), subjects.StreamParsed)
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := stream.GetMsg(s.t.Context(), stream.CachedInfo().State.LastSeq)
	if err != nil {
		s.t.Fatal(err)
	}
	header := map[string]string{}
	for name := range m.Header {
		header[name] = m.Header.Get(name)
	}
	body := m.Data
	if change == nil {
		p := bridge.Publication{Stream: subjects.StreamParsed, Subject: m.Subject, ID: header[subjects.HeaderMsgID], Header: header, Body: body}
		if err := await(s.t.Context(), 20*time.Second, func() error {
			r, err := s.bus.Publish(s.t.Context(), p)
			if err == nil && r.Duplicate {
				err = errors.New("the stream still knows the id")
			}
			return err
		}); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	var parsed codec.Message
	if err := json.Unmarshal(body, &parsed); err != nil {
		s.t.Fatal(err)
	}
	change(&parsed)
	if body, err = json.Marshal(parsed); err != nil {
		s.t.Fatal(err)
	}
	s.put(subjects.StreamParsed, m.Subject, parsed.ID, header, body)
}

// The messages of the harness mean what it thinks they mean.
func TestMessagesAreUnderstood(t *testing.T) {
	for _, protocol := range []string{"astm", "hl7"} {
		p, err := all.Protocols.Build(protocol, codec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.Parse(compose(protocol, "i1", 41))
		if err != nil {
			t.Fatal(err)
		}
		m.Instrument = "i1"
		if text := misattributed(m, "i1"); text != "" || len(m.Results) != perMessage || len(m.Warnings) > 0 {
			t.Errorf("%s: %q, %d results, warnings %v", protocol, text, len(m.Results), m.Warnings)
		}
	}
}
