package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

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

// The bounds of reading. A pull takes messages until one of the two is
// reached; the bytes are above the largest message there can be.
const (
	pullMessages = 256
	pullBytes    = 2 * MaxPayload
	pullWait     = 5 * time.Second // without a message: ask whether there is one
	pullResets   = 4               // attempts to go on after a disconnect
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
	st := s.CachedInfo().State
	return bridge.Span{First: st.FirstSeq, Last: st.LastSeq, Messages: st.Msgs, FirstAt: st.FirstTime}, nil
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
	return bridge.Stored{Stream: stream, Subject: m.Subject, Sequence: m.Sequence, At: m.Time, Header: m.Header, Body: m.Data}, nil
}

// Scan gives the messages of q in the order of the stream and ends behind the
// last one. It pulls a batch at a time, so that a slow reader holds neither
// the server nor much memory. An error is the last thing it gives.
func (a *Archive) Scan(ctx context.Context, q bridge.Query) iter.Seq2[bridge.Stored, error] {
	return func(yield func(bridge.Stored, error) bool) {
		if err := a.scan(ctx, q, yield); err != nil {
			yield(bridge.Stored{}, fmt.Errorf("read %s: %w", q.Stream, err))
		}
	}
}

func (a *Archive) scan(ctx context.Context, q bridge.Query, yield func(bridge.Stored, error) bool) error {
	consumer, err := a.js.OrderedConsumer(ctx, q.Stream, ordered(q))
	if err != nil {
		return streamError(q.Stream, err)
	}
	if info := consumer.CachedInfo(); info != nil && info.NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		m, err := messages.Next(jetstream.NextMaxWait(pullWait))
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, nats.ErrTimeout):
			if info, err := consumer.Info(ctx); err != nil || info.NumPending > 0 {
				return fmt.Errorf("the bus sent nothing for %v; look at the server's log and run again", pullWait)
			}
			return nil // what was pending has aged out
		case err != nil:
			return err
		}
		at, err := m.Metadata()
		if err != nil {
			return err
		}
		if at.Sequence.Stream > q.To {
			return nil
		}
		s := bridge.Stored{
			Stream: at.Stream, Subject: m.Subject(), Sequence: at.Sequence.Stream, At: at.Timestamp,
			Header: m.Headers(), Body: m.Data(),
		}
		if s.Sequence >= q.From && !yield(s, nil) || at.NumPending == 0 {
			return nil
		}
	}
}

// ordered is the consumer that reads q.
func ordered(q bridge.Query) jetstream.OrderedConsumerConfig {
	c := jetstream.OrderedConsumerConfig{
		FilterSubjects: q.Subjects, HeadersOnly: q.HeadersOnly, MaxResetAttempts: pullResets, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	switch {
	case !q.Since.IsZero():
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &q.Since
	case q.From > 0:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, q.From
	}
	return c
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
