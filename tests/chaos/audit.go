//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
	"github.com/assaybus/assaybus/tests/privacy/onbus"
)

// dedupeWindow is the bridge's: inside it an id stands in LAB_PARSED once.
const dedupeWindow = 10 * time.Minute

// tally is what the comparison of ledgers and streams came to.
type tally struct {
	Sent         int
	Acknowledged int
	Stored       int // acknowledged messages that LAB_RAW holds with their digest
	Repeats      int
	Lost         int // acknowledged, and missing in LAB_RAW or LAB_PARSED
	Wrong        int // everything else that breaks the promise
	Problems     []string
}

func (t *tally) wrong(format string, a ...any) {
	t.Wrong++
	t.problem(format, a...)
}

// maxProblems keeps a report readable when everything is wrong.
const maxProblems = 20

func (t *tally) problem(format string, a ...any) {
	if len(t.Problems) < maxProblems {
		t.Problems = append(t.Problems, fmt.Sprintf(format, a...))
	}
}

// audit reads the streams once.
type audit struct {
	tally   tally
	links   map[string]*link
	raw     map[simulator.Digest]int
	derived map[simulator.Digest]int
	ids     map[string]time.Time
}

// ledgers are the entries to compare with, by link. A snapshot of the past
// holds those of that moment.
func (f *fleet) ledgers() map[*link][]simulator.Entry {
	all := make(map[*link][]simulator.Entry, len(f.links))
	for _, l := range f.links {
		all[l] = l.ledger.Entries()
	}
	return all
}

// compare reads LAB_RAW and LAB_PARSED and holds them against the entries.
// final is false for a snapshot: messages may be on their way then.
func compare(ctx context.Context, js jetstream.JetStream, f *fleet, entries map[*link][]simulator.Entry, final bool) (tally, error) {
	a := &audit{links: map[string]*link{}, raw: map[simulator.Digest]int{}, derived: map[simulator.Digest]int{}, ids: map[string]time.Time{}}
	for _, l := range f.links {
		a.links[l.id] = l
	}
	if err := readStream(ctx, js, subjects.StreamRaw, a.readRaw); err != nil {
		return a.tally, err
	}
	if err := readStream(ctx, js, subjects.StreamParsed, a.readDerived); err != nil {
		return a.tally, err
	}
	for l, list := range entries {
		a.reconcile(l, list, final)
	}
	return a.tally, nil
}

// readRaw checks one raw message: its digest, and that its instrument sent it.
func (a *audit) readRaw(m jetstream.Msg) error {
	h, at := m.Headers(), sequence(m)
	l := a.links[h.Get(subjects.HeaderInstrument)]
	digest := simulator.DigestOf(m.Data())
	switch {
	case digest.String() != h.Get(subjects.HeaderDigest):
		a.tally.wrong("LAB_RAW %d: bytes are not what their digest says", at)
	case l == nil:
		a.tally.wrong("LAB_RAW %d: from an instrument that does not exist", at)
	case l.knows(digest) && h.Get(subjects.HeaderIncomplete) == "":
		a.raw[digest]++
	case !l.began(m.Data(), h.Get(subjects.HeaderIncomplete) != ""):
		a.tally.wrong("LAB_RAW %d: %s never sent this, whole or cut off: %.120q", at, l.id, m.Data()) // invented patients
	}
	return nil
}

// readDerived checks one message for consumers: its id stands once, its
// results belong to their specimens, and it is whole when its raw message is.
func (a *audit) readDerived(m jetstream.Msg) error {
	h, at := m.Headers(), sequence(m)
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	id := h.Get(subjects.HeaderMsgID)
	if first, again := a.ids[id]; again && meta.Timestamp.Sub(first) < dedupeWindow {
		a.tally.wrong("LAB_PARSED %d: a message id stands there twice", at)
	}
	a.ids[id] = meta.Timestamp
	l := a.links[h.Get(subjects.HeaderInstrument)]
	digest, err := simulator.ParseDigest(h.Get(subjects.HeaderDigest))
	if l == nil || err != nil {
		a.tally.wrong("LAB_PARSED %d: headers without a known instrument or a digest", at)
		return nil
	}
	whole := l.knows(digest) && !strings.Contains(m.Subject(), ".incomplete")
	if whole {
		a.derived[digest]++
	}
	if !strings.HasPrefix(m.Subject(), "lab.parsed.") {
		if whole {
			a.tally.wrong("LAB_PARSED %d: a whole message of %s stands as failed", at, l.id)
		}
		return nil
	}
	var message codec.Message
	if err := json.Unmarshal(m.Data(), &message); err != nil {
		a.tally.wrong("LAB_PARSED %d: %v", at, err)
		return nil
	}
	if text := misattributed(&message, l.id); text != "" {
		a.tally.wrong("LAB_PARSED %d: %s", at, text)
	}
	if whole && (len(message.Results) != perMessage || message.Results[0].Specimen != specimen(l.id, l.number(digest), 0)) {
		a.tally.wrong("LAB_PARSED %d: not the results of the message with its digest", at)
	}
	return nil
}

// reconcile holds what one link was told against what was read.
func (a *audit) reconcile(l *link, entries []simulator.Entry, final bool) {
	t := &a.tally
	for _, e := range entries {
		t.Sent++
		t.Repeats += max(e.Attempts-1, 0)
		if e.Acknowledged == 0 {
			if final {
				t.wrong("%s: a message was neither acknowledged nor taken when it was repeated", l.id)
			}
			continue
		}
		t.Acknowledged++
		if a.raw[e.Digest] > 0 {
			t.Stored++
		}
		switch {
		case a.raw[e.Digest] == 0:
			t.Lost++
			t.problem("%s: message %d was acknowledged and is not in LAB_RAW", l.id, l.number(e.Digest))
		case a.derived[e.Digest] == 0:
			t.Lost++
			t.problem("%s: message %d was acknowledged and is not in LAB_PARSED", l.id, l.number(e.Digest))
		}
	}
}

func sequence(m jetstream.Msg) uint64 {
	meta, err := m.Metadata()
	if err != nil {
		return 0
	}
	return meta.Sequence.Stream
}

// readStream gives each every message that the stream holds now, in order.
func readStream(ctx context.Context, js jetstream.JetStream, stream string, each func(jetstream.Msg) error) error {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	last := s.CachedInfo().State.LastSeq
	if s.CachedInfo().State.Msgs == 0 {
		return nil
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	it, err := c.Messages()
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		onbus.Message(m.Subject(), m.Headers(), m.Data())
		if err := each(m); err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if meta.NumPending == 0 || meta.Sequence.Stream >= last {
			return nil
		}
	}
}
