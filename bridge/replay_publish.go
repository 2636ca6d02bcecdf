package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// Republisher publishes what a [Replay] derived, one message at a time, each
// confirmed by its stream before the next: with a rate or without, an
// instrument's own message never waits behind more than one of them.
type Republisher struct {
	store  *Store
	run    string
	target *Target
	pace   time.Duration
	next   time.Time
}

// NewRepublisher publishes for the run, into lab.parsed and lab.failed or
// under the target; perSecond 0 is as fast as the stream confirms.
func NewRepublisher(bus Publisher, run string, target *Target, perSecond float64) *Republisher {
	p := &Republisher{store: NewStore(bus, republishPatience), run: run, target: target}
	if perSecond > 0 {
		p.pace = time.Duration(float64(time.Second) / perSecond)
	}
	return p
}

// republishPatience is how long one message is tried before the run gives up.
const republishPatience = 10 * time.Second

// Publish publishes f as the next revision of its message and marks it with
// the run. It reports whether the stream took it: not when it has one with
// this run's id already. Damaged and unknown messages are refused.
func (p *Republisher) Publish(ctx context.Context, f Replayed) (bool, error) {
	if f.inst == nil || f.Err != nil {
		return false, fmt.Errorf("raw %d: %w", f.Stored.Sequence, errors.Join(errNothing, f.Err))
	}
	if err := p.wait(ctx); err != nil {
		return false, err
	}
	for {
		ctx, cancel := context.WithTimeout(ctx, republishPatience)
		receipt, err := p.store.put(ctx, p.publication(f))
		cancel()
		smaller := shrunk(f)
		if !errors.Is(err, ErrTooLarge) || smaller.Reason == f.Derived.Reason && smaller.Message == f.Derived.Message {
			return err == nil && !receipt.Duplicate, err
		}
		f.Derived = smaller
	}
}

var errNothing = errors.New("nothing was derived from it")

// shrunk is f a size smaller; what cannot be made smaller stays.
func shrunk(f Replayed) Derived {
	d, size, sequence := f.Derived, len(f.Stored.Body), f.Stored.Sequence
	switch {
	case d.Message == nil:
		return d
	case d.Message.Records != nil:
		small := deriveSmall(f.inst, f.Reception, size, sequence, d.Message)
		return small
	}
	return fail(f.inst, f.Reception, size, sequence, subjects.ReasonOversize, codec.ErrTooLarge, nil)
}

// publication is what stands on the bus for f.
func (p *Republisher) publication(f Replayed) Publication {
	out := f.Derived.Publication
	out.ID = subjects.ReplayID(f.baseID(), p.run)
	out.Header = maps.Clone(out.Header)
	out.Header[subjects.HeaderCEID] = out.ID
	out.Header[subjects.HeaderReplay] = p.run
	out.Header[subjects.HeaderRevision] = strconv.Itoa(f.Revision + 1)
	if p.target != nil {
		last := f.Derived.Kind
		if f.Derived.Reason != "" {
			last = "failed"
		}
		out.Stream = p.target.Stream
		out.Subject = strings.Join([]string{p.target.Prefix, subjects.Token(f.Reception.Site), subjects.Token(f.Reception.Instrument), subjects.Token(last)}, ".")
	}
	return out
}

// wait keeps the pace; time that was lost is not caught up.
func (p *Republisher) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if p.pace == 0 {
		return nil
	}
	now := time.Now()
	if d := p.next.Sub(now); d > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(d):
		}
		now = now.Add(d)
	}
	p.next = now.Add(p.pace)
	return nil
}
