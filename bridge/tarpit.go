package bridge

import (
	"time"

	"github.com/assaybus/assaybus/codec"
)

// A peer that sends what is no message waits for every piece of it: on a bad
// cable nobody notices, a flood of noise neither takes the processors from the
// other links nor fills the archive with fragments.
const (
	penalty     = 5 * time.Millisecond
	mostPenalty = 250 * time.Millisecond // of one read
)

// offend notes an event of the link that costs the peer time.
func (c *conn) offend(e codec.Event) {
	switch e {
	case codec.EventNoise, codec.EventGarbled, codec.EventChecksum, codec.EventFrameNumber, codec.EventRestart, codec.EventUncorrelated:
		c.penalty += penalty
	default:
	}
}

// atone makes the peer wait for what it did since the last read.
func (c *conn) atone() {
	if c.penalty > 0 {
		time.Sleep(min(c.penalty, mostPenalty))
		c.penalty = 0
	}
}
