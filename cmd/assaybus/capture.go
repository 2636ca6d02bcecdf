package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// finding is what one place of a capture came to: a message, or the reason
// why there is none.
type finding struct {
	message *codec.Message
	problem *problem
}

// problem is what could not be decoded. It holds positions and reasons, never
// content.
type problem struct {
	Error   string `json:"error"`             // unparsable, incomplete, oversize, unknown, unreadable, panic
	File    string `json:"file"`              // "-" is standard input
	Message int    `json:"message,omitempty"` // 1-based number of the message in the file
	Record  int    `json:"record,omitempty"`  // 1-based index of its record or segment
	Field   int    `json:"field,omitempty"`   // the standard's field number there
	Reason  string `json:"reason"`
}

// The errors of a problem that no stream knows.
const (
	errorUnreadable = "unreadable" // the file, not its content
	errorPanic      = "panic"      // a defect of ours
)

// decoder plays captures to a protocol as an instrument would send them and
// is the host that takes what comes out.
type decoder struct {
	protocol codec.Protocol
	put      func(finding)

	file   string
	count  int // messages of this file so far, incomplete ones included
	parts  assembly
	events map[codec.Event]int
}

// decode finds and decodes all messages of one capture. It puts at least one
// finding, whatever data is.
func (d *decoder) decode(ctx context.Context, file string, data []byte) {
	d.file, d.count, d.events = file, 0, map[codec.Event]int{}
	d.parts = assembly{put: d.put}
	defer d.parts.flush()
	conn := codec.NewPlayback(data)
	err := d.converse(ctx, conn)
	switch {
	case errors.Is(err, errPanicked):
		d.fail(errorPanic, 0, err)
	case errors.Is(err, codec.ErrUnknownContent):
		d.fail(subjects.ReasonUnknown, 0, fmt.Errorf("%w: these bytes are neither ASTM nor HL7", err))
	case errors.Is(err, context.Canceled):
		d.fail(errorUnreadable, 0, errors.New("interrupted"))
	case d.count == 0:
		d.fail(subjects.ReasonUnknown, 0, fmt.Errorf("no message found in %d bytes%s", len(data), d.seen()))
	case err != nil && conn.Left() > 0:
		d.fail(subjects.ReasonIncomplete, 0, fmt.Errorf("%d bytes behind message %d were not decoded: %w", conn.Left(), d.count, err))
	}
}

// converse holds conversations until the capture is used up. A conversation
// that an instrument would have to begin anew is begun anew with what follows.
func (d *decoder) converse(ctx context.Context, conn *codec.Playback) (err error) {
	defer recovered(&err)
	for {
		left := conn.Left()
		err := d.protocol.Serve(ctx, conn, d)
		switch {
		case conn.Left() == 0, ctx.Err() != nil, errors.Is(err, codec.ErrUnknownContent):
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case conn.Left() >= left: // nothing was used: it would be so for ever
			if err == nil {
				err = errors.New("the rest of the capture begins no conversation")
			}
			return err
		}
	}
}

// Receive decodes a message: custody is not what a capture needs.
func (d *decoder) Receive(_ context.Context, came codec.Delivery) error {
	d.count++
	m, err := d.parse(came.Raw)
	f := d.found(came, m, err)
	part, continued := d.part(came.Raw)
	if chain := d.parts.add(f, part, continued, came.Raw); chain != nil {
		m, err := d.join(chain)
		d.parts.complete(d.found(came, m, err))
	}
	return nil
}

// found is what decoding what came has come to.
func (d *decoder) found(came codec.Delivery, m *codec.Message, err error) finding {
	var position *codec.ParseError
	switch {
	case errors.Is(err, errPanicked):
		return d.problem(errorPanic, d.count, err)
	case errors.As(err, &position):
		return finding{problem: &problem{
			Error: subjects.ReasonUnparsable, File: d.file, Message: d.count,
			Record: position.Record, Field: position.Field, Reason: err.Error(),
		}}
	case err != nil:
		return d.problem(subjects.ReasonUnparsable, d.count, err)
	}
	if m.Batch == "" {
		m.Batch = came.Batch
	}
	m.Quirks = slices.Compact(slices.Sorted(slices.Values(slices.Concat(m.Quirks, came.Quirks))))
	return finding{message: m}
}

func (d *decoder) parse(raw []byte) (m *codec.Message, err error) {
	defer recovered(&err)
	return d.protocol.Parse(raw)
}

// part tells how raw is a part of a longer message; a defect in that has been
// told by parse.
func (d *decoder) part(raw []byte) (part codec.Part, continued bool) {
	var err error
	defer recovered(&err)
	if j, ok := d.protocol.(codec.Joiner); ok {
		part, continued = j.Part(raw)
	}
	return part, continued
}

func (d *decoder) join(parts [][]byte) (m *codec.Message, err error) {
	defer recovered(&err)
	whole, err := d.protocol.(codec.Joiner).Join(parts)
	if err != nil {
		return nil, err
	}
	return d.protocol.Parse(whole)
}

// Incomplete tells of a message that has no end.
func (d *decoder) Incomplete(_ context.Context, came codec.Delivery, why error) {
	d.count++
	reason := subjects.ReasonIncomplete
	if errors.Is(why, codec.ErrTooLarge) {
		reason = subjects.ReasonOversize
	}
	d.fail(reason, d.count, fmt.Errorf("%w after %d bytes%s", why, len(came.Raw), d.seen()))
}

// Ready is always nil: a capture is taken as it is.
func (d *decoder) Ready() error { return nil }

// Count keeps what the link saw, to explain a message that did not come.
func (d *decoder) Count(event codec.Event) { d.events[event]++ }

// Quirk does nothing: each message comes with the tolerances that it needed.
func (d *decoder) Quirk(string) {}

// seen tells which events of the link explain that a message is missing, and
// which quirks would have helped.
func (d *decoder) seen() string {
	helps := map[codec.Event]string{
		codec.EventChecksum:     "--quirk no-checksum",
		codec.EventFrameNumber:  "--quirk any-frame-number",
		codec.EventGarbled:      "",
		codec.EventNoise:        "--quirk implicit-session for a capture without ENQ",
		codec.EventTimeout:      "",
		codec.EventUncorrelated: "",
	}
	var told []string
	for _, event := range slices.Sorted(maps.Keys(d.events)) {
		help, tell := helps[event]
		if !tell {
			continue
		}
		text := fmt.Sprintf("%d × %s", d.events[event], event)
		if help != "" {
			text += ", try " + help
		}
		told = append(told, text)
	}
	if len(told) == 0 {
		return ""
	}
	return " (" + strings.Join(told, "; ") + ")"
}

func (d *decoder) fail(kind string, message int, reason error) {
	d.parts.pass(d.problem(kind, message, reason))
}

func (d *decoder) problem(kind string, message int, reason error) finding {
	return finding{problem: &problem{Error: kind, File: d.file, Message: message, Reason: reason.Error()}}
}

// errPanicked is a defect of ours that content has found.
var errPanicked = errors.New("a defect in the decoder, please report it")

// recovered turns a panic into an error. The panic's text may hold content,
// so only the runtime's own, which does not, is repeated.
func recovered(err *error) {
	switch v := recover().(type) {
	case nil:
	case runtime.Error:
		*err = fmt.Errorf("%w: %w", errPanicked, v)
	default:
		*err = fmt.Errorf("%w: %T", errPanicked, v)
	}
}
