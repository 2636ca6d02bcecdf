package ingest

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Queue is a feed of messages that wait, for tests on a fake clock.
type Queue struct {
	Waiting []jetstream.Msg
	Closed  int
}

func (q *Queue) next(ctx context.Context, wait time.Duration) (jetstream.Msg, error) {
	if len(q.Waiting) == 0 {
		var late <-chan time.Time
		if wait > 0 {
			late = time.After(wait)
		}
		select {
		case <-ctx.Done():
		case <-late:
		}
		return nil, nil
	}
	msg := q.Waiting[0]
	q.Waiting = q.Waiting[1:]
	return msg, nil
}

func (q *Queue) empty(context.Context) (bool, error) { return len(q.Waiting) == 0, nil }

func (q *Queue) close() { q.Closed++ }

// RunOn is Run on messages of the test's own.
func (i *Ingester) RunOn(ctx context.Context, q *Queue) error {
	i.ackWait = ackWait
	defer q.close()
	return i.consume(ctx, q)
}
