package astm

import (
	"bytes"
	"context"
	"slices"

	"github.com/assaybus/assaybus/codec"
)

// deliver gives a message that is over to the host.
func (r *receiver) deliver(ctx context.Context, raw, frames []byte, f fate) error {
	ctx = context.WithoutCancel(ctx) // shutdown lets the transmission finish
	d := r.delivery(raw, frames)
	switch f {
	case truncated:
		r.abandon(ctx, d, errNext)
		return nil
	case unterminated:
		r.quirk(quirkUnterminate)
		d.Quirks, d.Unended = slices.Clone(r.quirks), true
	case complete:
	}
	err := r.host.Receive(ctx, d)
	if err == nil {
		r.quirks = nil
	}
	return err
}

// abandon gives the host what will not be complete.
func (r *receiver) abandon(ctx context.Context, d codec.Delivery, why error) {
	r.host.Incomplete(context.WithoutCancel(ctx), d, why)
	r.quirks = nil
}

// keep has the host put the open message on disk, whose last frame ended it as
// far as its sender can know: without an L record the sender takes the
// acknowledgement of this frame for that of the message.
func (r *receiver) keep(ctx context.Context) error {
	if r.keeper == nil || !r.a.deliverable() || r.a.hl7 {
		return nil
	}
	text := r.a.text[r.a.begin:]
	log := r.a.log
	if err := r.keeper.Keep(context.WithoutCancel(ctx), r.delivery(text, log.List()), r.given); err != nil {
		return err
	}
	r.given = len(text)
	return nil
}

// delivery is a message with what the link knows of it.
func (r *receiver) delivery(raw, frames []byte) codec.Delivery {
	return codec.Delivery{Raw: raw, Frames: frames, Quirks: slices.Clone(r.quirks), Sender: senderName(raw)}
}

// quirk notes a tolerance, for the counters and the message in progress.
func (r *receiver) quirk(quirk string) {
	codec.NoteQuirk(r.host, quirk)
	if !slices.Contains(r.quirks, quirk) {
		r.quirks = append(r.quirks, quirk)
	}
}

// longestSender bounds what is taken for a sender's name.
const longestSender = 200

// senderName is component 1 of H-5 (LIS02-A2 §6.5), raw; "" without a header.
func senderName(raw []byte) string {
	raw = bytes.TrimLeft(raw, "\x00\r\n")
	if !isWholeHeader(raw, 0) {
		return ""
	}
	field, component := raw[1], raw[3]
	rest := raw
	for range 4 {
		at := bytes.IndexByte(rest, field)
		if at < 0 {
			return ""
		}
		rest = rest[at+1:]
	}
	for n, c := range rest {
		if c == field || c == component || isLineEnd(c) || n == longestSender {
			return string(rest[:n])
		}
	}
	return string(rest)
}
