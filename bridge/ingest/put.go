package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How long one attempt to write may take, what is left of it once the end was
// asked for, and the pauses between two attempts.
const (
	writeTimeout = time.Minute
	writeGrace   = 10 * time.Second
	firstPause   = 100 * time.Millisecond
	longPause    = 15 * time.Second
)

// store commits the batch, then answers its messages. A message that the sink
// refuses for good is recorded as a failure in its place. The only error is
// that ctx ended first.
func (i *Ingester) store(ctx context.Context, batch []item) error {
	if len(batch) == 0 {
		return nil
	}
	err := i.put(ctx, batch)
	switch {
	case err == nil:
		i.answer(batch)
		return nil
	case !errors.Is(err, ErrRefused):
		return err
	case len(batch) > 1:
		half := len(batch) / 2
		if err := i.store(ctx, batch[:half]); err != nil {
			return err
		}
		return i.store(ctx, batch[half:])
	}
	it := &batch[0]
	if it.Message != nil {
		it.spoil(ReasonRefused, err)
		return i.store(ctx, batch)
	}
	it.poison = ReasonRefused + ": " + err.Error()
	i.log.Error("the database does not even take the failure; the message stays on the bus only", "sequence", it.Sequence, "error", err)
	i.answer(batch)
	return nil
}

// answer acknowledges what was committed. An answer that is lost brings the
// message again, which changes nothing.
func (i *Ingester) answer(batch []item) {
	for _, it := range batch {
		if it.poison == "" {
			_ = it.msg.Ack()
			continue
		}
		_ = it.msg.TermWithReason(it.poison)
		i.log.Error("message not stored but recorded as failure", "sequence", it.Sequence, "reason", it.poison)
	}
}

// put writes the batch until the sink has it, refuses it, or ctx ends. That
// the sink is away is said when it begins and when it ends.
func (i *Ingester) put(ctx context.Context, batch []item) error {
	release := i.hold(batch)
	defer release()
	deliveries := make([]Delivery, len(batch))
	for n, it := range batch {
		deliveries[n] = it.Delivery
	}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := i.write(ctx, deliveries)
		if err == nil || errors.Is(err, ErrRefused) {
			i.back()
			return err
		}
		i.away(err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errEnded, err)
		case <-time.After(pause):
		}
	}
}

// write is one attempt. It goes on for a while when the end is asked for.
func (i *Ingester) write(ctx context.Context, batch []Delivery) error {
	attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-attempt.Done():
		case <-time.After(writeGrace):
			cancel()
		}
	})
	defer stop()
	return i.c.Sink.Write(attempt, batch)
}

func (i *Ingester) away(err error) {
	if i.down.IsZero() {
		i.down = time.Now()
		i.log.Error("the database takes no results; they wait on the bus, and writing is tried again until it does", "error", err)
	}
}

func (i *Ingester) back() {
	if !i.down.IsZero() {
		i.log.Info("the database takes results again", "away", time.Since(i.down).Round(time.Second).String())
		i.down = time.Time{}
	}
}

// hold tells the bus that batch is being worked on, until release is called:
// it would deliver it again otherwise.
func (i *Ingester) hold(batch []item) (release func()) {
	if len(batch) == 0 {
		return func() {}
	}
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(i.ackWait / 3)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				for _, it := range batch {
					_ = it.msg.InProgress() // lost: it comes again, which changes nothing
				}
			}
		}
	})
	return func() {
		close(over)
		wg.Wait()
	}
}
