package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// Archive reads what the streams hold and publishes again, over a connection
// of its own: it creates, checks and changes no stream and leaves no consumer
// behind. Its methods may be called from any goroutine.
type Archive struct {
	nc *nats.Conn
	js jetstream.JetStream
}

var (
	_ bridge.Archive   = (*Archive)(nil)
	_ bridge.Publisher = (*Archive)(nil)
)

// ErrNoStream is a stream that the bus does not have.
var ErrNoStream = errors.New("no such stream")

// NewArchive reads over nc, which stays its caller's to close.
func NewArchive(nc *nats.Conn) (*Archive, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	return &Archive{nc: nc, js: js}, nil
}

// MaxPayload is the most that one message may be, headers included.
func (a *Archive) MaxPayload() int { return int(a.nc.MaxPayload()) }

// Span is what a stream holds now.
func (a *Archive) Span(ctx context.Context, stream string) (bridge.Span, error) {
	s, err := a.js.Stream(ctx, stream)
	if err != nil {
		return bridge.Span{}, streamError(stream, err)
	}
	info := s.CachedInfo()
	st := info.State
	return bridge.Span{First: st.FirstSeq, Last: st.LastSeq, Messages: st.Msgs, FirstAt: st.FirstTime, Now: info.TimeStamp}, nil
}

// Get reads one message by its sequence; an error wraps
// [bridge.ErrNotStored] when it is not or no longer there.
func (a *Archive) Get(ctx context.Context, stream string, sequence uint64) (bridge.Stored, error) {
	s, err := a.js.Stream(ctx, stream)
	if err != nil {
		return bridge.Stored{}, streamError(stream, err)
	}
	m, err := s.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return bridge.Stored{}, fmt.Errorf("%s %d: %w", stream, sequence, bridge.ErrNotStored)
	}
	if err != nil {
		return bridge.Stored{}, fmt.Errorf("%s %d: %w", stream, sequence, err)
	}
	for _, added := range []string{jetstream.StreamHeader, jetstream.SubjectHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer} {
		delete(m.Header, added) // by the answer, not by who published
	}
	return bridge.Stored{Stream: stream, Subject: m.Subject, Sequence: m.Sequence, At: m.Time, Header: m.Header, Body: m.Data}, nil
}

// streamError says what to do about a stream that is not there.
func streamError(stream string, err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s: %w; is this the bus of an assaybus serve?", stream, ErrNoStream)
	}
	return fmt.Errorf("stream %s: %w", stream, err)
}

// StreamOf is the stream that stores what is published under prefix.
func (a *Archive) StreamOf(ctx context.Context, prefix string) (string, error) {
	name, err := a.js.StreamNameBySubject(ctx, prefix+".>")
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return "", fmt.Errorf("subject %s.>: %w takes it; create one, such as `nats stream add TEST --subjects '%s.>'`", prefix, ErrNoStream, prefix)
	}
	return name, err
}

// Healthy is always nil: replay finds out by publishing.
func (a *Archive) Healthy() error { return nil }

// Publish is [bridge.Publisher]'s, as [Bus.Publish] is.
func (a *Archive) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	if err := checkSubject(p.Subject); err != nil {
		return bridge.Receipt{}, fmt.Errorf("publish to %s: %w", p.Stream, err)
	}
	m := message(p.Subject, p.Header, p.Body)
	m.Header[subjects.HeaderMsgID] = []string{p.ID}
	ack, err := a.js.PublishMsg(ctx, m, jetstream.WithExpectStream(p.Stream), jetstream.WithRetryAttempts(0))
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api):
		return bridge.Receipt{}, fmt.Errorf("publish to %s: %w", p.Stream, refusal(api))
	case errors.Is(err, nats.ErrMaxPayload):
		return bridge.Receipt{}, fmt.Errorf("publish to %s: %w", p.Stream, bridge.ErrTooLarge)
	case err != nil:
		return bridge.Receipt{}, fmt.Errorf("publish to %s: %w", p.Stream, err)
	case ack.Stream != p.Stream:
		return bridge.Receipt{}, fmt.Errorf("publish to %s: stream %s answered instead; narrow its subjects", p.Stream, ack.Stream)
	}
	return bridge.Receipt{Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}
