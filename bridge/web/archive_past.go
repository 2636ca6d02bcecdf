package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// The bounds of looking back at start.
const (
	pastTimeout = time.Minute
	pastRead    = 1_000_000 // messages of the last day, headers only
	pastBatch   = 5000
)

// Mark is where the parsed messages end now. What is stored later is counted
// live.
func (a *Archive) Mark(ctx context.Context) (uint64, error) {
	s, err := a.js.Stream(ctx, subjects.StreamParsed)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", subjects.StreamParsed, err)
	}
	return s.CachedInfo().State.LastSeq, nil
}

// Past reads what the streams tell of the instruments up to mark: when each
// was heard last, and its messages of the last day by hour.
func (a *Archive) Past(ctx context.Context, instruments []string, mark uint64) (map[string]bridge.Past, error) {
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
		past[id] = p
	}
	return past, a.hours(ctx, mark, past)
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

// hours adds the messages of the last day by hour.
func (a *Archive) hours(ctx context.Context, mark uint64, past map[string]bridge.Past) error {
	s, err := a.js.Stream(ctx, subjects.StreamParsed)
	if err != nil {
		return fmt.Errorf("stream %s: %w", subjects.StreamParsed, err)
	}
	since := time.Now().Add(-bridge.HistoryHours * time.Hour)
	c, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject: "lab.parsed." + subjects.Token(a.site) + ".>", DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
		AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true, MemoryStorage: true, InactiveThreshold: consumerAge, Replicas: 1,
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", subjects.StreamParsed, err)
	}
	defer func() { _ = s.DeleteConsumer(context.WithoutCancel(ctx), c.CachedInfo().Name) }()
	for left := min(c.CachedInfo().NumPending, pastRead); left > 0; {
		batch, err := c.FetchNoWait(int(min(left, pastBatch)))
		if err != nil {
			return fmt.Errorf("stream %s: %w", subjects.StreamParsed, err)
		}
		got := uint64(0)
		for m := range batch.Messages() {
			got++
			at, err := m.Metadata()
			if err != nil || at.Sequence.Stream > mark {
				continue
			}
			e := entryOf(at.Sequence.Stream, m.Subject(), at.Timestamp, m.Headers(), nil)
			p, ours := past[e.Reception.Instrument]
			if ours && !e.Replay {
				p.Hours.Add(e.Stored, 1)
				p.LastMessage = e.Stored
				past[e.Reception.Instrument] = p
			}
		}
		if got == 0 {
			return batch.Error()
		}
		left -= min(left, got)
	}
	return nil
}
