package hl7

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/assaybus/assaybus/codec"
)

// Why a message was given up.
var (
	errCut     = fmt.Errorf("%w: a new block began in mid segment", codec.ErrIncomplete)
	errHangUp  = fmt.Errorf("%w: the peer hung up in mid message: %w", codec.ErrIncomplete, io.ErrUnexpectedEOF)
	errTooSlow = fmt.Errorf("%w: it took longer than message_timeout", codec.ErrIncomplete)
	errNoEnd   = fmt.Errorf("%w: no end block came for %v", codec.ErrIncomplete, byteTimeout)
	errStopped = fmt.Errorf("%w: the link was stopped in mid message", codec.ErrIncomplete)
)

// end accounts for what is left when no token will come. nil means that the
// line is neutral.
func (s *session) end(ctx context.Context, err error) error {
	rest := s.tokens.Rest()
	open := s.mllp.state != idle && len(rest) > 0
	if open && rest[0] == sb {
		rest = rest[1:]
	}
	switch {
	case errors.Is(err, codec.ErrTooLarge):
		return s.oversize(ctx, rest)
	case !open && codec.IsTimeout(err):
		return nil
	case !open:
		return err
	case errors.Is(err, io.EOF):
		err = errHangUp
	case !codec.IsTimeout(err):
		err = fmt.Errorf("%w: %w", codec.ErrIncomplete, err)
	case s.line.tooSlow():
		err = errTooSlow
	case s.line.expired():
		err = errNoEnd
	default:
		err = errStopped
	}
	codec.Note(s.host, codec.EventTransmission)
	if errors.Is(err, errTooSlow) || errors.Is(err, errNoEnd) {
		codec.Note(s.host, codec.EventTimeout)
	}
	s.host.Incomplete(context.WithoutCancel(ctx), s.delivery(rest, codec.EndCut, false), err)
	return err
}

// oversize refuses a message over the limit and ends the connection, for the
// rest of it is still on its way.
func (s *session) oversize(ctx context.Context, rest []byte) error {
	rest = rest[:min(len(rest), s.p.o.MaxMessage+1)]
	codec.Note(s.host, codec.EventTransmission)
	codec.Note(s.host, codec.EventOversize)
	why := fmt.Errorf("%w of %d bytes: raise max_message if it is genuine", codec.ErrTooLarge, s.p.o.MaxMessage)
	s.host.Incomplete(context.WithoutCancel(ctx), codec.Delivery{Raw: rest}, why)
	h := readMSH(rest)
	if o, f, _ := s.p.settle(&h, why); !h.isAck() {
		s.reply(&h, o, f)
	}
	return errors.Join(why, s.answer())
}
