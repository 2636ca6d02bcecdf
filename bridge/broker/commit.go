package broker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

// committer is the way into one stream for all sessions. Few publications go
// singly and at once: an idle laboratory waits for nobody. Where more wait
// than a batch costs, they go in one atomic batch, one fsync for all, and the
// next batch fills while that one commits. What is queued keeps its order.
//
// A publication is confirmed, refused and repeated as if it were alone: a
// batch that fails is taken apart, and each of its publications tries itself.
type committer struct {
	bus    *Bus
	stream string

	writing sync.Mutex // held while bodies of waiters are copied; before mu
	wg      sync.WaitGroup

	mu      sync.Mutex
	atomic  bool // the stream takes batches
	closed  bool
	cost    cost
	flying  int // single publications under way
	batch   bool
	company int           // that a batch which is over waits for
	enough  chan struct{} // closed when it is there; nil = nobody waits
	queue   []*waiter
	seen    recent
	batches uint64 // committed
}

// waiter is a publication in the queue or in a batch.
type waiter struct {
	p    bridge.Publication
	left bool // gave up: changed under writing and mu, read under either
	done chan outcome
}

// outcome is what a waiter is told: go alone, or what became of it.
type outcome struct {
	alone   bool
	stored  bool // with alone: the batch may have stored it, a duplicate is our own
	receipt bridge.Receipt
	err     error
}

// maxFlying singles keep a stream busy: it takes one after the other, and what
// waits here may become a batch, what waits there no more.
const maxFlying = 2

// The bounds of a batch: the server takes 1000 messages and waits 10 s for
// them. A message that is large pays for its bytes, not for its fsync, and
// goes alone.
const (
	maxBatch      = 1000
	maxBatchBytes = 8 << 20
	maxShared     = 256 << 10
	batchPatience = 5 * time.Second
)

// publish returns when p is on disk, refused, or ctx has ended; p.Body is not
// used after that.
func (c *committer) publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	w := c.enter(p)
	if w == nil {
		return c.single(ctx, p)
	}
	select {
	case o := <-w.done:
		if o.alone {
			receipt, err := c.single(ctx, p)
			receipt.Duplicate = receipt.Duplicate && !o.stored
			return receipt, err
		}
		return o.receipt, o.err
	case <-ctx.Done():
		c.leave(w)
		return bridge.Receipt{}, c.bus.publishError(ctx, context.Cause(ctx))
	}
}

// enter is nil when p goes at once: nobody waits before it, or it is not one
// for a batch (large, or an id that is there already and would fail all).
func (c *committer) enter(p bridge.Publication) *waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.seen.add(p.ID)
	if !c.atomic || known || p.ID == "" || weight(p) > maxShared || c.free() && len(c.queue) == 0 {
		c.flying++
		return nil
	}
	w := &waiter{p: p, done: make(chan outcome, 1)}
	c.queue = append(c.queue, w)
	if c.enough != nil && len(c.queue) >= c.company {
		close(c.enough)
		c.enough = nil
	}
	c.dispatch()
	return w
}

// free tells whether another single publication may go.
func (c *committer) free() bool { return !c.batch && c.flying < maxFlying }

// dispatch sends the queue on its way, as a batch if it is worth one. mu is
// held.
func (c *committer) dispatch() {
	if c.batch || c.closed {
		return
	}
	if len(c.queue) >= c.cost.crossover(time.Now()) {
		batch := c.take()
		c.batch = true
		flying := c.flying
		c.wg.Go(func() { c.commit(batch, flying) })
		return
	}
	for len(c.queue) > 0 && c.free() {
		c.flying++
		c.queue[0].done <- outcome{alone: true}
		c.queue = slices.Delete(c.queue, 0, 1)
	}
}

// take cuts a batch off the queue: the first always, then what fits.
func (c *committer) take() []*waiter {
	n, bytes := 0, 0
	for n < len(c.queue) && n < maxBatch {
		if bytes += weight(c.queue[n].p); bytes > maxBatchBytes && n > 0 {
			break
		}
		n++
	}
	batch := slices.Clone(c.queue[:n])
	c.queue = slices.Delete(c.queue, 0, n)
	return batch
}

// leave takes back a waiter whose caller gives up: from the queue, or its slot
// if it had just been given one. In a batch under way it may be stored, as
// when an answer is lost; leave waits until its body is copied.
func (c *committer) leave(w *waiter) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	w.left = true
	if i := slices.Index(c.queue, w); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
	select {
	case o := <-w.done:
		if o.alone {
			c.flying--
			c.dispatch()
		}
	default:
	}
}

// single publishes p alone; its slot is taken and given back here.
func (c *committer) single(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	c.mu.Lock()
	flying := c.flying
	c.mu.Unlock()
	began := time.Now()
	receipt, err := c.bus.single(ctx, p)
	took := time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flying--
	if err == nil && !receipt.Duplicate && weight(p) <= maxShared {
		c.cost.single(took, flying)
	}
	c.dispatch()
	return receipt, err
}

// close starts no more batches and waits for the one under way.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	if c.enough != nil {
		close(c.enough)
		c.enough = nil
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// weight is about what p takes in a batch.
func weight(p bridge.Publication) int {
	n := len(p.Subject) + len(p.ID) + len(p.Body)
	for k, v := range p.Header {
		n += len(k) + len(v) + 4
	}
	return n
}

// recent remembers the last ids in two generations: one that comes again is
// most likely stored, and a batch with it would fail.
type recent struct{ young, old map[string]struct{} }

const generation = 4096 // ids; about 1 MB for both

// add reports whether id was there.
func (r *recent) add(id string) bool {
	_, ok := r.young[id]
	if !ok {
		_, ok = r.old[id]
	}
	if r.young == nil || len(r.young) >= generation {
		r.old, r.young = r.young, make(map[string]struct{}, generation)
	}
	r.young[id] = struct{}{}
	return ok
}
