package broker

import "time"

// cost is what the disk at hand takes for one publication and for one batch,
// learned from the last ones. An atomic batch costs the same handful of
// system calls however many it holds, so the number from which it pays is the
// quotient: 4 to 8 when it is collected in memory (see [embedded.stage]), 8 to
// 14 on a disk with an fsync of 0.2 ms.
type cost struct {
	one, all time.Duration // 0 = not known
	at       time.Time     // when all was learned
}

// What is assumed before anything was measured, and how estimates move.
const (
	firstCrossover = 6
	leastCrossover = 4
	mostCrossover  = 32                    // whatever was measured: more never wait for single ones
	perMessage     = 10 * time.Microsecond // a kilobyte's share of a batch
	smoothing      = 8                     // an estimate moves by an eighth
	longestLinger  = 20 * time.Millisecond
	forget         = 10 * time.Second // one bad batch must not deter for ever
)

// single learns from one of flying publications that were under way together:
// the stream takes them one after the other.
func (c *cost) single(took time.Duration, flying int) {
	learn(&c.one, took/time.Duration(max(flying, 1)))
}

// batch learns from a batch of n that began behind flying single publications:
// their time is not its own, or the estimate would feed on itself.
func (c *cost) batch(took time.Duration, n, flying int, now time.Time) {
	own := took - time.Duration(n)*perMessage - time.Duration(flying)*c.one
	learn(&c.all, max(own, took/4))
	c.at = now
}

// crossover is how many publications are cheaper as a batch.
func (c *cost) crossover(now time.Time) int {
	if c.one == 0 || c.all == 0 || now.Sub(c.at) > forget {
		return firstCrossover
	}
	return min(max(int(c.all/c.one)+1, leastCrossover), mostCrossover)
}

// linger is the longest wait after a batch.
func (c *cost) linger() time.Duration { return min(c.all, longestLinger) }

// learn moves estimate towards sample.
func learn(estimate *time.Duration, sample time.Duration) {
	if *estimate == 0 {
		*estimate = sample
		return
	}
	*estimate += (sample - *estimate) / smoothing
}
