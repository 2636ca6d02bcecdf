package bridge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/subjects"
)

// takeIn puts into the log what an earlier run of this bridge could not: open
// messages whose frames had been acknowledged when it ended, and what it wrote
// to the rescue folder. It is done before instruments are served; what cannot
// be taken in now stays where it is for the next start.
func (s *Server) takeIn(ctx context.Context, registry *Registry) {
	err := s.takeRescued(ctx, registry)
	if e := s.takeOpen(ctx, registry); e != nil {
		err = errors.Join(err, e)
	}
	if err != nil {
		s.log.Error("not all that was open at the last stop could be taken in; it stays for the next start", "error", err)
	}
}

// errGone is a message of an instrument that is not in the file.
var errGone = errors.New("its instrument is not in the instruments file; list it again and restart, so that it is known how to decode it")

// storeLate puts one message of an earlier run on disk.
func (s *Server) storeLate(ctx context.Context, registry *Registry, r Reception, raw []byte) (uint64, error) {
	i := registry.Instrument(r.Instrument)
	if i == nil {
		return 0, fmt.Errorf("instrument %q: %w", r.Instrument, errGone)
	}
	o, err := s.store.Receive(ctx, i, r, raw)
	return o.RawSequence, err
}

// takeRescued stores what is in the rescue folder.
func (s *Server) takeRescued(ctx context.Context, registry *Registry) error {
	found, bad := s.rescue.all()
	for _, one := range found {
		sequence, err := s.storeLate(ctx, registry, one.Reception, one.raw)
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("rescued message: %w", err))
			continue
		}
		s.log.Warn("a message that could not be stored before the program stopped is stored now", "instrument", one.Reception.Instrument, "raw", sequence)
		if err := s.rescue.remove(one); err != nil {
			bad = errors.Join(bad, fmt.Errorf("remove what was taken in, or the next start stores it again: %w", err))
		}
	}
	return bad
}

// leftover is an open message of an earlier run.
type leftover struct {
	subject string
	pieces  []Stored
}

// takeOpen stores the open messages of earlier runs of this bridge that are
// not in the log.
func (s *Server) takeOpen(ctx context.Context, registry *Registry) error {
	span, err := s.texts.Span(ctx, subjects.StreamOpen)
	if err != nil {
		return err
	}
	raw, err := s.texts.Span(ctx, subjects.StreamRaw)
	if err != nil {
		return err
	}
	s.logged.Store(raw.Last)
	if span.Messages == 0 {
		return nil
	}
	if err := s.loadSenders(ctx, span.Last); err != nil {
		return fmt.Errorf("read which instruments leave the end of their messages out: %w", err)
	}
	left, err := s.leftovers(ctx, span.Last)
	var bad error
	for _, one := range left {
		if err := s.takeOne(ctx, registry, one, raw.Last); err != nil {
			bad = errors.Join(bad, fmt.Errorf("open message: %w", err))
		}
	}
	return errors.Join(err, bad)
}

// takeOne stores one open message unless it came into the log after all; what
// came there without what is derived from it gets that.
func (s *Server) takeOne(ctx context.Context, registry *Registry, one leftover, last uint64) error {
	r, text, after := one.assemble()
	found, err := s.inLog(ctx, r, text, after, last)
	if err != nil {
		return err
	}
	sequence := found.Sequence
	if sequence == 0 {
		if !s.senders.leaveOut(r.Instrument) { // it may have been about to send more
			r.Incomplete = subjects.ReasonIncomplete
		}
		sequence, err = s.storeLate(ctx, registry, r, text)
	} else {
		err = s.deriveLate(ctx, registry, found)
	}
	if err != nil {
		return err
	}
	s.log.Warn("a message without an end was open when the program stopped; it is stored as it was acknowledged", "instrument", r.Instrument, "raw", sequence, "bytes", len(text))
	return s.texts.Forget(ctx, one.subject)
}

// leftovers are the open messages that LAB_OPEN has of this bridge, oldest
// first.
func (s *Server) leftovers(ctx context.Context, last uint64) ([]leftover, error) {
	var left []leftover
	at := make(map[string]int)
	q := Query{Stream: subjects.StreamOpen, Subjects: []string{"lab.open." + subjects.Token(s.site) + "." + subjects.Token(s.bridge) + ".>"}, To: last}
	for m, err := range s.texts.Scan(ctx, q) {
		if err != nil {
			return left, fmt.Errorf("read open messages: %w", err)
		}
		subject := m.Subject[:strings.LastIndexByte(m.Subject, '.')]
		n, known := at[subject]
		if !known {
			n = len(left)
			at[subject], left = n, append(left, leftover{subject: subject})
		}
		left[n].pieces = append(left[n].pieces, m)
	}
	return left, nil
}

// assemble puts the pieces together: what the headers of the newest say, and
// where the log ended when the first was written.
func (l leftover) assemble() (r Reception, text []byte, after uint64) {
	offset := func(m Stored) int {
		n, _ := strconv.Atoi(m.Get(subjects.HeaderOffset))
		return n
	}
	slices.SortFunc(l.pieces, func(a, b Stored) int { return cmp.Compare(offset(a), offset(b)) })
	newest := l.pieces[0]
	after, _ = strconv.ParseUint(newest.Get(subjects.HeaderRawSequence), 10, 64)
	for _, m := range l.pieces {
		if offset(m) != len(text) {
			break // of a frame that was refused and came otherwise
		}
		text = append(text, m.Body...)
		newest = m
	}
	r = ReceptionOf(newest.Get)
	r.Digest = Digest(text)
	_, r.N, _, _ = subjects.ParseRawID(newest.Get(subjects.HeaderCEID))
	return r, text, after
}

// inLog is the raw message that began with text and came into the log behind
// the given sequence; a zero Stored is none.
func (s *Server) inLog(ctx context.Context, r Reception, text []byte, after, last uint64) (Stored, error) {
	if last <= after {
		return Stored{}, nil
	}
	q := Query{Stream: subjects.StreamRaw, Subjects: []string{subjects.Raw(r.Site, r.Instrument)}, From: after + 1, To: last}
	for m, err := range s.texts.Scan(ctx, q) {
		if err != nil {
			return Stored{}, fmt.Errorf("look for it in the log: %w", err)
		}
		of := ReceptionOf(m.Get)
		if of.Session == r.Session && of.N >= r.N && bytes.HasPrefix(m.Body, text) {
			return m, nil
		}
	}
	return Stored{}, nil
}

// deriveLate stores what is derived from a raw message, unless it is there.
func (s *Server) deriveLate(ctx context.Context, registry *Registry, m Stored) error {
	span, err := s.texts.Span(ctx, subjects.StreamParsed)
	if err != nil {
		return err
	}
	r := ReceptionOf(m.Get)
	q := Query{Stream: subjects.StreamParsed, Since: m.At.Add(-repeatWindow), To: span.Last, HeadersOnly: true}
	for p, err := range s.texts.Scan(ctx, q) {
		if err != nil {
			return fmt.Errorf("look for what was derived from it: %w", err)
		}
		if p.Get(subjects.HeaderRawSequence) == sequenceText(m.Sequence) {
			return nil
		}
	}
	i := registry.Instrument(r.Instrument)
	if i == nil {
		return fmt.Errorf("instrument %q: %w", r.Instrument, errGone)
	}
	bounded, cancel := s.store.bound(ctx)
	defer cancel()
	_, err = s.store.derive(bounded, i, r, m.Body, m.Sequence, nil)
	return err
}
