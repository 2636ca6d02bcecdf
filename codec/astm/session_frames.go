package astm

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// session is the transfer phase (LIS01-A2 §6.3). first is the frame that
// opened it without an ENQ, or nil.
func (r *receiver) session(ctx context.Context, first []byte) error {
	token := first
	for {
		if token == nil {
			var err error
			if token, err = r.tokens.Next(r.deadline()); err != nil {
				return r.broken(ctx, err)
			}
			r.noteGap()
		}
		switch k := r.split.kind; {
		case k == whole:
			if err := r.receive(ctx, token); err != nil {
				return err
			}
		case k == cut:
			r.partial = append(r.partial, inside(token)...)
		case token[0] == eot:
			return r.finish(ctx) // never answered (LIS01-A2 §6.4.1)
		default:
			if neutral, err := r.restart(ctx); neutral || err != nil {
				return err
			}
		}
		token = nil
	}
}

// restart answers an ENQ in mid-session: the sender has lost our ACK or has
// given up. It tells whether the line is neutral because we are busy.
func (r *receiver) restart(ctx context.Context) (bool, error) {
	codec.Note(r.host, codec.EventRestart)
	r.giveUp(ctx, errRestart)
	if r.busy(ctx) {
		return true, r.refuseBid()
	}
	r.begin()
	if r.o.Has(quirkAckEveryControl) {
		r.split.mode = controls
	}
	return false, r.reply(ack)
}

// noteGap counts what was between the last two tokens.
func (r *receiver) noteGap() {
	g := r.split.gap
	if g.noise > 0 {
		codec.Note(r.host, codec.EventNoise)
	}
	for range g.garbled {
		codec.Note(r.host, codec.EventGarbled)
		r.next.Garbled++
	}
	if r.carried == 0 || r.refused || r.split.mode != framed {
		return
	}
	switch {
	case g.crs == 0 && g.lfs == 0:
		r.quirk(quirkNoCRLF)
	case g.crs == 0:
		r.quirk(quirkNoCR)
	case g.lfs == 0:
		r.quirk(quirkNoLF)
	}
}

// receive judges a whole frame and answers it.
func (r *receiver) receive(ctx context.Context, frame []byte) error {
	end := r.split.end
	r.next = codec.Frame{Refused: r.next.Refused, Garbled: r.next.Garbled}
	if !r.checked(frame) {
		codec.Note(r.host, codec.EventChecksum)
		return r.reply(nak)
	}
	if r.repeated(frame[:end+1]) {
		// Our ACK was lost (LIS01-A2 §6.5.1.1(3)).
		codec.Note(r.host, codec.EventRepeatedFrame)
		if last := r.a.log.Last(); last != nil {
			last.Repeated++
		}
		return r.reply(ack)
	}
	number, ok := r.numbered(frame[1])
	if !ok && (!r.refused || !bytes.Equal(frame[:end+1], r.outOfTurn)) {
		codec.Note(r.host, codec.EventFrameNumber)
		r.outOfTurn = append(r.outOfTurn[:0], frame[:end+1]...)
		return r.reply(nak)
	}
	if r.outOfTurn = r.outOfTurn[:0]; !ok {
		// The sender heard our NAK and means it: it got no ACK since, so
		// these bytes can be no repeat of what was taken.
		codec.NoteQuirk(r.host, quirkInsisted)
		r.next.OutOfTurn = true
		if number = int(frame[1]) - '0'; number < 0 || number > 7 {
			number = (max(r.last, 0) + 1) % 8
		}
	}
	text, terminator := r.split.parts(frame)
	f := r.next
	f.Number, f.End = -1, codec.EndETB
	if c := frame[1]; c >= '0' && c <= '9' {
		f.Number = int(c - '0')
	}
	if terminator == etx {
		f.End = codec.EndETX
	}
	switch err := r.take(ctx, text, terminator == etx, f); {
	case errors.Is(err, errLarge):
		return r.oversize(ctx)
	case err != nil:
		return r.reply(nak)
	}
	r.last = number
	r.frame = append(r.frame[:0], frame[:end+1]...)
	r.carried++
	return r.reply(ack)
}

// checked verifies the checksum (LIS01-A2 §6.3.3).
func (r *receiver) checked(frame []byte) bool {
	end := r.split.end
	if r.split.noChecksum {
		r.quirk(quirkNoChecksum)
		r.next.Unchecked = true
		return true
	}
	want, lower, ok := hexValue(frame[end+1:])
	if !ok || want != checksum(frame[1:end+1]) {
		return false
	}
	if lower {
		r.quirk(quirkLowerCase)
		r.next.LowerCase = true
	}
	return true
}

// repeated tells whether the frame is the last accepted one again: the same
// number and the same bytes. The number alone says little: Horiba Yumizen
// repeats numbers with new content.
func (r *receiver) repeated(frame []byte) bool {
	return r.last >= 0 && bytes.Equal(frame, r.frame)
}

// numbered tells whether a frame with this number is new (LIS01-A2 §6.3.2).
func (r *receiver) numbered(digit byte) (int, bool) {
	want := (r.last + 1) % 8
	if r.last < 0 {
		want = 1
	}
	got := int(digit) - '0'
	idle := r.carried > 0 && !r.a.open && len(r.a.text) == 0
	switch {
	case got == want:
		return got, true
	case got == 1 && idle && r.o.Has(quirkImplicitSession):
		// Without ENQ and EOT only the number tells that a session began.
		r.quirk(quirkImplicitSession)
		return got, true
	case r.o.Has(quirkAnyFrameNumber):
		r.quirk(quirkAnyFrameNumber)
		r.next.OutOfTurn = true
		if got >= 0 && got < 8 {
			return got, true
		}
		return want, true
	}
	return 0, false
}

// take adds the text of a new frame and stores the messages that are complete
// with it. An error means that the frame is refused: all is as it was before
// it, so that its repeat is a new frame.
func (r *receiver) take(ctx context.Context, text []byte, ended bool, f codec.Frame) error {
	before := r.a
	spans, err := r.a.add(text, ended, f, r.o)
	if err != nil {
		r.partial = r.partial[:0]
		return errLarge
	}
	if r.kept > 0 && !bytes.Equal(text, r.keptFrame) {
		r.kept = 0
	}
	if len(spans) > 1 {
		r.quirk(quirkSeveral)
	}
	for i, s := range spans {
		if i < r.kept {
			continue
		}
		if err := r.deliver(ctx, r.a.text[s.from:s.to], s.frames, s.fate); err != nil {
			r.a = before
			if r.kept = i; i > 0 {
				r.keptFrame = append(r.keptFrame[:0], text...)
			}
			return err
		}
	}
	if len(spans) > 0 {
		r.given = 0
	}
	if err := r.keep(ctx); err != nil {
		r.a = before
		if r.kept = len(spans); r.kept > 0 {
			r.keptFrame = append(r.keptFrame[:0], text...)
		}
		return err
	}
	r.kept = 0
	r.next = codec.Frame{}
	r.a.forget()
	r.partial = r.partial[:0]
	switch {
	case len(r.a.text) == 0:
		r.began = time.Time{}
	case len(spans) > 0 || r.began.IsZero():
		r.began = time.Now()
	}
	return nil
}
