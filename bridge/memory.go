package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// DefaultMemory is the budget of a server whose Config says none.
const DefaultMemory = 256 << 20

// What a message is worth in the budget. A connection may hold freeBytes and
// decode for freeCost without asking: small messages pass however much others
// hold. The other costs are the worst that the parsers and the encoder make of
// a byte (measured: of a delimiter 20 bytes, of a two-byte record 490).
const (
	freeBytes     = 64 << 10
	freeCost      = 256 << 10
	chargeBytes   = 64 << 10 // the budget is asked in steps
	bufferCost    = 3        // of a byte read: a buffer that doubles, and the one it leaves
	byteCost      = 6        // of a byte decoded
	delimiterCost = 24
	recordCost    = 512
)

// ErrMemory is a message for which there is no room in memory now: its
// instrument keeps it and repeats.
var ErrMemory = errors.New("the memory for messages is in use; raise ASSAYBUS_MESSAGE_MEMORY if that happens in peace")

// budget is the memory that messages in flight may take, over all connections.
type budget struct {
	max int64

	mu    sync.Mutex
	used  int64
	freed chan struct{} // closed when something is given back; nil = nobody waits
}

// take takes n, or nothing and returns false.
func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > b.max {
		return false
	}
	b.used += n
	return true
}

// wait takes n as soon as that much is there. What is more than all of it
// takes all but the part that the caller holds already.
func (b *budget) wait(ctx context.Context, n, held int64) (taken int64, err error) {
	n = min(n, b.max-held)
	for {
		b.mu.Lock()
		if b.used+n <= b.max {
			b.used += n
			b.mu.Unlock()
			return n, nil
		}
		if b.freed == nil {
			b.freed = make(chan struct{})
		}
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w", ErrMemory, ctx.Err())
		}
	}
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.freed != nil && n > 0 {
		close(b.freed)
		b.freed = nil
	}
}

// cost is the most that decoding raw may take. Any character but a letter, a
// digit or a blank may be a delimiter.
func cost(raw []byte) int64 {
	var delimiters, records int64
	for _, c := range raw {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == ' ':
		case c == '\r', c == '\n':
			records++
		default:
			delimiters++
		}
	}
	return int64(len(raw))*byteCost + delimiters*delimiterCost + records*recordCost
}

// charge notes n more bytes of a message in flight.
func (c *conn) charge(n int) error {
	c.unsettled += n
	most := c.inst.Options.MaxMessage + c.inst.Options.MaxFrame
	want := bufferCost * int64(min(c.unsettled, most)-freeBytes)
	if want <= c.held {
		return nil
	}
	want += chargeBytes - want%chargeBytes
	if !c.server.memory.take(want - c.held) {
		c.status.refuse(RefusedMemory)
		return ErrMemory
	}
	c.held = want
	return nil
}

// settle gives back what the message in flight held.
func (c *conn) settle() {
	c.server.memory.give(c.held)
	c.held, c.unsettled = 0, 0
}

// afford waits for the memory that deriving raw may take, for half of the
// instrument's patience; release gives it back.
func (c *conn) afford(ctx context.Context, raw []byte) (release func(), err error) {
	want := cost(raw)
	if want <= freeCost {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.server.store.patience/2)
	defer cancel()
	taken, err := c.server.memory.wait(ctx, want, c.held)
	if err != nil {
		return nil, err
	}
	c.lent = taken
	return func() {
		c.server.memory.give(taken)
		c.lent = 0
	}, nil
}
