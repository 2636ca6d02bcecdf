package bridge

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// recallAge is how long ago a part may have come to be known at start.
const recallAge = 24 * time.Hour

// recall finds what came in parts before the start: open chains, which go on
// or raise their alarm, and complete ones, whose repeats are known. It reads
// headers of LAB_PARSED: first of what parts become, then, of instruments
// that have any, of what they were joined to.
func (j *joiner) recall(ctx context.Context, registry *Registry) error {
	if j.archive == nil {
		j.learn(nil)
		return nil
	}
	site := subjects.Token(j.server.site)
	span, err := j.archive.Span(ctx, subjects.StreamParsed)
	if err != nil {
		return err
	}
	q := Query{
		Stream: subjects.StreamParsed, Since: span.Now.Add(-recallAge), To: span.Last, HeadersOnly: true,
		Subjects: []string{"lab.parsed." + site + ".*." + codec.KindOther, "lab.failed." + site + ".*.*"},
	}
	m := memory{}
	if err := m.read(ctx, j.archive, q); err != nil {
		return err
	}
	if q.Subjects, q.Since = m.unfinished(site); len(q.Subjects) > 0 {
		if err := m.read(ctx, j.archive, q); err != nil {
			return err
		}
	}
	for instrument, all := range m {
		i := registry.Instrument(instrument)
		if i == nil {
			delete(m, instrument)
			continue
		}
		slices.SortFunc(all, func(a, b *chain) int { return a.at.Compare(b.at) })
		m[instrument] = all[max(0, len(all)-maxChains):]
		for _, c := range m[instrument] {
			if err := j.identify(ctx, i, c); err != nil {
				return err
			}
		}
	}
	j.learn(m)
	return nil
}

// identify reads from the newest part of an open chain what it is continued
// under. Its time begins anew: that the program was down is not the
// instrument's fault.
func (j *joiner) identify(ctx context.Context, i *Instrument, c *chain) error {
	c.at = time.Now()
	if c.done && !c.older {
		return nil
	}
	m, err := j.archive.Get(ctx, subjects.StreamRaw, c.parts[len(c.parts)-1].sequence)
	if errors.Is(err, ErrNotStored) {
		c.lost = !c.done
		return nil
	}
	if err != nil {
		return err
	}
	part, continued, _, err := partOf(i.Protocol, m.Body)
	c.sender, c.pointer = part.Sender, part.Pointer
	c.lost = !c.done && (err != nil || !continued || part.Pointer == "") // the options have changed since: nothing will continue it
	return nil
}

// learn takes what recall found. A chain that has begun since is of one part,
// for nothing else was taken; it may repeat what is found.
func (s *chains) learn(found map[string][]*chain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = true
	for instrument, all := range found {
		young := s.all[instrument]
		for _, c := range all {
			if c.done && c.older {
				s.bury(c)
			}
			young = slices.DeleteFunc(young, func(y *chain) bool {
				again := c.position(y.parts[0].digest) >= 0
				if again {
					c.session = y.session
				}
				return again
			})
		}
		s.set(instrument, append(all, young...))
	}
}

// memory is the chains that the headers of LAB_PARSED tell of, by instrument.
type memory map[string][]*chain

func (m memory) read(ctx context.Context, a Archive, q Query) error {
	for s, err := range a.Scan(ctx, q) {
		if err != nil {
			return err
		}
		m.note(s)
	}
	return nil
}

// note takes one message of LAB_PARSED; those that are no parts, and those
// that were noted before, change nothing.
func (m memory) note(s Stored) {
	r := ReceptionOf(s.Get)
	sequence, _ := strconv.ParseUint(s.Get(subjects.HeaderRawSequence), 10, 64)
	if s.Get(subjects.HeaderReplay) != "" {
		m.replayed(r, sequence)
		return
	}
	if !r.More && len(r.Parts) == 0 {
		return
	}
	c := m.find(r)
	if sequence == 0 { // the alarm: it was not continued, and its pointer stays ambiguous
		c.done, c.older = true, true
		return
	}
	if slices.ContainsFunc(c.parts, func(l link) bool { return l.sequence == sequence || l.digest == r.Digest }) {
		return
	}
	c.parts = append(c.parts, link{sequence, r.Digest})
	c.session, c.newest, c.at, c.done = r.Session, r, s.At, !r.More
}

// replayed takes what replay made of a raw message. A part that is whole now,
// by other options, waits for nothing.
func (m memory) replayed(r Reception, sequence uint64) {
	for _, c := range m[r.Instrument] {
		if !r.More && slices.ContainsFunc(c.parts, func(l link) bool { return l.sequence == sequence }) {
			c.done = true
		}
	}
}

// find is the chain that r belongs to; a new one if there is none.
func (m memory) find(r Reception) *chain {
	var last uint64
	if len(r.Parts) > 0 {
		last = r.Parts[len(r.Parts)-1]
	}
	for _, c := range m[r.Instrument] {
		if c.position(r.Digest) >= 0 || slices.ContainsFunc(c.parts, func(l link) bool { return l.sequence == last }) {
			return c
		}
	}
	c := &chain{newest: r}
	for _, before := range r.Parts { // older than what is read
		c.parts = append(c.parts, link{sequence: before})
	}
	m[r.Instrument] = append(m[r.Instrument], c)
	return c
}

// unfinished are the subjects of all that was derived for instruments with
// open chains, since the first of these; site is a token.
func (m memory) unfinished(site string) (filter []string, since time.Time) {
	for instrument, all := range m {
		open := slices.ContainsFunc(all, func(c *chain) bool {
			if !c.done && (since.IsZero() || c.at.Before(since)) {
				since = c.at
			}
			return !c.done
		})
		if open {
			filter = append(filter, "lab.parsed."+site+"."+subjects.Token(instrument)+".*")
		}
	}
	slices.Sort(filter)
	return filter, since
}
