package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// DefaultDurable names the consumer.
const DefaultDurable = "ingest"

// What one batch holds at most, and how long it waits for more. The bytes are
// those of the JSON.
const (
	batchMessages = 500
	batchBytes    = 16 << 20
	batchLinger   = 50 * time.Millisecond
)

const (
	idleCheck   = 250 * time.Millisecond // between two looks whether all is done
	reopenPause = time.Second
)

// Config is what an [Ingester] is made of.
type Config struct {
	JetStream jetstream.JetStream
	Sink      Sink   // closed by its owner, after Run
	Durable   string // name of the consumer; DefaultDurable when empty
	// UntilEmpty ends Run once everything that is there was stored.
	UntilEmpty bool
	// AckWait, when the consumer is created, is how long the messages of a
	// killed ingester are away: 30 s when 0.
	AckWait time.Duration
	// Progress is told after every batch, by Run's goroutine; may be nil.
	Progress func(Progress)
	Log      *slog.Logger // nil discards
}

// Progress is how far an [Ingester] has come since it was started.
type Progress struct {
	Messages uint64 // committed, repeats included
	Results  uint64 // of these messages
	Failures uint64 // of these messages: lab.failed, and what could not be stored
	Pending  uint64 // messages that wait on the bus
}

// Ingester takes messages from the bus into a sink. Run one for each durable
// name: two share the messages, and corrections, though right in the end, may
// be late.
type Ingester struct {
	c    Config
	log  *slog.Logger
	done Progress
	down time.Time // since when the sink has been away; zero = it is there

	ackWait time.Duration // of the consumer
}

// New makes an Ingester.
func New(c Config) *Ingester {
	c.Durable = cmp.Or(c.Durable, DefaultDurable)
	c.AckWait = cmp.Or(c.AckWait, ackWait)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Ingester{c: c, log: c.Log}
}

// Run ingests until ctx ends, or until there is nothing left when UntilEmpty.
// The batch in progress is then committed and acknowledged; nil is returned.
// An error is one of the consumer, at the start: later Run waits for whatever
// is away, be it bus or database.
func (i *Ingester) Run(ctx context.Context) error {
	if err := CheckDurable(i.c.Durable); err != nil {
		return err
	}
	f, err := i.open(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	for {
		err := i.consume(ctx, f)
		f.close()
		if err == nil {
			return nil
		}
		i.log.Warn("consumer lost; nothing is lost with it", "durable", i.c.Durable, "error", err)
		if f = i.reopen(ctx); f == nil {
			return nil
		}
	}
}

func (i *Ingester) open(ctx context.Context) (feed, error) {
	c, err := consumer(ctx, i.c.JetStream, i.c.Durable, i.c.AckWait)
	if err != nil {
		return nil, err
	}
	i.ackWait = c.CachedInfo().Config.AckWait
	p, err := newPull(c, i.c.JetStream)
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", i.c.Durable, err)
	}
	return p, nil
}

// reopen tries until it succeeds; nil means that ctx ended.
func (i *Ingester) reopen(ctx context.Context) feed {
	said := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reopenPause):
		}
		f, err := i.open(ctx)
		if err == nil {
			i.log.Info("consumer found again", "durable", i.c.Durable)
			return f
		}
		if !said && ctx.Err() == nil {
			said = true
			i.log.Error("consumer not found; trying again every second", "error", err)
		}
	}
}

// consume stores batch after batch. nil means that the end was asked for.
func (i *Ingester) consume(ctx context.Context, f feed) error {
	if i.put(ctx, nil) != nil { // is the database there? Not before the end
		return nil
	}
	for ctx.Err() == nil {
		batch, pending, lost := i.collect(ctx, f)
		if err := i.store(ctx, batch); err != nil {
			i.log.Warn("ended while the database is away; what was not stored waits on the bus", "messages", len(batch), "error", err)
			return nil
		}
		i.report(batch, pending)
		if lost != nil {
			return lost
		}
		if pending == 0 && i.c.UntilEmpty {
			if done, err := f.empty(ctx); err == nil && done {
				return nil
			}
		}
	}
	return nil
}

// collect waits for a message and takes those that follow soon. What it has
// is good even when the feed is lost.
func (i *Ingester) collect(ctx context.Context, f feed) (batch []item, pending uint64, lost error) {
	var wait time.Duration // for ever
	if i.c.UntilEmpty {
		wait = idleCheck
	}
	var full time.Time
	for size := 0; len(batch) < batchMessages && size < batchBytes; {
		msg, err := f.next(ctx, wait)
		if err != nil || msg == nil {
			return batch, pending, err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return batch, pending, fmt.Errorf("%w: a message that JetStream did not send: %w", errGone, err)
		}
		pending = meta.NumPending
		batch = append(batch, take(msg, meta))
		size += len(msg.Data())
		if full.IsZero() {
			full = time.Now().Add(batchLinger)
		}
		if wait = time.Until(full); wait <= 0 {
			break
		}
	}
	return batch, pending, nil
}

func (i *Ingester) report(batch []item, pending uint64) {
	if len(batch) == 0 {
		return
	}
	i.done.Pending = pending
	i.done.Messages += uint64(len(batch))
	for _, it := range batch {
		if it.Message == nil {
			i.done.Failures++
			continue
		}
		i.done.Results += uint64(len(it.Message.Results))
	}
	if i.c.Progress != nil {
		i.c.Progress(i.done)
	}
}

// errEnded is a batch that was given up because ctx ended.
var errEnded = errors.New("ended")
