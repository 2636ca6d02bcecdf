package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// joiner knows which messages are continued over several (HL7 DSC): it tells
// a part which raw messages come before it, and the laboratory of a message
// whose rest did not come.
type joiner struct {
	chains
	server  *Server
	archive Archive // nil = nothing can be read back
}

// errNoArchive is a server that was made without one.
var errNoArchive = errors.New("parts of continued messages cannot be read back: the server has no archive")

// joinEvery is how often chains are looked at.
const joinEvery = time.Second

// keep stores raw and what is derived from it, as [Store.Receive], and finds
// its place when it is a part of a longer message.
func (c *conn) keep(ctx context.Context, r *Reception, raw []byte) (Outcome, error) {
	store, j := c.server.store, c.server.joiner
	part, continued, _, err := partOf(c.inst.Protocol, raw)
	if err != nil || !continued { // Derive says what is wrong
		j.pass(*r)
		return store.receive(ctx, c.inst, *r, raw, nil)
	}
	p, err := j.find(*r, part)
	if err != nil {
		return Outcome{}, err
	}
	defer j.release(p)
	if p.chain != nil {
		r.Parts = p.chain.before(p.at)
	}
	r.More = part.Pointer != "" && !p.alone() && len(r.Parts) < MaxParts
	before, release, err := c.earlier(ctx, *r, raw)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	o, err := store.receive(ctx, c.inst, *r, raw, before)
	if err == nil {
		j.stored(p, *r, part, o.RawSequence, time.Now())
	}
	return o, err
}

// earlier reads the parts before the last, within the memory for messages.
func (c *conn) earlier(ctx context.Context, r Reception, raw []byte) (before [][]byte, release func(), err error) {
	if !lastOf(c.inst, r, raw) {
		return nil, func() {}, nil
	}
	if c.server.joiner.archive == nil {
		return nil, nil, errNoArchive
	}
	var want, taken int64
	release = func() { c.server.memory.give(taken) }
	bounded, cancel := context.WithTimeout(ctx, c.server.store.patience/2)
	defer cancel()
	before, err = readParts(bounded, c.server.joiner.archive, c.inst, r, len(raw), func(part []byte) error {
		want += cost(part) + 2*int64(len(part)) // itself, and its place in the whole
		if want <= freeCost {
			return nil
		}
		more, err := c.server.memory.wait(bounded, want-taken, c.held+c.lent+taken)
		taken += more
		return err
	})
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("read what the message continues: %w", err)
	}
	return before, release, nil
}

// run tells of what was not continued, until ctx ends; what is open then is
// known again at the next start.
func (j *joiner) run(ctx context.Context, registry *Registry) {
	tick := time.NewTicker(joinEvery)
	defer tick.Stop()
	recovered := false
	for {
		if !recovered {
			err := j.recall(ctx, registry)
			if recovered = err == nil; !recovered && ctx.Err() == nil {
				j.server.say.warn("recall", "parts of continued messages from before the start are not known yet; parts that continue them are refused", "error", err)
			}
		}
		for _, c := range j.expire(time.Now()) {
			if !j.alarm(ctx, c) {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// alarm tells of parts that were not continued; false means not yet.
func (j *joiner) alarm(ctx context.Context, c *chain) bool {
	r := c.newest
	r.Parts, r.More = c.before(len(c.parts)), false
	r.Incomplete = subjects.ReasonIncomplete
	cause := fmt.Errorf("%w: raw %s wait for the rest, which did not come within %v; look at the instrument; set dsc: separate if each message is complete by itself, and replay them",
		codec.ErrIncomplete, partsText(r.Parts), PartTimeout)
	ctx, cancel := context.WithTimeout(ctx, j.server.store.patience)
	defer cancel()
	d := fail(&Instrument{}, r, 0, 0, subjects.ReasonIncomplete, cause, nil)
	if _, err := j.server.store.put(ctx, d.Publication); err != nil {
		j.server.say.warn("abandoned:"+r.Instrument, "parts of a message that was not continued: the alarm cannot be stored yet", "instrument", r.Instrument, "error", err)
		return false
	}
	j.forget(c)
	j.server.board.failed(r.Instrument, subjects.ReasonIncomplete)
	j.server.say.warn("incomplete:"+r.Instrument, "a message came in part only: it was not continued", "instrument", r.Instrument, "raw", partsText(r.Parts), "error", cause)
	return true
}
