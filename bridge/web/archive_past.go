package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// The bounds of looking back at start.
const (
	pastTimeout = 10 * time.Minute
	pastRead    = 10_000_000 // messages, headers only
	pastBatch   = 5000
)

// Mark is a place in LAB_PARSED.
type Mark struct {
	Sequence uint64
	Created  time.Time // of the stream: sequences of another one mean nothing
}

// Mark is where the parsed messages end now. What is stored later is counted
// live.
func (a *Archive) Mark(ctx context.Context) (Mark, error) {
	s, err := a.js.Stream(ctx, subjects.StreamParsed)
	if err != nil {
		return Mark{}, fmt.Errorf("stream %s: %w", subjects.StreamParsed, err)
	}
	return Mark{s.CachedInfo().State.LastSeq, s.CachedInfo().Created}, nil
}

// Uncounted is the part of LAB_PARSED that no count holds: what lies behind
// From up to To; when there are no counts, what of the last day lies up to To.
type Uncounted struct {
	Known    bool // there are counts
	From, To uint64
	Counted  map[string]uint64 // by instrument: what is above From and counted all the same
}

// Past reads what the streams tell of the instruments: when each was heard
// last, and its messages and failures of the part by hour; where there
// are counts also the totals to be added to them.
func (a *Archive) Past(ctx context.Context, instruments []string, part Uncounted) (map[string]bridge.Past, error) {
	ctx, cancel := context.WithTimeout(ctx, pastTimeout)
	defer cancel()
	past := make(map[string]bridge.Past)
	s, err := a.js.Stream(ctx, subjects.StreamLink)
	if err != nil {
		return past, fmt.Errorf("stream %s: %w", subjects.StreamLink, err)
	}
	for _, id := range instruments {
		p, err := a.lastOf(ctx, s, id)
		if err != nil {
			return past, err
		}
		if part.Known {
			p.Totals = &bridge.Totals{}
		}
		past[id] = p
	}
	return past, a.count(ctx, part, past)
}

// lastOf is what the link events tell of the instrument: the last one that was
// its own doing, and the last transmission with a message in it.
func (a *Archive) lastOf(ctx context.Context, s jetstream.Stream, id string) (bridge.Past, error) {
	var p bridge.Past
	for _, event := range []string{subjects.EventConnected, subjects.EventTransmission, subjects.EventDisconnected} {
		m, err := s.GetLastMsgForSubject(ctx, subjects.Link(a.site, id, event))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return p, fmt.Errorf("stream %s: %w", subjects.StreamLink, err)
		}
		if m.Time.After(p.LastContact) {
			p.LastContact = m.Time
		}
		var e bridge.LinkEvent
		if event == subjects.EventTransmission && json.Unmarshal(m.Data, &e) == nil && e.Messages > 0 {
			p.LastMessage = m.Time
		}
	}
	return p, nil
}

// count adds what is stored in a part of LAB_PARSED.
func (a *Archive) count(ctx context.Context, part Uncounted, past map[string]bridge.Past) error {
	if part.To <= part.From {
		return nil
	}
	s, err := a.js.Stream(ctx, subjects.StreamParsed)
	if err != nil {
		return fmt.Errorf("stream %s: %w", subjects.StreamParsed, err)
	}
	ids := make(map[string]string, len(past)) // by site and instrument of the subject
	for id := range past {
		ids[subjects.Token(a.site)+"."+subjects.Token(id)] = id
	}
	c, err := s.CreateConsumer(ctx, consumer(part))
	if err != nil {
		return fmt.Errorf("stream %s: %w", subjects.StreamParsed, err)
	}
	defer func() { _ = s.DeleteConsumer(context.WithoutCancel(ctx), c.CachedInfo().Name) }()
	for left := min(c.CachedInfo().NumPending, pastRead); left > 0; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		batch, err := c.FetchNoWait(int(min(left, pastBatch)))
		if err != nil {
			return fmt.Errorf("stream %s: %w", subjects.StreamParsed, err)
		}
		got := uint64(0)
		for m := range batch.Messages() {
			got++
			at, err := m.Metadata()
			if err != nil || at.Sequence.Stream > part.To || m.Headers().Get(subjects.HeaderReplay) != "" {
				continue
			}
			token := strings.SplitN(m.Subject(), ".", 5) // lab, parsed or failed, site, instrument, kind or reason
			if len(token) < 5 {
				continue
			}
			id, ours := ids[token[2]+"."+token[3]]
			if !ours || at.Sequence.Stream <= part.Counted[id] {
				continue
			}
			p := past[id]
			if token[1] == "failed" {
				p.Failure(at.Timestamp, token[4])
			} else {
				p.Message(at.Timestamp, token[4])
			}
			p.Counted = at.Sequence.Stream
			past[id] = p
		}
		if err := batch.Error(); err != nil || got == 0 {
			return err
		}
		left -= min(left, got)
	}
	return nil
}

// consumer reads the headers of a part, or of the last day. It has no filter:
// with one the server searches its index anew for every message, which costs
// more than to read what is not ours.
func consumer(part Uncounted) jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: part.From + 1,
		AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true, MemoryStorage: true, InactiveThreshold: consumerAge, Replicas: 1,
	}
	if !part.Known {
		since := time.Now().Add(-bridge.HistoryHours * time.Hour)
		c.DeliverPolicy, c.OptStartSeq, c.OptStartTime = jetstream.DeliverByStartTimePolicy, 0, &since
	}
	return c
}
