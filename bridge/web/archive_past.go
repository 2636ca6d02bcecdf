package web

import (
	"context"
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
	for _, id := range instruments {
		p, err := a.lastOf(ctx, id)
		if err != nil {
			return past, err
		}
		past[id] = p
	}
	return past, a.hours(ctx, mark, past)
}

// lastOf is the instrument's last message and last link event but listening,
// which is not the instrument's.
func (a *Archive) lastOf(ctx context.Context, id string) (bridge.Past, error) {
	var p bridge.Past
	t := subjects.Token(a.site) + "." + subjects.Token(id)
	for _, q := range []struct {
		stream, subject string
		at              *time.Time
	}{
		{subjects.StreamParsed, "lab.parsed." + t + ".>", &p.LastMessage},
		{subjects.StreamParsed, "lab.failed." + t + ".>", &p.LastMessage},
		{subjects.StreamLink, "lab.link." + t + "." + subjects.EventConnected, &p.LastContact},
		{subjects.StreamLink, "lab.link." + t + "." + subjects.EventTransmission, &p.LastContact},
		{subjects.StreamLink, "lab.link." + t + "." + subjects.EventDisconnected, &p.LastContact},
	} {
		s, err := a.js.Stream(ctx, q.stream)
		if err != nil {
			return p, fmt.Errorf("stream %s: %w", q.stream, err)
		}
		seq, err := lastOf(ctx, s, []string{q.subject})
		if err != nil {
			return p, fmt.Errorf("stream %s: %w", q.stream, err)
		}
		if seq == 0 {
			continue
		}
		m, err := s.GetMsg(ctx, seq)
		if err == nil && m.Time.After(*q.at) {
			*q.at = m.Time
		}
	}
	if p.LastMessage.After(p.LastContact) {
		p.LastContact = p.LastMessage
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
