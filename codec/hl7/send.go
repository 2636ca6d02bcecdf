package hl7

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// commitTries is how often a block is sent that gets no commit
// acknowledgement, or a negative one (MLLP release 2 §2.3).
const commitTries = 3

// The reasons for which a message cannot be sent at all.
var (
	errNotHL7    = fmt.Errorf("%w: not an HL7 message with a control id (MSH-10)", codec.ErrReject)
	errUnblocked = fmt.Errorf("%w: a message that holds 0x0B or 0x1C does not fit into a block", codec.ErrReject)
)

// sender is one conversation in which we send.
type sender struct {
	p      *Protocol
	mllp   mllp
	line   line
	tokens *codec.Tokens
	kept   []byte // blocks that are no reply to what we sent
}

// Send sends raw in a block, a batch as one block for each of its messages,
// and waits 30 s for the acknowledgement whose MSA-2 is the message's control
// id; nil means AA, or CA where MSH-16 asks for no more. Its errors wrap
// [codec.ErrRefused] (with [codec.ErrReject] for AE and CE: repeating will not
// help), [codec.ErrNoReply], the Conn's, or are ctx's. A message that asks for
// no acknowledgement (NE/NE) is sent when it is written. Whatever else arrives
// meanwhile goes back to the Conn, whole, and is served next.
func (p *Protocol) Send(ctx context.Context, conn codec.Conn, raw []byte) error {
	if bytes.IndexByte(raw, sb) >= 0 || bytes.IndexByte(raw, eb) >= 0 {
		return errUnblocked
	}
	s := &sender{p: p}
	s.mllp.max = p.o.MaxMessage
	s.line = line{Conn: conn, m: &s.mllp, whole: replyTimeout, ctx: ctx}
	s.tokens = codec.NewTokens(&s.line, s.mllp.split, tokenLimit(p.o.MaxMessage))
	defer s.giveBack()
	defer context.AfterFunc(ctx, s.line.wake)()
	for m := range messages(raw) {
		if err := s.send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// giveBack returns what was read and is no reply to us.
func (s *sender) giveBack() {
	s.tokens.Release()
	if len(s.kept) > 0 {
		s.line.Unread(s.kept)
	}
}

// send sends one message until it is acknowledged.
func (s *sender) send(ctx context.Context, raw []byte) error {
	h := readMSH(raw)
	if !h.correlated() {
		return errNotHL7
	}
	w := s.wants(&h)
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.line.write(appendBlock(nil, raw)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		again, err := s.await(ctx, &h, w)
		if !again || try == commitTries {
			return err
		}
	}
}

// wants is what must arrive for a message to be acknowledged.
type wants struct {
	commit      bool // a commit acknowledgement
	accept      bool // CA or AA will do
	application bool // only AA will do
}

// wants follows from MSH-15 and MSH-16 of what we send (HL7 v2 §2.9.3).
func (s *sender) wants(h *msh) wants {
	w := wants{commit: s.p.o.CommitAck == commitWant || s.p.o.CommitAck == commitBoth}
	a, b, enhanced := s.p.conditions(h)
	switch {
	case s.p.o.AckMode == ackNever, h.isAck():
	case !enhanced:
		w.accept = true
	default:
		w.application = b == "AL" || b == "SU"
		w.accept = a == "AL" || a == "SU"
	}
	return w
}

// await reads replies until the message is acknowledged, refused, or time is
// up. again means that the commit acknowledgement asks for the block once more.
func (s *sender) await(ctx context.Context, h *msh, w wants) (again bool, err error) {
	start := time.Now()
	for w.commit || w.accept || w.application {
		s.line.until = start.Add(replyTimeout)
		if w.commit {
			s.line.until = start.Add(commitTimeout)
		}
		token, err := s.next()
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case codec.IsTimeout(err):
			return w.commit, fmt.Errorf("%w: no acknowledgement for %v", codec.ErrNoReply, s.line.until.Sub(start))
		case err != nil:
			return false, fmt.Errorf("%w: the connection ended before the acknowledgement: %w", codec.ErrNoReply, err)
		}
		switch s.mllp.kind {
		case tokenCommit:
			if token[0] == nak && w.commit {
				return true, fmt.Errorf("%w: negative commit acknowledgement", codec.ErrRefused)
			}
			w.commit, start = false, time.Now()
		case tokenBlock:
			before := w
			if w, err = s.reply(token, h, w); err != nil {
				return false, err
			}
			if w != before {
				start = time.Now()
			}
		default: // noise
		}
	}
	return false, nil
}

// next is the next token, or the deadline.
func (s *sender) next() ([]byte, error) {
	for {
		s.line.begun = time.Time{}
		token, err := s.tokens.Next(time.Time{})
		if codec.IsTimeout(err) && !s.line.overdue() && s.line.silenceEnds() {
			if t, ok := s.tokens.Flush(); ok {
				return t, nil
			}
		}
		if err == nil || !codec.IsTimeout(err) || s.line.overdue() || s.line.ctx.Err() != nil {
			return token, err
		}
	}
}

// reply judges one block. An acknowledgement of another message, however late,
// is not ours (connect#1441); it is kept for the receiver with everything
// else that the other side has to say.
func (s *sender) reply(token []byte, sent *msh, w wants) (_ wants, err error) {
	for raw := range messages(token) {
		r := readMSH(raw)
		if !r.isAck() || !bytes.Equal(r.msa(2), sent.field(10)) {
			s.kept = appendBlock(s.kept, raw)
			continue
		}
		switch code := string(bytes.TrimSpace(r.msa(1))); code {
		case "AA":
			w = wants{}
		case "CA":
			w.commit, w.accept = false, false
		case "AE", "CE":
			err = fmt.Errorf("%w: answered %s: %w", codec.ErrRefused, code, codec.ErrReject)
		case "AR", "CR":
			err = fmt.Errorf("%w: answered %s", codec.ErrRefused, code)
		default:
			err = fmt.Errorf("%w: answered with a code that is not in table 0008", codec.ErrRefused)
		}
	}
	if err == nil && len(s.kept) > s.p.o.MaxMessage {
		err = fmt.Errorf("%w: it has sent more than max_message meanwhile", codec.ErrYield)
	}
	return w, err
}
