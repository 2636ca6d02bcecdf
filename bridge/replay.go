package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// Replay reads raw messages, derives again what live sessions derived from
// them, with this program's parsers and the instruments' options of now, and
// compares it with what was published. It changes nothing: [Republisher] and
// the caller do.
type Replay struct {
	Archive   Archive
	Registry  *Registry // instruments with the options of now
	Selection Selection
	Run       string  // id of the run that publishes; "" = none does
	Target    *Target // where the run publishes, when not in lab.parsed
	Segment   uint64  // raw sequences compared at a time, which bounds the memory; 0 = 262144
	// Progress hears of every message read, selected or not; nil is silent.
	Progress func(Position)
}

// Target is a place outside lab. for what is replayed.
type Target struct {
	Prefix string // of the subjects
	Stream string // that stores them
}

// Position is how far a replay has come in a stream.
type Position struct {
	Stream                string // LAB_RAW, or LAB_PARSED while its headers are read
	Sequence, First, Last uint64 // read now, read first, read last
	At                    time.Time
}

// Verdict is what replay found out about one raw message.
type Verdict string

// The verdicts.
const (
	Same    Verdict = "same"    // what was published last is what would be published now
	Changed Verdict = "changed" // it is not
	Missing Verdict = "missing" // nothing was published, and nothing says why
	Fresh   Verdict = "fresh"   // nothing was published yet: a live session may be about to
	Gone    Verdict = "gone"    // what was published has been removed by age
	Repeat  Verdict = "repeat"  // byte for byte a message that was published from another reception
	Unknown Verdict = "unknown" // the instrument is not in the file: with which options to decode is not known
	Damaged Verdict = "damaged" // raw is not what was received
)

// ErrDamaged is a raw message that does not match its digest, or without the
// headers that say how it was received. It is never published.
var ErrDamaged = errors.New("raw message is damaged")

// Replayed is one raw message, derived again.
type Replayed struct {
	Stored    Stored // the raw message
	Reception Reception
	Verdict   Verdict
	Derived   Derived  // zero when unknown or damaged
	Changes   []Change // when changed
	Revision  int      // the highest that is known of the message id; 0 = none
	Done      bool     // the run has published it already
	Err       error    // why damaged

	inst *Instrument
}

// Messages gives the selected raw messages in the order of their sequence, up
// to the last one that is stored when it begins. Messages whose bytes or
// headers are damaged and those of instruments that are not in the registry
// are given as such. An error is the last thing it gives.
func (r *Replay) Messages(ctx context.Context) iter.Seq2[Replayed, error] {
	return func(yield func(Replayed, error) bool) {
		if err := r.messages(ctx, yield); err != nil {
			yield(Replayed{}, err)
		}
	}
}

func (r *Replay) messages(ctx context.Context, yield func(Replayed, error) bool) error {
	span, err := r.Archive.Span(ctx, subjects.StreamRaw)
	if err != nil {
		return err
	}
	q := r.Selection.query(span.Last)
	p := Position{Stream: q.Stream, Last: q.To}
	var x *index
	pace := turns{began: time.Now()}
	for m, err := range r.Archive.Scan(ctx, q) {
		if err != nil {
			return err
		}
		if !r.Selection.Until.IsZero() && !m.At.Before(r.Selection.Until) {
			return nil
		}
		r.progress(&p, m)
		if err := pace.rest(ctx); err != nil {
			return err
		}
		if x == nil || m.Sequence >= x.end {
			if x, err = r.newIndex(ctx, m); err != nil {
				return err
			}
		}
		found, selected, err := r.one(ctx, x, m)
		if err != nil {
			return fmt.Errorf("raw %d: %w", m.Sequence, err)
		}
		if selected && !yield(found, nil) {
			return nil
		}
	}
	return nil
}

func (r *Replay) progress(p *Position, m Stored) {
	if p.First == 0 {
		p.First = m.Sequence
	}
	p.Sequence, p.At = m.Sequence, m.At
	if r.Progress != nil {
		r.Progress(*p)
	}
}

// turns lets live links go first where replay shares their processors and
// their bus: after a stretch of work it rests for as long.
type turns struct{ began time.Time }

const (
	workStretch = 5 * time.Millisecond
	restStretch = workStretch
)

func (t *turns) rest(ctx context.Context) error {
	if time.Since(t.began) < workStretch {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(restStretch):
	}
	t.began = time.Now()
	return nil
}

// one derives m again and judges it, unless the selection leaves it out.
func (r *Replay) one(ctx context.Context, x *index, m Stored) (f Replayed, selected bool, err error) {
	f = Replayed{Stored: m, Reception: ReceptionOf(m.Get)}
	if f.Err = intact(f.Reception, m.Body); f.Err != nil {
		f.Verdict = Damaged
		return f, true, nil
	}
	s := r.Selection
	if s.Protocol != "" && f.Reception.Protocol != s.Protocol {
		return f, false, nil
	}
	then, known := x.raws[m.Sequence]
	if s.Failed && known && !then.failed {
		return f, false, nil
	}
	f.inst = r.Registry.Instrument(f.Reception.Instrument)
	if f.inst != nil {
		before, err := r.before(ctx, f)
		if errors.Is(err, ErrDamaged) {
			f.Verdict, f.Err = Damaged, err
			return f, true, nil
		}
		if err != nil {
			return f, false, err
		}
		f.Derived = deriveWithin(f.inst, f.Reception, m.Body, m.Sequence, r.Archive.MaxPayload(), before)
	}
	if s.Specimen != "" && !holdsSpecimen(m.Body, f.Derived.Message, s.Specimen) {
		return f, false, nil
	}
	if f.inst == nil {
		f.Verdict = Unknown
		return f, true, nil
	}
	h := x.ids[keyOf(f.baseID())]
	f.Revision, f.Done = max(h.revision, then.revision), h.done
	if known {
		err = r.compare(ctx, then, &f)
		return f, true, err
	}
	switch _, repeated := x.ids[keyOf(f.Derived.identity)]; {
	case repeated:
		f.Verdict = Repeat
	case x.aged(m.At):
		f.Verdict, f.Revision = Gone, max(f.Revision, 1)
	case m.At.After(x.oldest.Now.Add(-settled)):
		f.Verdict = Fresh
	default:
		f.Verdict = Missing
	}
	return f, !s.Failed || f.Verdict != Repeat, nil
}

// compare puts what is derived now beside what was published last.
func (r *Replay) compare(ctx context.Context, p published, f *Replayed) error {
	then, err := r.then(ctx, p)
	if errors.Is(err, ErrNotStored) { // aged out since the index was made
		f.Verdict = Gone
		return nil
	}
	if err != nil {
		return err
	}
	f.Verdict = Same
	f.Changes, err = differences(then, f.Derived.Publication)
	if len(f.Changes) > 0 {
		f.Verdict = Changed
	}
	return err
}

// intact checks raw against what was noted when it was received.
func intact(r Reception, raw []byte) error {
	switch {
	case r.Digest == "":
		return fmt.Errorf("%w: it has no digest; it was not stored by assaybus", ErrDamaged)
	case r.Digest != Digest(raw):
		return fmt.Errorf("%w: its bytes do not match its digest; restore %s from a copy", ErrDamaged, subjects.StreamRaw)
	case r.Instrument == "" || r.Site == "" || r.Session == "" || r.ReceivedAt.IsZero():
		return fmt.Errorf("%w: its headers do not say how it was received; it was not stored by assaybus", ErrDamaged)
	}
	return nil
}

// baseID is what all ids derived from the message share.
func (f Replayed) baseID() string {
	p := f.Derived.Publication
	return subjects.BaseID(p.ID, p.Subject, "")
}

// deriveWithin is [Derive] for a bus that takes limit bytes: what is larger is
// made smaller as [Store.Receive] makes it.
func deriveWithin(i *Instrument, r Reception, raw []byte, sequence uint64, limit int, before [][]byte) Derived {
	d := Derive(i, r, raw, sequence, before...)
	identity := d.identity
	if d.Message != nil && wireSize(d.Publication) > limit {
		d = deriveSmall(i, r, len(raw), sequence, d.Message)
	}
	if d.Message != nil && wireSize(d.Publication) > limit {
		d = fail(i, r, len(raw), sequence, subjects.ReasonOversize, codec.ErrTooLarge, nil)
	}
	d.identity = identity
	return d
}

// wireSize is what p counts against the payload limit: its body and its
// headers as NATS writes them.
func wireSize(p Publication) int {
	line := func(name, value string) int { return len(name) + len(": ") + len(value) + len("\r\n") }
	n := len("NATS/1.0\r\n") + len("\r\n") + len(p.Body)
	n += line(subjects.HeaderMsgID, p.ID) + line("Nats-Expected-Stream", p.Stream)
	for name, value := range p.Header {
		n += line(name, value)
	}
	return n
}

// sameBytes reports that nothing needs to be decoded to be compared.
func sameBytes(then Stored, now Publication) bool {
	return then.Subject == now.Subject && bytes.Equal(then.Body, now.Body)
}
