package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// question asks for the newest messages of some subjects.
type question struct {
	stream  string
	filter  []string
	before  uint64 // only below this sequence; 0 = all
	count   int
	headers bool // without bodies
}

// The bounds of a search: JetStream reads forward only, so a window is laid
// over the end of the stream and widened until enough is in it.
const (
	firstWindow = 256
	mostRead    = 5000 // messages that one window may hold
	tries       = 24
	consumerAge = 10 * time.Second // what we could not delete goes by itself
)

// newest answers q, newest first.
func (a *Archive) newest(ctx context.Context, q question) ([]Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s, err := a.js.Stream(ctx, q.stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", q.stream, err)
	}
	top, err := lastOf(ctx, s, q.filter)
	if err != nil || top == 0 {
		return nil, err
	}
	var beyond uint64 // matches at or above q.before
	if q.before > 0 {
		if q.before <= s.CachedInfo().State.FirstSeq {
			return nil, nil
		}
		if top >= q.before {
			if beyond, err = pending(ctx, s, q, q.before); err != nil {
				return nil, err
			}
			top = q.before - 1
		}
	}
	start, have, err := window(ctx, s, q, top, beyond)
	if err != nil {
		return nil, err
	}
	return readFrom(ctx, s, q, start, have, top)
}

// lastOf is the highest sequence of the subjects; 0 = there is none.
func lastOf(ctx context.Context, s jetstream.Stream, filter []string) (uint64, error) {
	var top uint64
	for _, subject := range filter {
		m, err := s.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		top = max(top, m.Sequence)
	}
	return top, nil
}

// window finds where to begin to read so that q.count matches, and not many
// more, lie between there and top.
func window(ctx context.Context, s jetstream.Stream, q question, top, beyond uint64) (start, have uint64, err error) {
	first := max(s.CachedInfo().State.FirstSeq, 1)
	width := uint64(firstWindow)
	var narrow uint64 // the widest window that held too few
	for range tries {
		start = first
		if top > width && top-width+1 > first {
			start = top - width + 1
		}
		all, err := pending(ctx, s, q, start)
		if err != nil {
			return 0, 0, err
		}
		have = all - min(all, beyond)
		switch {
		case have > mostRead && width > narrow+1: // the middle between too narrow and too wide
			width = narrow + (width-narrow)/2
			continue
		case have >= uint64(q.count) || start == first:
			return start, have, nil
		}
		narrow = width
		grow := uint64(64)
		if have > 0 {
			grow = min(max(2*uint64(q.count)/have, 2), 64)
		}
		width *= grow
	}
	return start, have, nil
}

func consumerOf(q question, start uint64) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		FilterSubjects: q.filter, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: start,
		AckPolicy: jetstream.AckNonePolicy, HeadersOnly: q.headers, MemoryStorage: true, InactiveThreshold: consumerAge, Replicas: 1,
	}
}

// pending counts the matches from start on.
func pending(ctx context.Context, s jetstream.Stream, q question, start uint64) (uint64, error) {
	c, err := s.CreateConsumer(ctx, consumerOf(q, start))
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", q.stream, err)
	}
	n := c.CachedInfo().NumPending
	_ = s.DeleteConsumer(ctx, c.CachedInfo().Name) // else its age ends it
	return n, nil
}

// readFrom reads have matches from start and keeps the last of them up to top.
func readFrom(ctx context.Context, s jetstream.Stream, q question, start, have, top uint64) ([]Entry, error) {
	if have == 0 {
		return nil, nil
	}
	c, err := s.CreateConsumer(ctx, consumerOf(q, start))
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", q.stream, err)
	}
	defer func() { _ = s.DeleteConsumer(context.WithoutCancel(ctx), c.CachedInfo().Name) }()
	batch, err := c.FetchNoWait(int(min(have, mostRead)))
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", q.stream, err)
	}
	var entries []Entry
	for m := range batch.Messages() {
		at, err := m.Metadata()
		if err != nil || at.Sequence.Stream > top {
			continue
		}
		if len(entries) == 2*q.count { // keep the newest only
			entries = slices.Clone(entries[q.count:])
		}
		entries = append(entries, entryOf(at.Sequence.Stream, m.Subject(), at.Timestamp, m.Headers(), m.Data()))
	}
	if err := batch.Error(); err != nil {
		return nil, fmt.Errorf("stream %s: %w", q.stream, err)
	}
	if len(entries) > q.count {
		entries = entries[len(entries)-q.count:]
	}
	slices.Reverse(entries)
	return entries, nil
}
