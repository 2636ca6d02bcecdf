package bridge

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// MaxParts is how many parts before its last a message may be continued over.
const MaxParts = 512

// errAlone is a part whose predecessor is not known. It is never joined to a
// guess: that could give results to another specimen.
var errAlone = fmt.Errorf("%w: it continues a part that is not known, or that another message has continued; set dsc: separate if each message is complete by itself, and replay", codec.ErrIncomplete)

var (
	errManyParts = fmt.Errorf("%w: continued over more than %d messages", codec.ErrTooLarge, MaxParts)
	errUnread    = fmt.Errorf("%w: its other parts were not read", codec.ErrIncomplete)
)

// partOf tells how raw is a part of a longer message. A panic is an error with
// its stack.
func partOf(p codec.Protocol, raw []byte) (part codec.Part, continued bool, stack []byte, err error) {
	defer caught(&stack, &err)
	if j, ok := p.(codec.Joiner); ok {
		part, continued = j.Part(raw)
	}
	return part, continued, nil, nil
}

// caught turns a panic of a parser into an error. The value of a panic may
// quote content: only its type is kept.
func caught(stack *[]byte, err *error) {
	if v := recover(); v != nil {
		*stack, *err = debug.Stack(), fmt.Errorf("%w (%T)", errPanic, v)
	}
}

// size is the bytes of all parts.
func size(parts [][]byte) int {
	n := 0
	for _, raw := range parts {
		n += len(raw)
	}
	return n
}

// assemble gives what is to be parsed for a part: itself, as long as another
// one follows, and with the last all of them as one message. A reason says
// why it fails.
func assemble(i *Instrument, r Reception, part codec.Part, raw []byte, before [][]byte) (whole []byte, reason string, stack []byte, err error) {
	switch {
	case part.Continues != "" && len(r.Parts) == 0:
		return raw, subjects.ReasonIncomplete, nil, errAlone
	case len(r.Parts) >= MaxParts:
		return raw, subjects.ReasonOversize, nil, errManyParts
	case part.Pointer != "":
		return raw, "", nil, nil
	case size(before)+len(raw) > i.Options.MaxMessage:
		cause := fmt.Errorf("%w of %s: raise max_message of instrument %q or make it send less", codec.ErrTooLarge, Size(i.Options.MaxMessage), i.ID)
		return raw, subjects.ReasonOversize, nil, cause
	case len(before) != len(r.Parts):
		return raw, subjects.ReasonIncomplete, nil, errUnread
	}
	defer func() {
		if err != nil {
			reason = subjects.ReasonUnparsable
		}
	}()
	defer caught(&stack, &err)
	whole, err = i.Protocol.(codec.Joiner).Join(append(slices.Clip(before), raw))
	return whole, "", nil, err
}

// lastOf tells whether deriving raw needs the parts before it.
func lastOf(i *Instrument, r Reception, raw []byte) bool {
	if len(r.Parts) == 0 || len(r.Parts) >= MaxParts || r.Incomplete != "" {
		return false
	}
	part, continued, _, err := partOf(i.Protocol, raw)
	return err == nil && continued && part.Pointer == ""
}

// readParts reads the parts that r names, as far as they can be joined to own
// bytes within the instrument's limit. took hears of every one. A part that
// is not what was received, or no longer there, is [ErrDamaged].
func readParts(ctx context.Context, a Archive, i *Instrument, r Reception, own int, took func([]byte) error) ([][]byte, error) {
	var parts [][]byte
	for _, sequence := range r.Parts {
		m, err := a.Get(ctx, subjects.StreamRaw, sequence)
		if errors.Is(err, ErrNotStored) {
			return nil, fmt.Errorf("%w: part %d is not stored, or no longer; restore %s from a copy", ErrDamaged, sequence, subjects.StreamRaw)
		}
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", sequence, err)
		}
		of := ReceptionOf(m.Get)
		if err := intact(of, m.Body); err != nil {
			return nil, fmt.Errorf("part %d: %w", sequence, err)
		}
		if of.Instrument != r.Instrument || of.Site != r.Site {
			return nil, fmt.Errorf("%w: part %d is of another instrument", ErrDamaged, sequence)
		}
		if err := took(m.Body); err != nil {
			return nil, err
		}
		parts = append(parts, m.Body)
		if own += len(m.Body); own > i.Options.MaxMessage {
			break
		}
	}
	return parts, nil
}

// before reads what has to be joined to f.
func (r *Replay) before(ctx context.Context, f Replayed) ([][]byte, error) {
	if !lastOf(f.inst, f.Reception, f.Stored.Body) {
		return nil, nil
	}
	return readParts(ctx, r.Archive, f.inst, f.Reception, len(f.Stored.Body), func([]byte) error { return nil })
}
