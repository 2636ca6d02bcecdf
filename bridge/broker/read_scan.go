package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
)

// The bounds of reading. A pull takes messages until one of the two is
// reached; the bytes are above the largest message there can be.
const (
	pullMessages = 256
	pullHeaders  = 4096 // when the bodies stay behind
	pullBytes    = 2 * MaxPayload
	pullWait     = 5 * time.Second // the longest without a message
	pullAttempts = 5               // without a message in between
	pullPause    = 500 * time.Millisecond
	pullIdle     = 5 * time.Minute // after which the server forgets the consumer
)

var (
	errGap    = errors.New("messages were lost on the way")
	errSilent = fmt.Errorf("the bus sent nothing for %v; look at the server's log and run again", pullWait)
)

// Scan gives the messages of q in the order of the stream and ends behind the
// last one. It pulls a batch at a time, so that a slow reader holds neither
// the server nor much memory, and goes on where it was when the consumer or
// the connection is lost. An error is the last thing it gives.
func (a *Archive) Scan(ctx context.Context, q bridge.Query) iter.Seq2[bridge.Stored, error] {
	return func(yield func(bridge.Stored, error) bool) {
		s := scan{a: a, q: q, yield: yield}
		if err := s.run(ctx); err != nil {
			yield(bridge.Stored{}, fmt.Errorf("read %s: %w", q.Stream, err))
		}
	}
}

// scan is one reading of a stream.
type scan struct {
	a        *Archive
	q        bridge.Query
	yield    func(bridge.Stored, error) bool
	consumer jetstream.Consumer // nil = to be made, from behind last
	count    uint64             // messages that this consumer has sent
	last     uint64             // sequence of the last message given
	over     bool
}

func (s *scan) run(ctx context.Context) error {
	defer s.drop()
	failures := 0
	for !s.over {
		before := s.last
		err := s.pull(ctx)
		switch {
		case s.over:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrNoStream):
			return err
		case err == nil || s.last > before:
			failures = 0
			continue
		}
		if failures++; failures == pullAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pullPause):
		}
	}
	return nil
}

// pull gives one batch. After an error the next one has a new consumer.
func (s *scan) pull(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			s.drop()
		}
	}()
	if s.consumer == nil {
		if err := s.begin(ctx); err != nil || s.over {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pullWait)
	defer cancel()
	most := pullMessages
	if s.q.HeadersOnly {
		most = pullHeaders
	}
	batch, err := s.consumer.Fetch(most, jetstream.FetchMaxBytes(pullBytes), jetstream.FetchContext(ctx))
	if err != nil {
		return err
	}
	before := s.last
	for m := range batch.Messages() {
		if err := s.give(m); err != nil || s.over {
			return err
		}
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if s.last > before {
		return nil
	}
	return s.silent(ctx)
}

// give passes one message on and notices the end.
func (s *scan) give(m jetstream.Msg) error {
	at, err := m.Metadata()
	if err != nil {
		return err
	}
	if s.count++; at.Sequence.Consumer != s.count {
		return errGap
	}
	s.last = at.Sequence.Stream
	if s.last > s.q.To {
		s.over = true
		return nil
	}
	stored := bridge.Stored{
		Stream: at.Stream, Subject: m.Subject(), Sequence: s.last, At: at.Timestamp, Header: m.Headers(), Body: m.Data(),
	}
	s.over = s.last >= s.q.From && !s.yield(stored, nil) || at.NumPending == 0 || s.last == s.q.To
	return nil
}

// silent tells whether there is nothing more or something wrong.
func (s *scan) silent(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullWait)
	defer cancel()
	info, err := s.consumer.Info(ctx)
	switch {
	case err != nil:
		return err
	case info.NumPending > 0:
		return errSilent
	}
	s.over = true // what was pending has been removed by age
	return nil
}

// begin makes the consumer: in memory, without acknowledgements, removed by
// drop or forgotten by the server.
func (s *scan) begin(ctx context.Context) error {
	c := jetstream.ConsumerConfig{
		FilterSubjects: s.q.Subjects, HeadersOnly: s.q.HeadersOnly, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: pullIdle, MaxDeliver: 1,
	}
	switch {
	case s.last > 0:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.last+1
	case !s.q.Since.IsZero():
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &s.q.Since
	case s.q.From > 0:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.q.From
	}
	ctx, cancel := context.WithTimeout(ctx, pullWait)
	defer cancel()
	consumer, err := s.a.js.CreateConsumer(ctx, s.q.Stream, c)
	if err != nil {
		return streamError(s.q.Stream, err)
	}
	s.consumer, s.count = consumer, 0
	s.over = consumer.CachedInfo().NumPending == 0
	return nil
}

// drop removes the consumer from the server.
func (s *scan) drop() {
	if s.consumer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.a.js.DeleteConsumer(ctx, s.q.Stream, s.consumer.CachedInfo().Name) // else the server forgets it after pullIdle
	s.consumer = nil
}
