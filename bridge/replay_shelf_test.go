package bridge_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// shelf is an Archive in memory over what a bus was given.
type shelf struct {
	*bus
	limit int
	lost  map[uint64]bool // sequences of LAB_PARSED that age out between two looks
	began time.Time
	now   time.Time // zero = an hour later
	scans int
	gets  atomic.Int64
}

// rows are what a stream holds; each counts its own from 1.
func (s *shelf) rows(stream string) []bridge.Stored {
	var all []bridge.Stored
	for n, p := range s.in(stream) {
		header := map[string][]string{subjects.HeaderMsgID: {p.ID}}
		for name, value := range p.Header {
			header[name] = []string{value}
		}
		all = append(all, bridge.Stored{
			Stream: stream, Subject: p.Subject, Sequence: uint64(n + 1), At: s.began.Add(time.Duration(n) * time.Second), Header: header, Body: p.Body,
		})
	}
	return all
}

func (s *shelf) Span(_ context.Context, stream string) (bridge.Span, error) {
	n, now := uint64(len(s.rows(stream))), s.now
	if now.IsZero() {
		now = s.began.Add(time.Hour)
	}
	return bridge.Span{First: 1, Last: n, Messages: n, FirstAt: s.began, Now: now}, nil
}

func (s *shelf) Scan(_ context.Context, q bridge.Query) iter.Seq2[bridge.Stored, error] {
	s.scans++
	return func(yield func(bridge.Stored, error) bool) {
		for _, m := range s.rows(q.Stream) {
			if m.Sequence >= q.From && m.Sequence <= q.To && !m.At.Before(q.Since) && matches(q.Subjects, m.Subject) && !yield(m, nil) {
				return
			}
		}
	}
}

// matches tells whether one of the filters takes the subject; none takes all.
func matches(filters []string, subject string) bool {
	tokens := strings.Split(subject, ".")
	return len(filters) == 0 || slices.ContainsFunc(filters, func(filter string) bool {
		return slices.EqualFunc(strings.Split(filter, "."), tokens, func(f, t string) bool { return f == "*" || f == t })
	})
}

func (s *shelf) Get(_ context.Context, stream string, sequence uint64) (bridge.Stored, error) {
	s.gets.Add(1)
	if all := s.rows(stream); sequence <= uint64(len(all)) && !s.lost[sequence] {
		return all[sequence-1], nil
	}
	return bridge.Stored{}, bridge.ErrNotStored
}

func (s *shelf) MaxPayload() int { return s.limit }

// Publish refuses what is over the limit, as NATS does.
func (s *shelf) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	if bridge.WireSize(p) > s.limit {
		return bridge.Receipt{}, bridge.ErrTooLarge
	}
	receipt, err := s.bus.Publish(ctx, p)
	for n, other := range s.in(p.Stream) {
		if other.ID == p.ID {
			receipt.Sequence = uint64(n + 1)
		}
	}
	return receipt, err
}

func newShelf(limit int) *shelf {
	return &shelf{bus: &bus{}, limit: limit, began: time.Date(2026, 11, 23, 6, 36, 0, 0, time.UTC)}
}
