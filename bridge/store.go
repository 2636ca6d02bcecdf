package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// Store is custody: it keeps raw messages and what is derived from them.
type Store struct {
	bus      Publisher
	patience time.Duration
}

// NewStore keeps messages on bus. patience bounds everything that happens
// before an instrument gets its answer.
func NewStore(bus Publisher, patience time.Duration) *Store {
	return &Store{bus: bus, patience: patience}
}

// Outcome is what became of a received message.
type Outcome struct {
	Derived     Derived
	RawSequence uint64
	Sequence    uint64        // of what was derived, in LAB_PARSED
	Repeat      bool          // consumers had this message already
	Took        time.Duration // until raw and derived were on disk
}

// The pauses between two attempts to publish, and how long one attempt may
// take: a confirmation that was lost must leave time for another try.
const (
	firstPause  = 20 * time.Millisecond
	longPause   = time.Second
	maxAttempts = 3 // that fit into the patience when each times out
)

// Receive stores raw and what is derived from it. nil means that both are on
// disk. The instrument's own cancellation does not stop it: only the patience
// does.
func (s *Store) Receive(ctx context.Context, i *Instrument, r Reception, raw []byte) (Outcome, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.receive(ctx, i, r, raw, nil)
}

// bound is the one deadline that covers everything before a reply.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.patience)
}

// receive is Receive within the deadline of ctx; before as in [Derive].
func (s *Store) receive(ctx context.Context, i *Instrument, r Reception, raw []byte, before [][]byte) (Outcome, error) {
	began := time.Now()
	var o Outcome
	kept, err := s.keep(ctx, r, raw)
	if err != nil {
		return o, fmt.Errorf("keep raw: %w", err)
	}
	o, err = s.derive(ctx, i, r, raw, kept.Sequence, before)
	o.Took = time.Since(began)
	return o, err
}

// derive stores what is derived from a raw message that is on disk.
func (s *Store) derive(ctx context.Context, i *Instrument, r Reception, raw []byte, sequence uint64, before [][]byte) (Outcome, error) {
	o := Outcome{RawSequence: sequence, Derived: Derive(i, r, raw, sequence, before...)}
	receipt, err := s.put(ctx, o.Derived.Publication)
	if errors.Is(err, ErrTooLarge) && o.Derived.Message != nil {
		o.Derived, receipt, err = s.shrink(ctx, i, r, raw, sequence, o.Derived.Message)
	}
	if err != nil {
		return o, fmt.Errorf("keep what was derived: %w", err)
	}
	o.Sequence, o.Repeat = receipt.Sequence, receipt.Duplicate
	return o, nil
}

// keep puts the raw message into LAB_RAW.
func (s *Store) keep(ctx context.Context, r Reception, raw []byte) (Receipt, error) {
	id := r.rawID()
	header := r.header(id, "assaybus.raw", "application/octet-stream")
	if r.Frames != "" {
		header[subjects.HeaderFrames] = r.Frames
	}
	p := Publication{Stream: subjects.StreamRaw, Subject: subjects.Raw(r.Site, r.Instrument), ID: id, Header: header, Body: raw}
	receipt, err := s.put(ctx, p)
	if errors.Is(err, ErrTooLarge) && r.Frames != "" { // the message matters, not how it was framed
		delete(header, subjects.HeaderFrames)
		receipt, err = s.put(ctx, p)
	}
	return receipt, err
}

// shrink derives again without the generic records, when the parsed message
// is larger than the bus takes although its raw message fits.
func (s *Store) shrink(ctx context.Context, i *Instrument, r Reception, raw []byte, sequence uint64, m *codec.Message) (Derived, Receipt, error) {
	d := deriveSmall(i, r, len(raw), sequence, m)
	receipt, err := s.put(ctx, d.Publication)
	if errors.Is(err, ErrTooLarge) && d.Message != nil {
		d = fail(i, r, len(raw), sequence, subjects.ReasonOversize, codec.ErrTooLarge, nil)
		receipt, err = s.put(ctx, d.Publication)
	}
	return d, receipt, err
}

// Refused records that a message over the instrument's limit was refused.
// Nothing of it is kept.
func (s *Store) Refused(ctx context.Context, i *Instrument, r Reception, size int) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	r.Incomplete = subjects.ReasonOversize
	cause := fmt.Errorf("%w of %s: raise max_message of instrument %q or make it send less", codec.ErrTooLarge, Size(i.Options.MaxMessage), i.ID)
	_, err := s.put(ctx, fail(i, r, size, 0, subjects.ReasonOversize, cause, nil).Publication)
	return err
}

// Ready is nil when messages can be stored now.
func (s *Store) Ready() error { return s.bus.Healthy() }

// put publishes p until the stream confirms it or ctx ends, always with the
// same id: the stream keeps one of them. Duplicate is the answer to the first
// try only: to a later one it says that an earlier try of our own arrived.
func (s *Store) put(ctx context.Context, p Publication) (Receipt, error) {
	pause := firstPause
	for tries := 1; ; tries++ {
		receipt, err := s.attempt(ctx, p)
		if err == nil || errors.Is(err, ErrTooLarge) {
			receipt.Duplicate = receipt.Duplicate && tries == 1
			return receipt, err
		}
		select {
		case <-ctx.Done():
			return Receipt{}, err
		case <-time.After(pause):
			pause = min(2*pause, longPause)
		}
	}
}

func (s *Store) attempt(ctx context.Context, p Publication) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience/maxAttempts)
	defer cancel()
	return s.bus.Publish(ctx, p)
}
