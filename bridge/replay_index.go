package bridge

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/assaybus/assaybus/subjects"
)

// index is what LAB_PARSED says of a segment of raw messages, without bodies:
// some hundred bytes a message, whatever the stream holds.
type index struct {
	first, end uint64 // raw sequences: [first, end)
	raws       map[uint64]published
	ids        map[idKey]history
	oldest     Span
}

// published is where the newest revision of a raw message's derivation is.
type published struct {
	sequence uint64 // in LAB_PARSED
	revision int
	failed   bool // this or an earlier revision failed
}

// history is what is known of a message id.
type history struct {
	revision int
	done     bool // the run has published it
}

// idKey stands for a message id in a tenth of its length.
type idKey [16]byte

func keyOf(id string) idKey {
	sum := sha256.Sum256([]byte(id))
	return idKey(sum[:16])
}

const (
	// segmentSize is how many raw sequences one index covers.
	segmentSize = 1 << 18
	// repeatWindow is the stream's dedupe window with a margin for clocks:
	// within it a repeat is not stored again.
	repeatWindow = 11 * time.Minute
	// settled is the age at which no live session is still at work on a raw
	// message: twice the longest patience.
	settled = 30 * time.Second
)

// newIndex reads the headers of LAB_PARSED from shortly before first was
// stored to the end.
func (r *Replay) newIndex(ctx context.Context, first Stored) (*index, error) {
	span, err := r.Archive.Span(ctx, subjects.StreamParsed)
	if err != nil {
		return nil, err
	}
	size := r.Segment
	if size == 0 {
		size = segmentSize
	}
	x := &index{
		first: first.Sequence, end: first.Sequence + size, oldest: span,
		raws: make(map[uint64]published), ids: make(map[idKey]history),
	}
	var behind time.Time // when the first message behind the segment was derived
	q := Query{
		Stream: subjects.StreamParsed, Subjects: r.Selection.subjects("lab.parsed", "lab.failed"),
		Since: first.At.Add(-repeatWindow), To: span.Last, HeadersOnly: true,
	}
	p := Position{Stream: q.Stream, Last: q.To}
	pace := turns{began: time.Now()}
	for m, err := range r.Archive.Scan(ctx, q) {
		if err != nil {
			return nil, err
		}
		r.progress(&p, m)
		if err := pace.rest(ctx); err != nil {
			return nil, err
		}
		raw, err := strconv.ParseUint(m.Get(subjects.HeaderRawSequence), 10, 64)
		if err != nil { // nothing was kept of a message over the limit, or parts were not continued
			x.abandoned(m)
			continue
		}
		replayed := m.Get(subjects.HeaderReplay) != ""
		if raw >= x.end && behind.IsZero() && !replayed {
			behind = m.At
		}
		if near := behind.IsZero() || m.At.Before(behind.Add(repeatWindow)); near || replayed && len(x.ids) < 2*segmentSize {
			x.note(m, raw, r.Run)
		}
	}
	if r.Target != nil {
		return x, r.noteTarget(ctx, x)
	}
	return x, nil
}

// note takes one message of LAB_PARSED into the index.
func (x *index) note(m Stored, raw uint64, run string) {
	revision, err := strconv.Atoi(m.Get(subjects.HeaderRevision))
	if err != nil {
		revision = 1
	}
	by := m.Get(subjects.HeaderReplay)
	key := keyOf(subjects.BaseID(m.Get(subjects.HeaderMsgID), m.Subject, by))
	h := x.ids[key]
	h.revision = max(h.revision, revision)
	h.done = h.done || run != "" && by == run
	x.ids[key] = h
	if raw < x.first || raw >= x.end {
		return
	}
	p := x.raws[raw]
	p.failed = p.failed || strings.HasPrefix(m.Subject, "lab.failed.")
	if revision >= p.revision {
		p.sequence, p.revision = m.Sequence, revision
	}
	x.raws[raw] = p
}

// abandoned takes the alarm of parts that were not continued: each of them
// failed, though what was published of it is not a failure.
func (x *index) abandoned(m Stored) {
	for _, raw := range parseParts(m.Get(subjects.HeaderParts)) {
		if p, ok := x.raws[raw]; ok {
			p.failed = true
			x.raws[raw] = p
		}
	}
}

// noteTarget finds what the run has published elsewhere.
func (r *Replay) noteTarget(ctx context.Context, x *index) error {
	for key, h := range x.ids {
		h.done = false // the run's id may have been used for lab.parsed
		x.ids[key] = h
	}
	span, err := r.Archive.Span(ctx, r.Target.Stream)
	if err != nil {
		return err
	}
	q := Query{Stream: r.Target.Stream, Subjects: []string{r.Target.Prefix + ".>"}, To: span.Last, HeadersOnly: true}
	for m, err := range r.Archive.Scan(ctx, q) {
		if err != nil {
			return err
		}
		if m.Get(subjects.HeaderReplay) != r.Run {
			continue
		}
		raw, err := strconv.ParseUint(m.Get(subjects.HeaderRawSequence), 10, 64)
		if err != nil || raw < x.first || raw >= x.end {
			continue
		}
		key := keyOf(subjects.BaseID(m.Get(subjects.HeaderMsgID), m.Subject, r.Run))
		h := x.ids[key]
		h.done = true
		x.ids[key] = h
	}
	return nil
}

// aged reports whether what was derived from a raw message stored at t may
// have been removed by age.
func (x *index) aged(t time.Time) bool {
	if x.oldest.Messages == 0 {
		return x.oldest.Last > 0
	}
	return x.oldest.First > 1 && t.Before(x.oldest.FirstAt)
}

// then reads what was published last for a raw message.
func (r *Replay) then(ctx context.Context, p published) (Stored, error) {
	m, err := r.Archive.Get(ctx, subjects.StreamParsed, p.sequence)
	if err != nil {
		return m, fmt.Errorf("what was published: %w", err)
	}
	return m, nil
}
