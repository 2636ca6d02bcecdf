package astm

import (
	"context"
	"errors"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// unframed receives one message whose records come without frames and
// without ENQ. It ends at its L record and is answered by one ACK or NAK.
func (r *receiver) unframed(ctx context.Context, token []byte) error {
	codec.Note(r.host, codec.EventTransmission)
	r.quirk(quirkUnframed)
	r.reset()
	r.began = time.Now()
	for {
		if r.split.kind != record {
			return r.interrupted(ctx, token)
		}
		what := r.a.judge(trimLine(token))
		ended := isLineEnd(token[len(token)-1]) || what == 'L'
		switch err := r.take(ctx, token, ended, codec.Frame{Number: -1, End: codec.EndUnframed}); {
		case errors.Is(err, errLarge):
			return r.oversize(ctx)
		case err != nil && what == 'H':
			// It was not this message that could not be stored, but the one
			// before it, which has no L record and which nobody will repeat.
			r.giveUp(ctx, errNext)
			return r.reply(nak)
		case err != nil:
			r.reset()
			return r.reply(nak)
		case !r.a.open && len(r.a.text) == 0: // text that opens nothing yet is not over
			codec.Note(r.host, codec.EventTransmitted)
			return r.reply(ack)
		}
		var err error
		if token, err = r.nextRecord(); err != nil {
			return r.bareEnd(ctx, err)
		}
	}
}

// nextRecord reads on. Two seconds of silence behind an L record are its end.
func (r *receiver) nextRecord() ([]byte, error) {
	silent, waiting := time.Now(), len(r.tokens.Rest())
	for {
		deadline := time.Now().Add(recordTimer)
		token, err := r.tokens.Next(deadline)
		if !codec.IsTimeout(err) {
			return token, err
		}
		now := time.Now()
		rest := r.tokens.Rest()
		switch {
		case len(rest) != waiting:
			silent, waiting = now, len(rest)
		case waiting > 0 && r.a.judge(trimLine(rest)) == 'L':
			if token, ok := r.tokens.Flush(); ok {
				return token, nil
			}
		}
		if now.Sub(silent) >= receiveTimer || now.Sub(r.began) >= r.o.MessageTimeout || now.Before(deadline) {
			return nil, err
		}
	}
}

// interrupted ends an unframed message at a frame, ENQ or EOT.
func (r *receiver) interrupted(ctx context.Context, token []byte) error {
	r.split.mode = neutral
	if r.split.kind == control && token[0] == eot {
		return r.finish(ctx)
	}
	codec.Note(r.host, codec.EventRestart)
	r.giveUp(ctx, errRestart)
	return r.open(ctx, token)
}

// bareEnd ends an unframed message at a hang-up, a timer or a limit. A sender
// that hangs up behind a whole record may be one that never sends L.
func (r *receiver) bareEnd(ctx context.Context, err error) error {
	if codec.IsTimeout(err) || errors.Is(err, codec.ErrTooLarge) || !r.a.deliverable() {
		return r.broken(ctx, err)
	}
	if r.deliver(ctx, r.a.text, r.a.log.List(), unterminated) != nil {
		r.giveUp(ctx, errHungUp)
	}
	return err
}

// trimLine is a record without the ends of lines in front of it.
func trimLine(rec []byte) []byte {
	for len(rec) > 0 && isLineEnd(rec[0]) {
		rec = rec[1:]
	}
	return rec
}
