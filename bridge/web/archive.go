package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// Archive reads the streams for the pages: a page full at a time, never more.
type Archive struct {
	js   jetstream.JetStream
	site string
}

// NewArchive reads the streams of a site.
func NewArchive(js jetstream.JetStream, site string) *Archive { return &Archive{js: js, site: site} }

// The bounds of reading.
const (
	readTimeout = 5 * time.Second
	pageLength  = 50
)

// ErrGone is a message that is not there, or no longer.
var ErrGone = errors.New("no such message: its age has removed it, or it never was")

// Entry is one stored message without its content.
type Entry struct {
	Sequence  uint64
	Subject   string
	Reception bridge.Reception
	Raw       uint64 // sequence in LAB_RAW; 0 = nothing is kept
	Stored    time.Time
	Replay    bool
	Body      []byte // only where it was asked for
}

// Kind is the last token of the subject: a kind, a reason or an event.
func (e Entry) Kind() string { return e.Subject[strings.LastIndexByte(e.Subject, '.')+1:] }

// Failed reports whether it is a failure.
func (e Entry) Failed() bool { return strings.HasPrefix(e.Subject, "lab.failed.") }

// Messages are an instrument's newest messages before a sequence (0 = all),
// newest first, without content.
func (a *Archive) Messages(ctx context.Context, instrument string, before uint64) ([]Entry, error) {
	t := subjects.Token(a.site) + "." + subjects.Token(instrument) + ".>"
	return a.newest(ctx, question{stream: subjects.StreamParsed, filter: []string{"lab.parsed." + t, "lab.failed." + t}, before: before, count: pageLength, headers: true})
}

// Failures are the newest failures of all instruments.
func (a *Archive) Failures(ctx context.Context) ([]bridge.Failure, []Entry, error) {
	entries, err := a.newest(ctx, question{stream: subjects.StreamParsed, filter: []string{"lab.failed." + subjects.Token(a.site) + ".>"}, count: pageLength})
	failures := make([]bridge.Failure, len(entries))
	for n, e := range entries {
		if e := json.Unmarshal(e.Body, &failures[n]); e != nil {
			return nil, nil, fmt.Errorf("failure %d: %w", entries[n].Sequence, e)
		}
	}
	return failures, entries, err
}

// LinkEvents are the newest link events: of one instrument, or of all that
// refused something when instrument is empty.
func (a *Archive) LinkEvents(ctx context.Context, instrument string) ([]bridge.LinkEvent, error) {
	filter := "lab.link." + subjects.Token(a.site) + ".*." + subjects.EventRefused
	if instrument != "" {
		filter = "lab.link." + subjects.Token(a.site) + "." + subjects.Token(instrument) + ".>"
	}
	entries, err := a.newest(ctx, question{stream: subjects.StreamLink, filter: []string{filter}, count: pageLength})
	var events []bridge.LinkEvent
	for _, e := range entries {
		var event bridge.LinkEvent
		if json.Unmarshal(e.Body, &event) == nil { // somebody else's bytes are nobody's event
			events = append(events, event)
		}
	}
	return events, err
}

// Entry is one message of LAB_PARSED, with its body.
func (a *Archive) Entry(ctx context.Context, sequence uint64) (Entry, error) {
	return a.get(ctx, subjects.StreamParsed, sequence)
}

// RawMessage is the message that e was derived from: the body is as it was
// sent.
func (a *Archive) RawMessage(ctx context.Context, e Entry) (Entry, error) {
	if e.Raw == 0 {
		return Entry{}, ErrGone
	}
	return a.get(ctx, subjects.StreamRaw, e.Raw)
}

// Message decodes the body of a parsed message.
func (e Entry) Message() (*codec.Message, error) {
	var m codec.Message
	if err := json.Unmarshal(e.Body, &m); err != nil {
		return nil, fmt.Errorf("message %d of %s is none of ours: %w", e.Sequence, subjects.StreamParsed, err)
	}
	return &m, nil
}

func (a *Archive) get(ctx context.Context, stream string, sequence uint64) (Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s, err := a.js.Stream(ctx, stream)
	if err != nil {
		return Entry{}, fmt.Errorf("stream %s: %w", stream, err)
	}
	m, err := s.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Entry{}, ErrGone
	}
	if err != nil {
		return Entry{}, fmt.Errorf("stream %s: %w", stream, err)
	}
	return entryOf(m.Sequence, m.Subject, m.Time, m.Header, m.Data), nil
}

func entryOf(sequence uint64, subject string, stored time.Time, header map[string][]string, body []byte) Entry {
	get := func(name string) string {
		if v := header[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	e := Entry{Sequence: sequence, Subject: subject, Stored: stored, Reception: bridge.ReceptionOf(get), Body: body}
	_, _ = fmt.Sscan(get(subjects.HeaderRawSequence), &e.Raw) // 0 when it is not there
	e.Replay = get(subjects.HeaderReplay) != ""
	return e
}
