package broker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// The headers of an atomic batch (NATS ADR-50). All messages but the last go
// without a reply subject, the last one's answer is for all.
const (
	headerBatch    = "Nats-Batch-Id"
	headerBatchSeq = "Nats-Batch-Sequence"
	headerCommit   = "Nats-Batch-Commit"
	batchHeaders   = 5 // these, the message's id and its stream
)

// The refusals of a batch that say: never again on this stream.
const errAtomicDisabled = 10174

// errNotAtomic is an answer to a batch from a server that knows none.
var errNotAtomic = errors.New("the server took the messages of a batch one by one")

// batchAck is the server's answer to the last message of a batch.
type batchAck struct {
	Error    *jetstream.APIError `json:"error"`
	Stream   string              `json:"stream"`
	Sequence uint64              `json:"seq"`
	Batch    string              `json:"batch"`
	Count    int                 `json:"count"`
}

// commit sends batch, behind flying single publications, tells each waiter what
// became of it and looks for the next one.
func (c *committer) commit(batch []*waiter, flying int) {
	epoch, err := c.bus.healthyEpoch()
	var sent []*waiter
	var last uint64
	began := time.Now()
	if err == nil {
		ctx, cancel := context.WithTimeout(epoch, batchPatience)
		sent, last, err = c.send(ctx, batch)
		cancel()
		if err != nil && epoch.Err() != nil {
			err = context.Cause(epoch)
		}
	}
	took := time.Since(began)
	c.tell(batch, sent, last, err, epoch)
	if err == nil {
		c.learn(took, len(sent), flying)
	}
	c.linger(len(sent))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batch = false
	c.dispatch()
}

// linger lets company come back before the next batch goes: as many as there
// were in this one, for at most what a batch costs. Without it they would take
// turns in small batches for ever. It is reached only after a batch, so by
// nobody in an idle laboratory.
func (c *committer) linger(company int) {
	c.mu.Lock()
	if len(c.queue) >= company || c.closed {
		c.mu.Unlock()
		return
	}
	enough := make(chan struct{})
	c.company, c.enough = company, enough
	patience := time.NewTimer(c.cost.linger())
	c.mu.Unlock()
	defer patience.Stop()
	select {
	case <-enough:
	case <-patience.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enough = nil
}

func (c *committer) learn(took time.Duration, n, flying int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cost.batch(took, n, flying, time.Now())
}

// tell tells each waiter what became of it.
func (c *committer) tell(batch, sent []*waiter, last uint64, err error, epoch context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.batches++
		c.bus.advance(c.stream, last)
		for i, w := range sent {
			w.done <- outcome{receipt: bridge.Receipt{Sequence: last - uint64(len(sent)-1-i)}}
		}
	case epoch.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		c.fail(batch, err)
	default:
		c.takeApart(batch, err)
	}
}

// takeApart has every waiter of a failed batch try alone: a duplicate, a
// message that does not fit or a full stream is one's own affair. What the
// batch stored after all is told by the ids.
func (c *committer) takeApart(batch []*waiter, err error) {
	var api *jetstream.APIError
	refused := errors.As(err, &api) // as a whole: nothing of it is stored
	if errors.Is(err, errNotAtomic) || refused && api.ErrorCode == errAtomicDisabled {
		c.atomic = false
		c.bus.log.Info("stream takes no batches; messages are stored one by one", "stream", c.stream)
		batch, c.queue = slices.Concat(batch, c.queue), nil
	}
	for _, w := range batch {
		if !w.left {
			c.flying++
			w.done <- outcome{alone: true, stored: !refused}
		}
	}
}

// fail tells the waiters that there was no answer.
func (c *committer) fail(batch []*waiter, err error) {
	for _, w := range batch {
		if !w.left {
			w.done <- outcome{err: err}
		}
	}
	c.bus.unanswered(err)
}

// send writes the batch without those who left and waits for the answer: the
// sequence of the last message.
func (c *committer) send(ctx context.Context, batch []*waiter) (sent []*waiter, last uint64, err error) {
	id := rand.Text()
	sent, commit, err := c.write(id, batch)
	if err != nil || len(sent) == 0 {
		return nil, 0, err
	}
	m, err := c.bus.nc.RequestMsgWithContext(ctx, commit)
	if err != nil {
		return sent, 0, err
	}
	var ack batchAck
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return sent, 0, fmt.Errorf("answer to a batch: %w", err)
	}
	switch {
	case ack.Error != nil:
		return sent, 0, ack.Error
	case ack.Batch != id || ack.Count != len(sent):
		return sent, 0, errNotAtomic
	case ack.Stream != c.stream:
		return sent, 0, fmt.Errorf("stream %s answered instead; narrow its subjects", ack.Stream)
	}
	return sent, ack.Sequence, nil
}

// write hands all messages but the last to the connection, and returns the
// last with a body of its own. Nobody leaves meanwhile.
func (c *committer) write(id string, batch []*waiter) ([]*waiter, *nats.Msg, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	sent := slices.DeleteFunc(slices.Clone(batch), func(w *waiter) bool { return w.left })
	for i, w := range sent {
		m := message(w.p.Subject, w.p.Header, w.p.Body)
		m.Header[subjects.HeaderMsgID] = []string{w.p.ID}
		m.Header[jetstream.ExpectedStreamHeader] = []string{c.stream}
		m.Header[headerBatch] = []string{id}
		m.Header[headerBatchSeq] = []string{strconv.Itoa(i + 1)}
		if i == len(sent)-1 {
			m.Header[headerCommit] = []string{"1"}
			m.Data = slices.Clone(m.Data)
			return sent, m, nil
		}
		if err := c.bus.nc.PublishMsg(m); err != nil {
			return sent, nil, err
		}
	}
	return nil, nil, nil
}
