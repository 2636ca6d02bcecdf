package astm

import (
	"context"
	"errors"

	"github.com/assaybus/assaybus/codec"
)

// envelopes is the transfer phase of a Snibe Maglumi X3 in its own "online"
// mode: ENQ, STX, ETX and EOT are characters of their own that each want an
// ACK, and what stands between STX and ETX are records without number and
// checksum. The ACK of the ETX waits for the store. first is the STX that
// opened the session without an ENQ, or nil.
func (r *receiver) envelopes(ctx context.Context, first []byte) error {
	r.split.mode = controls
	token := first
	var text []byte // of the block; kept until it is stored
	for {
		if token == nil {
			var err error
			if token, err = r.tokens.Next(r.deadline()); err != nil {
				r.keepBlock(text)
				return r.broken(ctx, err)
			}
			r.noteGap()
		}
		var err error
		switch {
		case r.split.kind == block:
			text = append(text[:0], token...)
		case token[0] == stx:
			if len(text) > 0 && !r.refused {
				codec.Note(r.host, codec.EventGarbled)
			}
			text = text[:0]
			r.split.mode = inBlock
			err = r.reply(ack)
		case token[0] == etx:
			text, err = r.envelope(ctx, text)
		case token[0] == eot:
			return r.endEnvelopes(ctx, text)
		default:
			r.keepBlock(text)
			text = text[:0]
			var neutral bool
			if neutral, err = r.restart(ctx); neutral {
				return err
			}
		}
		if err != nil {
			return err
		}
		token = nil
	}
}

// envelope answers an ETX. A block that could not be stored is returned: some
// versions repeat only the ETX.
func (r *receiver) envelope(ctx context.Context, text []byte) ([]byte, error) {
	if len(text) == 0 {
		return text, r.reply(ack) // our ACK was lost, or the block is empty
	}
	f := r.next
	f.Number, f.End = -1, codec.EndControls
	switch err := r.take(ctx, text, true, f); {
	case errors.Is(err, errLarge):
		return text, r.oversize(ctx)
	case err != nil:
		return text, r.reply(nak)
	}
	r.carried++
	return text[:0], r.reply(ack)
}

// endEnvelopes answers an EOT.
func (r *receiver) endEnvelopes(ctx context.Context, text []byte) error {
	r.keepBlock(text)
	if err := r.finish(ctx); err != nil {
		return err
	}
	return r.reply(ack)
}

// keepBlock is a block that no ETX has ended. One that was refused is still
// the instrument's.
func (r *receiver) keepBlock(text []byte) {
	if !r.refused {
		r.partial = append(r.partial, text...)
	}
}
