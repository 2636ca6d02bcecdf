package hl7

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// session is one conversation in which we are the receiver.
type session struct {
	p      *Protocol
	host   codec.Host
	mllp   mllp
	line   line
	tokens *codec.Tokens
	out    []byte    // the answers, reused
	frames []byte    // the list of a message's frames, reused
	last   tokenKind // of the last token but filler: a burst of noise counts once
}

// Serve receives blocks and bare messages and answers each when the host has
// taken it (HL7 v2 §2.9). It returns when nothing of a message is waiting.
func (p *Protocol) Serve(ctx context.Context, conn codec.Conn, host codec.Host) error {
	s := &session{p: p, host: host, last: tokenBlock}
	s.open(conn)
	for {
		s.line.begun = time.Time{}
		token, err := s.tokens.Next(time.Time{})
		if err != nil && codec.IsTimeout(err) && s.line.silenceEnds() {
			if t, ok := s.tokens.Flush(); ok {
				token, err = t, nil
			}
		}
		if err == nil {
			err = s.take(ctx, token)
		} else if err = s.end(ctx, err); err == nil {
			s.tokens.Release()
			return nil
		}
		if err != nil {
			s.tokens.Release()
			return err
		}
		if done, err := s.neutral(ctx); done {
			return err
		}
	}
}

func (s *session) open(conn codec.Conn) {
	s.mllp.max = s.p.o.MaxMessage
	s.line = line{Conn: conn, m: &s.mllp, whole: s.p.o.MessageTimeout}
	s.tokens = codec.NewTokens(&s.line, s.mllp.split, tokenLimit(s.p.o.MaxMessage))
}

// tokenLimit leaves room around a payload for its framing, so that it is
// split that finds a message too large, at the same byte however it arrives.
func tokenLimit(maxMessage int) int { return maxMessage + 4<<10 }

// neutral tells whether the conversation is over: nothing waits behind a
// block, or what waits can go back and does not begin a block. Behind noise it
// goes on until there is no more for a moment.
func (s *session) neutral(ctx context.Context) (bool, error) {
	rest := s.tokens.Rest()
	canStop := len(rest) == 0 || s.line.canUnread()
	over := ended(ctx)
	switch {
	case over && !canStop:
		return true, context.Cause(ctx)
	case over, s.last == tokenBlock && canStop && (len(rest) == 0 || rest[0] != sb):
		s.tokens.Release()
		return true, nil
	}
	return false, nil
}

func ended(ctx context.Context) bool { return ctx.Err() != nil }

// take does with a token what its kind asks for.
func (s *session) take(ctx context.Context, token []byte) error {
	last := s.last
	if s.mllp.kind != tokenFiller {
		s.last = s.mllp.kind
	}
	switch s.mllp.kind {
	case tokenBlock:
		return s.block(context.WithoutCancel(ctx), token)
	case tokenGarbled:
		codec.Note(s.host, codec.EventTransmission)
		codec.Note(s.host, codec.EventGarbled)
		s.host.Incomplete(context.WithoutCancel(ctx), s.delivery(token, codec.EndCut, false), errCut)
	case tokenHeartbeat:
		if last != tokenHeartbeat {
			codec.Note(s.host, codec.EventKeepAlive)
		}
	case tokenNoise:
		if last != tokenNoise {
			codec.Note(s.host, codec.EventNoise)
		}
	case tokenCommit:
		// Nobody waits for it any more.
		codec.Note(s.host, codec.EventNoise)
	case tokenFiller:
	}
	return nil
}

// answerSize holds a usual answer.
const answerSize = 256

// block receives the messages of a block and answers each; with commit
// acknowledgements the block is answered first (MLLP release 2 §2.3).
func (s *session) block(ctx context.Context, token []byte) error {
	codec.Note(s.host, codec.EventTransmission)
	defer codec.Note(s.host, codec.EventTransmitted)
	commits := s.p.o.CommitAck == commitSend || s.p.o.CommitAck == commitBoth
	if s.out = s.out[:0]; s.out == nil {
		s.out = make([]byte, 0, answerSize)
	}
	verdict := byte(ack)
	var end error
	var around enclosed
	for raw := range messages(token) {
		var o outcome
		if o, end = s.message(ctx, raw, around.read(raw), len(raw) < len(token)); o != stored && o != rejected && o != uncorrelated {
			verdict = nak
		}
		if !commits {
			if err := s.answer(); err != nil {
				return errors.Join(end, err)
			}
		}
		if end != nil {
			break
		}
	}
	if commits {
		if verdict == nak {
			codec.Note(s.host, codec.EventNakSent)
		}
		if err := s.line.write(appendBlock(nil, []byte{verdict})); err != nil {
			return errors.Join(end, fmt.Errorf("commit acknowledgement: %w", err))
		}
		if err := s.answer(); err != nil {
			return errors.Join(end, err)
		}
	}
	return end
}

// message gives one message of a batch, "" for none, to the host and appends
// its acknowledgements to out; shared: its block holds more. Its error ends
// the connection.
func (s *session) message(ctx context.Context, raw []byte, batch string, shared bool) (outcome, error) {
	h := readMSH(raw)
	d := s.delivery(raw, s.mllp.ending(), shared)
	d.Batch = batch
	if s.mllp.quirk != "" {
		codec.NoteQuirk(s.host, s.mllp.quirk)
		d.Quirks = append(d.Quirks, s.mllp.quirk)
	}
	if h.shift != 0 {
		codec.NoteQuirk(s.host, quirkShiftedMSH)
		d.Quirks = append(d.Quirks, quirkShiftedMSH)
	}
	err := s.host.Ready()
	if err != nil {
		codec.Note(s.host, codec.EventBusy)
	} else {
		err = s.host.Receive(ctx, d)
	}
	o, f, end := s.p.settle(&h, err)
	if end != nil {
		end = fmt.Errorf("message not stored, so not acknowledged; the instrument repeats it: %w", end)
	}
	if h.isAck() {
		return o, end // an acknowledgement is never acknowledged
	}
	s.reply(&h, o, f)
	return o, end
}

// delivery is a message, or what there is of one, that came in one block;
// shared: the block holds more.
func (s *session) delivery(raw []byte, end codec.FrameEnd, shared bool) codec.Delivery {
	s.frames = codec.AppendFrame(s.frames[:0], codec.Frame{Number: -1, Bytes: len(raw), End: end, Shared: shared})
	return codec.Delivery{Raw: raw, Frames: s.frames}
}

// reply appends what the message asks to hear of its outcome.
func (s *session) reply(h *msh, o outcome, f fault) {
	if o == uncorrelated || h.id != "MSH" {
		codec.Note(s.host, codec.EventUncorrelated)
	}
	accept, application := s.p.answers(h, o)
	for _, code := range [...]string{accept, application} {
		if code == "" {
			continue
		}
		if code[1] != 'A' {
			codec.Note(s.host, codec.EventNakSent)
		}
		s.out = s.p.appendAck(s.out, h, code, f)
	}
}

// answer writes what is in out.
func (s *session) answer() error {
	if len(s.out) == 0 {
		return nil
	}
	err := s.line.write(s.out)
	s.out = s.out[:0]
	if err != nil {
		return fmt.Errorf("acknowledgement: %w", err)
	}
	return nil
}
