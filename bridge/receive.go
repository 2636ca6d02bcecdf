package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

var (
	_ codec.Host   = (*conn)(nil)
	_ codec.Keeper = (*conn)(nil)
)

// Ready refuses while the store does not take messages.
func (c *conn) Ready() error {
	err := c.server.store.Ready()
	c.status.update(func(s *Counters) {
		switch {
		case err != nil:
			s.State, s.Problem = StateRefusing, err.Error()
			s.refuse(RefusedNotReady)
		case s.State == StateRefusing:
			s.State, s.Problem = StateConnected, ""
		}
	})
	if err != nil {
		c.announce(LinkEvent{Event: subjects.EventRefused, Reason: RefusedNotReady})
	}
	return err
}

// reception begins the record of one message.
func (c *conn) reception(d codec.Delivery) Reception {
	c.messages++
	return c.describe(d, c.messages)
}

// describe is what is known of message n of the connection.
func (c *conn) describe(d codec.Delivery, n int) Reception {
	return Reception{
		Site: c.server.site, Instrument: c.inst.ID, Protocol: c.protocol, Session: c.session, N: n,
		Digest: Digest(d.Raw), ReceivedAt: time.Now(), Peer: c.peer, Quirks: d.Quirks, Batch: d.Batch, Frames: string(d.Frames),
	}
}

// Receive is the whole path of a message: raw and derived are on disk when it
// returns nil.
func (c *conn) Receive(ctx context.Context, d codec.Delivery) error {
	defer c.settle()
	raw, r := d.Raw, c.reception(d)
	bounded, cancel := c.server.store.bound(ctx)
	defer cancel()
	release, err := c.afford(bounded, raw)
	if err != nil {
		return c.refused(RefusedMemory, err)
	}
	defer release()
	o, err := c.keep(bounded, &r, raw)
	switch {
	case errors.Is(err, ErrTooLarge):
		return c.tooLarge(ctx, r, len(raw))
	case errors.Is(err, ErrMemory):
		return c.refused(RefusedMemory, err)
	case err != nil:
		return c.refused(RefusedStore, err)
	}
	c.kept(r, d, o)
	c.due = c.heard
	if o.Derived.Reason != "" {
		c.logFailed(o.Derived)
		if c.inst.Reject {
			c.status.refuse(RefusedUnparsable)
			return fmt.Errorf("%w: %w", codec.ErrReject, o.Derived.Err)
		}
	}
	return nil
}

// refused notes that a message could not be taken now.
func (c *conn) refused(reason string, err error) error {
	c.status.refuse(reason)
	c.announce(LinkEvent{Event: subjects.EventRefused, Reason: reason})
	c.server.say.warn(reason+":"+c.inst.ID, "message refused: it could not be stored; the instrument will repeat it", "instrument", c.inst.ID, "error", err)
	return err
}

func (c *conn) logFailed(d Derived) {
	attrs := []any{"instrument", c.inst.ID, "reason", d.Reason, "error", d.Err}
	key := "failed:" + d.Reason + ":" + c.inst.ID
	if d.Stack != nil {
		attrs, key = append(attrs, "stack", string(d.Stack)), "panic:"+c.inst.ID
	}
	c.server.say.warn(key, "message stored as failed; replay it when the parser or the options are better", attrs...)
}

// tooLarge records the refusal of a message over the limit.
func (c *conn) tooLarge(ctx context.Context, r Reception, size int) error {
	err := fmt.Errorf("instrument %q: %w of %s", c.inst.ID, codec.ErrTooLarge, Size(c.inst.Options.MaxMessage))
	c.status.refuse(RefusedOversize)
	c.announce(LinkEvent{Event: subjects.EventRefused, Reason: RefusedOversize})
	if e := c.server.store.Refused(ctx, c.inst, r, size); e != nil {
		err = errors.Join(err, e)
	}
	return err
}

// Keep puts the text of an open message on disk before the answer to a frame
// that may be its last, unless its sender is known to end its messages.
func (c *conn) Keep(ctx context.Context, d codec.Delivery, kept int) error {
	if c.server.texts == nil || c.server.senders.ends(c.inst.ID, d.Sender) {
		return nil
	}
	ctx, cancel := c.server.store.bound(ctx)
	defer cancel()
	if err := c.open.keep(ctx, c, d, kept); err != nil {
		return c.refused(RefusedStore, err)
	}
	return nil
}

// Incomplete keeps what arrived of a message whose transmission ended before
// it did. What its sender takes for delivered and the bus does not take now is
// rescued.
func (c *conn) Incomplete(ctx context.Context, d codec.Delivery, why error) {
	defer c.settle()
	c.penalty += penalty
	raw, r := d.Raw, c.reception(d)
	if errors.Is(why, codec.ErrTooLarge) {
		_ = c.tooLarge(ctx, r, len(raw)) // the session ends with the same error
		return
	}
	if !d.Unended {
		r.Incomplete = subjects.ReasonIncomplete
	}
	o, err := c.server.store.Receive(ctx, c.inst, r, raw)
	switch {
	case err == nil:
		c.kept(r, d, o)
	case d.Unended:
		c.rescue(r, d, err)
	default: // its sender knows that it did not end, and keeps it
		c.status.refuse(RefusedStore)
		c.server.log.Error("an incomplete message could not be kept", "instrument", c.inst.ID, "bytes", len(raw), "error", err)
	}
}

// kept notes that a message is on disk.
func (c *conn) kept(r Reception, d codec.Delivery, o Outcome) {
	c.open.forget(c)
	if c.server.senders.ended(c.inst.ID, d.Sender, d.Unended) {
		c.server.saveSenders(context.Background())
	}
	c.server.logged.Store(max(c.server.logged.Load(), o.RawSequence))
	c.count(r, o, len(d.Raw))
	c.server.stored(r, o)
}

// rescue writes to the rescue folder what the bus does not take of a message
// whose frames were all acknowledged.
func (c *conn) rescue(r Reception, d codec.Delivery, cause error) {
	c.status.refuse(RefusedStore)
	if err := c.server.rescue.put(r, d.Raw); err != nil {
		c.server.log.Error("a message that ended early could be kept neither on the bus nor in the rescue folder; look in the instrument for what it sent last",
			"instrument", c.inst.ID, "bytes", len(d.Raw), "bus", cause, "error", err)
		return
	}
	c.open.forget(c)
	c.server.say.warn("rescued:"+c.inst.ID, "a message that ended early is in the rescue folder until the bus takes messages again, at the latest at the next start", "instrument", c.inst.ID, "bytes", len(d.Raw), "error", cause)
}
