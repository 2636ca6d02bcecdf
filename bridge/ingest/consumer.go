package ingest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/subjects"
)

// feed gives the messages of the consumer in order.
type feed interface {
	// next waits for a message, for at most wait when that is positive. It
	// returns nil when there was none in time, or ctx ended.
	next(ctx context.Context, wait time.Duration) (jetstream.Msg, error)
	// empty reports whether all there is was delivered and acknowledged.
	empty(ctx context.Context) (bool, error)
	// close gives back what was not handed out, to be delivered again at once.
	close()
}

// The consumer's bounds. A batch in progress is kept alive, so ackWait only
// bounds how long the messages of a killed ingester are away.
const (
	ackWait       = 30 * time.Second
	maxAckPending = 8 * batchMessages
	pullMessages  = 2 * batchMessages
	pullBytes     = 64 << 20 // over any message's size
	askTimeout    = 5 * time.Second
)

// CheckDurable refuses a name that would not be one token of a subject.
func CheckDurable(name string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(name) {
		return fmt.Errorf("durable name: must be 1 to 64 letters, digits, _ or - (got %q)", name)
	}
	return nil
}

// consumer finds the durable consumer, or creates it when this user may.
func consumer(ctx context.Context, js jetstream.JetStream, durable string, wait time.Duration) (jetstream.Consumer, error) {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found, err := js.Consumer(asking, subjects.StreamParsed, durable)
	switch {
	case err == nil:
		return found, checkConsumer(found.CachedInfo().Config)
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, busError(err, durable)
	}
	asking, cancel = context.WithTimeout(ctx, askTimeout)
	defer cancel()
	made, err := js.CreateConsumer(asking, subjects.StreamParsed, jetstream.ConsumerConfig{
		Durable: durable, Description: "assaybus ingest: results into a database",
		FilterSubjects: []string{subjects.AllParsed, subjects.AllFailed},
		DeliverPolicy:  jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: wait, MaxDeliver: -1, MaxAckPending: maxAckPending,
	})
	switch {
	case err == nil:
		return made, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("consumer %s of %s does not exist, and this user may not create it: run assaybus ingest once as a user who may", durable, subjects.StreamParsed)
	}
	return nil, busError(err, durable)
}

// checkConsumer refuses a consumer of someone else's making that would lose
// messages.
func checkConsumer(c jetstream.ConsumerConfig) error {
	switch {
	case c.AckPolicy != jetstream.AckExplicitPolicy:
		return fmt.Errorf("consumer %s does not wait for acknowledgements of each message; delete it (nats consumer rm %s %s) or name another", c.Name, subjects.StreamParsed, c.Name)
	case c.MaxDeliver > 0:
		return fmt.Errorf("consumer %s gives a message up after %d deliveries; delete it (nats consumer rm %s %s) or name another", c.Name, c.MaxDeliver, subjects.StreamParsed, c.Name)
	}
	return nil
}

// errGone is a consumer or stream that is no longer there.
var errGone = errors.New("the consumer is gone")

func busError(err error, durable string) error {
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("bus: %w: %s; is this the bus of an assaybus serve?", err, subjects.StreamParsed)
	case errors.Is(err, jetstream.ErrNotPullConsumer):
		return fmt.Errorf("bus: consumer %s: %w; name another", durable, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("bus: no answer about consumer %s: %w; check that JetStream is well and that this user may call $JS.API.CONSUMER.INFO.%s.%s", durable, err, subjects.StreamParsed, durable)
	}
	return fmt.Errorf("bus: consumer %s: %w", durable, err)
}

// pull is the feed of a pull consumer.
type pull struct {
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	flush    func(context.Context) error
}

func newPull(c jetstream.Consumer, js jetstream.JetStream) (*pull, error) {
	messages, err := c.Messages(
		jetstream.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes),
		jetstream.WithMessagesErrOnMissingHeartbeat(false), // a bus that is away comes back; the connection says so
	)
	if err != nil {
		return nil, err
	}
	return &pull{c, messages, js.Conn().FlushWithContext}, nil
}

func (p *pull) next(ctx context.Context, wait time.Duration) (jetstream.Msg, error) {
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	msg, err := p.messages.Next(jetstream.NextContext(ctx))
	switch {
	case err == nil:
		return msg, nil
	case ctx.Err() != nil:
		return nil, nil
	}
	return nil, fmt.Errorf("%w: %w", errGone, err)
}

func (p *pull) empty(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := p.flush(ctx); err != nil { // our acknowledgements first
		return false, err
	}
	info, err := p.consumer.Info(ctx)
	if err != nil {
		return false, err
	}
	return info.NumPending == 0 && info.NumAckPending == 0, nil
}

func (p *pull) close() {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	p.messages.Drain()
	for {
		msg, err := p.messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			break
		}
		_ = msg.Nak() // lost: it comes again after the consumer's AckWait
	}
	_ = p.flush(ctx)
}
