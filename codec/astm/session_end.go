package astm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// finish ends the session at an EOT.
func (r *receiver) finish(ctx context.Context) error {
	defer codec.Note(r.host, codec.EventTransmitted)
	switch {
	case len(r.a.text) == 0 && len(r.partial) == 0:
		if r.carried == 0 && !r.refused {
			codec.Note(r.host, codec.EventKeepAlive)
		}
	case r.refused, len(r.partial) > 0:
		r.giveUp(ctx, errEnded) // the sender has given up on a frame
	case r.a.endsInL():
		return r.persist(ctx, complete)
	case r.a.deliverable():
		return r.persist(ctx, unterminated)
	default:
		r.giveUp(ctx, errEnded)
	}
	return nil
}

// persist stores a message whose every frame has been acknowledged: it can
// not be refused any more, so it is tried until it is stored or we are told
// to end. Until then the link is not ready.
func (r *receiver) persist(ctx context.Context, f fate) error {
	hungUp := error(nil)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := r.deliver(ctx, r.a.text, r.a.log.List(), f)
		if err == nil {
			r.reset()
			return hungUp
		}
		if ctx.Err() != nil || errors.Is(err, codec.ErrReject) {
			d := r.delivery(r.a.text, r.a.log.List())
			d.Unended = f == unterminated
			r.abandon(ctx, d, errEnded)
			r.reset()
			return hungUp
		}
		until := time.Now().Add(wait)
		if hungUp == nil {
			hungUp = r.refuseBids(until)
		}
		pause(ctx, until)
	}
}

// refuseBids answers NAK to every ENQ up to a time.
func (r *receiver) refuseBids(until time.Time) error {
	r.split.mode = framed
	for {
		token, err := r.tokens.Next(until)
		switch {
		case codec.IsTimeout(err):
			return nil
		case err != nil:
			return err
		case r.split.kind == control && token[0] == enq:
			if err := r.refuseBid(); err != nil {
				return err
			}
		default:
			codec.Note(r.host, codec.EventNoise)
		}
	}
}

// pause waits up to a time or for the end of ctx.
func pause(ctx context.Context, until time.Time) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// discard throws away what waits to be read.
func (r *receiver) discard() {
	r.split.mode = discarding
	r.tokens.Flush()
	r.split.scanned, r.split.midLine = 0, false
	r.tokens.Release()
}

// giveUp hands what is left of an open message to the host.
func (r *receiver) giveUp(ctx context.Context, why error) {
	raw, added := r.a.text, false
	if len(r.partial) > 0 {
		if n := len(raw); n > 0 && r.a.etx && !isLineEnd(raw[n-1]) {
			raw, added = append(raw, cr), true
		}
		raw = append(raw, r.partial...)
	}
	if len(bytes.Trim(raw, "\x00\r\n")) > 0 && r.kept == 0 {
		var frames []byte
		if !errors.Is(why, codec.ErrTooLarge) {
			frames = r.cutFrames(added)
		}
		r.abandon(ctx, r.delivery(raw, frames), why)
	}
	r.reset()
}

// broken ends a session because of err: the Conn's, a timer, or a limit. nil
// means that the line is neutral again.
func (r *receiver) broken(ctx context.Context, err error) error {
	rest := r.tokens.Rest()
	switch {
	case len(rest) > 0 && rest[0] == stx:
		rest = inside(rest)
	case r.split.mode == controls:
		rest = nil
	}
	switch {
	case codec.IsTimeout(err):
		codec.Note(r.host, codec.EventTimeout)
		why := errSilent
		if !r.began.IsZero() && !time.Now().Before(r.began.Add(r.o.MessageTimeout)) {
			why = errTimeout
		}
		if ctx.Err() != nil {
			why = errStopped
		}
		r.partial = append(r.partial, rest...)
		r.giveUp(ctx, why)
		r.discard()
		return nil
	case errors.Is(err, codec.ErrTooLarge):
		r.partial = append(r.partial, rest[:min(len(rest), r.o.MaxFrame)]...)
		return r.oversize(ctx)
	}
	r.partial = append(r.partial, rest...)
	idle := len(r.a.text) == 0 && len(r.partial) == 0
	r.giveUp(ctx, errHungUp)
	if errors.Is(err, io.EOF) && idle {
		return io.EOF
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("astm: in a session: %w", err)
}

// oversize refuses a message over the limits and ends the connection.
func (r *receiver) oversize(ctx context.Context) error {
	codec.Note(r.host, codec.EventOversize)
	r.giveUp(ctx, errLarge)
	if err := r.reply(nak); err != nil {
		return errors.Join(errLarge, err)
	}
	return errLarge
}
