package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// maxSubject keeps a subject far below the 4096 bytes of the control line,
// over which the server closes the connection for good.
const maxSubject = 400

// Publish is [bridge.Publisher]'s: one attempt, confirmed by the stream named
// and no other, together with what others publish meanwhile (see committer).
// While the store is unhealthy it fails at once with the reason, and an attempt
// in flight fails as soon as that is known. A ctx without a deadline gets 5 s:
// a frozen stream answers nothing.
//
// Errors wrap [bridge.ErrTooLarge] and [ErrSubject], which repeating does not
// cure, and [ErrFull], which it may. None holds content or the subject.
func (b *Bus) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	if err := checkSubject(p.Subject); err != nil {
		return bridge.Receipt{}, fmt.Errorf("publish to %s: %w", p.Stream, err)
	}
	epoch, err := b.healthyEpoch()
	if err != nil {
		return bridge.Receipt{}, fmt.Errorf("publish to %s: %w", p.Stream, err)
	}
	if _, ok := ctx.Deadline(); !ok {
		limited, cancel := context.WithTimeout(ctx, publishPatience)
		defer cancel()
		ctx = limited
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(epoch, func() { cancel(context.Cause(epoch)) })()

	publish := b.single
	if c := b.committers[p.Stream]; c != nil {
		publish = c.publish
	}
	receipt, err := publish(ctx, p)
	if err != nil {
		return bridge.Receipt{}, fmt.Errorf("publish to %s: %w", p.Stream, err)
	}
	return receipt, nil
}

// publishPatience is for callers without a deadline.
const publishPatience = 5 * time.Second

// single publishes one message by itself.
func (b *Bus) single(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	m := message(p.Subject, p.Header, p.Body)
	if p.ID != "" {
		m.Header[subjects.HeaderMsgID] = []string{p.ID}
	}
	ack, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectStream(p.Stream), jetstream.WithRetryAttempts(0))
	if err != nil {
		return bridge.Receipt{}, b.publishError(ctx, err)
	}
	if ack.Stream != p.Stream { // a second stream on our subjects answered first
		return bridge.Receipt{}, fmt.Errorf("stream %s answered instead; narrow its subjects", ack.Stream)
	}
	b.advance(p.Stream, ack.Sequence)
	return bridge.Receipt{Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}

// publishError sorts a refusal, and has the watcher look when there was no
// answer at all.
func (b *Bus) publishError(ctx context.Context, err error) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		if errors.Is(err, nats.ErrMaxPayload) {
			return fmt.Errorf("%w: limit %d bytes with headers", bridge.ErrTooLarge, b.nc.MaxPayload())
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		b.unanswered(err)
		return err
	}
	return refusal(api)
}

// refusal sorts what a stream answers.
func refusal(api *jetstream.APIError) error {
	switch api.ErrorCode {
	case 10054: // over the stream's or the server's size
		return fmt.Errorf("%w: %s", bridge.ErrTooLarge, api.Description)
	case 10077: // the file store's refusal: the message is too large for it, or the stream is full
		if api.Description == "message too large" {
			return fmt.Errorf("%w: %s", bridge.ErrTooLarge, api.Description)
		}
		return fmt.Errorf("%w: %s", ErrFull, api.Description)
	case 10023, 10002, 10047: // the server's or the account's store is used up
		return fmt.Errorf("%w: %s", ErrFull, api.Description)
	default:
		return api
	}
}

// message has its headers spelt as given: NATS header names are case sensitive.
func message(subject string, header map[string]string, body []byte) *nats.Msg {
	m := &nats.Msg{Subject: subject, Header: make(nats.Header, len(header)+batchHeaders), Data: body}
	values := make([]string, 0, len(header)) // one for all: this is done twice per message
	for k, v := range header {
		values = append(values, v)
		m.Header[k] = values[len(values)-1 : len(values) : len(values)]
	}
	return m
}

// checkSubject refuses what NATS would store literally (wildcards), answer with
// silence (empty tokens), or close the connection for (length, white space).
func checkSubject(s string) error {
	if s == "" || len(s) > maxSubject {
		return fmt.Errorf("%w: %d bytes, 1 to %d are allowed", ErrSubject, len(s), maxSubject)
	}
	start := true // of a token
	for i := range len(s) {
		switch c := s[i]; {
		case c == '*' || c == '>':
			return fmt.Errorf("%w: wildcard at byte %d", ErrSubject, i)
		case c <= ' ' || c == 0x7f:
			return fmt.Errorf("%w: blank or control character at byte %d", ErrSubject, i)
		case c == '.' && start:
			return fmt.Errorf("%w: empty token at byte %d", ErrSubject, i)
		default:
			start = c == '.'
		}
	}
	if start {
		return fmt.Errorf("%w: empty token at the end", ErrSubject)
	}
	return nil
}

// linkQueue is how many link events may wait for the connection.
const linkQueue = 1024

// PublishLink sends a link event and never blocks: when the queue is full or
// the bus is away the event is dropped and counted (see [Bus.LinksDropped]).
// header and body belong to the bus afterwards.
func (b *Bus) PublishLink(subject string, header map[string]string, body []byte) {
	if checkSubject(subject) != nil || len(body) > MaxPayload/16 {
		b.dropped.Add(1)
		return
	}
	select {
	case b.links <- message(subject, header, body):
	default:
		b.dropped.Add(1)
	}
}

// LinksDropped counts the link events that were not sent.
func (b *Bus) LinksDropped() uint64 { return b.dropped.Load() }

// writeLinks sends link events until ctx ends, then those that wait. They ask
// for no confirmation: a view of now is not worth a retry.
func (b *Bus) writeLinks(ctx context.Context) {
	send := func(m *nats.Msg) {
		if b.nc.PublishMsg(m) != nil {
			b.dropped.Add(1)
		}
	}
	for {
		select {
		case m := <-b.links:
			send(m)
		case <-ctx.Done():
			for {
				select {
				case m := <-b.links:
					send(m)
				default:
					return
				}
			}
		}
	}
}
