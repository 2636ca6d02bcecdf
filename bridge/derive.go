package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// FailedSchema names the form of a [Failure].
const FailedSchema = "assaybus.failed/1"

// Failure is the payload of lab.failed: why a message is not in lab.parsed.
// It never holds content; the raw message does.
type Failure struct {
	Schema      string `json:"schema"`
	ID          string `json:"id"`
	Site        string `json:"site"`
	Instrument  string `json:"instrument"`
	Protocol    string `json:"protocol"`
	Reason      string `json:"reason"` // unparsable, incomplete, oversize, unknown
	Error       string `json:"error"`
	Record      int    `json:"record,omitempty"`
	Field       int    `json:"field,omitempty"`
	Bytes       int    `json:"bytes"`
	ReceivedAt  string `json:"receivedAt"`
	RawSequence uint64 `json:"rawSequence,omitempty"`
	// Parts are the raw sequences of a continued message's parts: all that it
	// was to be joined from, or all that came of it.
	Parts []uint64 `json:"parts,omitempty"`
}

// Derived is what a raw message became.
type Derived struct {
	Publication Publication
	Kind        string         // of the parsed message; "" when it failed
	Reason      string         // of lab.failed; "" when it was parsed
	Message     *codec.Message // nil when it failed
	Quirks      []string       // that the parser needed; those of the link are in the reception
	Err         error          // why it failed; holds no content
	Stack       []byte         // of a panic in the parser; no content

	identity string // what all byte-identical repeats share
}

// errPanic is a bug in a parser: the message is kept as failed.
var errPanic = errors.New("panic in the parser")

// Derive decodes raw as i describes it and makes what is published under
// lab.parsed or lab.failed. Live sessions and replay both use it: the same
// raw message, reception and options give the same result. before are the raw
// messages that r.Parts names, in order, when raw is the last part of a
// message that was continued over several; other messages need none.
func Derive(i *Instrument, r Reception, raw []byte, sequence uint64, before ...[]byte) Derived {
	if r.Incomplete != "" {
		return fail(i, r, len(raw), sequence, r.Incomplete, codec.ErrIncomplete, nil)
	}
	part, continued, stack, err := partOf(i.Protocol, raw)
	whole := raw
	if !continued { // by the options of now
		r.Parts, r.More = nil, false
	}
	if n := len(before); n > 0 && n == len(r.Parts) {
		r.joined = Digest(bytes.Join(append(slices.Clip(before), raw), nil))
	}
	if err == nil && continued {
		var reason string
		if whole, reason, stack, err = assemble(i, r, part, raw, before); reason != "" {
			return fail(i, r, size(before)+len(raw), sequence, reason, err, stack)
		}
	}
	var m *codec.Message
	if err == nil {
		m, stack, err = parse(i.Protocol, whole)
	}
	switch {
	case errors.Is(err, codec.ErrUnknownContent):
		return fail(i, r, len(whole), sequence, subjects.ReasonUnknown, err, nil)
	case err != nil:
		return fail(i, r, len(whole), sequence, subjects.ReasonUnparsable, err, stack)
	}
	switch {
	case continued && part.Pointer != "":
		m.Withhold()
	case continued:
		m.Parts = append(slices.Clone(r.Parts), sequence)
	}
	m.Schema = codec.Schema
	m.ID = r.parsedID(i.Dedupe)
	m.Site, m.Instrument = r.Site, r.Instrument
	m.ReceivedAt = r.ReceivedAt.UTC().Format(time.RFC3339Nano)
	m.RawSequence = sequence
	if m.Batch == "" {
		m.Batch = r.Batch
	}
	needed := m.Quirks
	m.Quirks = slices.Concat(needed, r.Quirks)
	d := parsed(i, r, len(whole), sequence, m)
	d.Quirks = needed
	return d
}

// parsed makes the lab.parsed message.
func parsed(i *Instrument, r Reception, size int, sequence uint64, m *codec.Message) Derived {
	body, err := encode(m)
	if err != nil { // a number that JSON has no word for
		return fail(i, r, size, sequence, subjects.ReasonUnparsable, fmt.Errorf("encode the parsed message: %w", err), nil)
	}
	h := r.header(m.ID, "assaybus.parsed."+m.Kind, "application/json")
	h[subjects.HeaderRawSequence] = sequenceText(sequence)
	return Derived{
		Kind: m.Kind, Message: m, identity: r.parsedID(true),
		Publication: Publication{
			Stream: subjects.StreamParsed, Subject: subjects.Parsed(r.Site, r.Instrument, m.Kind),
			ID: m.ID, Header: h, Body: body,
		},
	}
}

// deriveSmall is m without its generic records, for a bus that does not take
// the whole; the raw message keeps everything.
func deriveSmall(i *Instrument, r Reception, size int, sequence uint64, m *codec.Message) Derived {
	small := *m
	small.Records = nil
	small.Warnings = append(slices.Clone(m.Warnings), codec.Warning{Code: codec.WarnRecordsElided})
	return parsed(i, r, size, sequence, &small)
}

// parse runs the parser and turns a panic into an error with its stack.
func parse(p codec.Protocol, raw []byte) (m *codec.Message, stack []byte, err error) {
	defer caught(&stack, &err)
	m, err = p.Parse(raw)
	return m, nil, err
}

// fail makes the lab.failed message.
func fail(i *Instrument, r Reception, size int, sequence uint64, reason string, cause error, stack []byte) Derived {
	f := Failure{
		Schema: FailedSchema, ID: subjects.FailedID(r.parsedID(i.Dedupe), reason),
		Site: r.Site, Instrument: r.Instrument, Protocol: r.Protocol,
		Reason: reason, Error: cause.Error(), Bytes: size, RawSequence: sequence,
		ReceivedAt: r.ReceivedAt.UTC().Format(time.RFC3339Nano), Parts: r.Parts,
	}
	if len(r.Parts) > 0 && sequence > 0 {
		f.Parts = append(slices.Clone(r.Parts), sequence)
	}
	if at, ok := errors.AsType[*codec.ParseError](cause); ok {
		f.Record, f.Field = at.Record, at.Field
	}
	body, err := encode(f)
	if err != nil {
		panic("a Failure always encodes: " + err.Error())
	}
	h := r.header(f.ID, "assaybus.failed."+reason, "application/json")
	if sequence > 0 {
		h[subjects.HeaderRawSequence] = sequenceText(sequence)
	}
	return Derived{
		Reason: reason, Err: cause, Stack: stack, identity: r.parsedID(true),
		Publication: Publication{
			Stream: subjects.StreamParsed, Subject: subjects.Failed(r.Site, r.Instrument, reason),
			ID: f.ID, Header: h, Body: body,
		},
	}
}

// encode is JSON as people read it: < and & stand as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
