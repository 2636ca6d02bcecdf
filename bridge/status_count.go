package bridge

import (
	"math"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// count notes what became of a message.
func (c *conn) count(r Reception, o Outcome, size int) {
	c.status.update(func(s *Counters) {
		now := time.Now()
		s.LastMessage, s.LastContact = now, now
		s.Bytes += uint64(size)
		s.counted = max(s.counted, o.Sequence)
		s.Stored.observe(o.Took)
		switch {
		case o.Repeat:
			s.Repeats++
		case o.Derived.Reason != "":
			bump(s.Failed, o.Derived.Reason)
			s.troubled(now)
		default:
			bump(s.Messages, o.Derived.Kind)
			s.Hours.Add(now, 1)
		}
		if m := o.Derived.Message; m != nil {
			for _, w := range m.Warnings {
				bump(s.Warnings, w.Code)
			}
			s.skew(r, o, m)
		}
		for _, q := range o.Derived.Quirks {
			bump(s.Quirks, q)
		}
		if s.State == StateRefusing {
			s.State, s.Problem = StateConnected, ""
		}
	})
}

// failed counts a failure that no message of a connection came to.
func (b *Board) failed(instrument, reason string) {
	b.mu.Lock()
	s := b.all[instrument]
	b.mu.Unlock()
	if s != nil {
		s.update(func(c *Counters) {
			bump(c.Failed, reason)
			c.troubled(time.Now())
		})
	}
}

// answered notes how long the instrument waited for its positive answer.
func (c *conn) answered(err error) {
	if c.due.IsZero() {
		return
	}
	waited := time.Since(c.due)
	c.due = time.Time{}
	if err == nil {
		c.status.update(func(s *Counters) { s.Ack.observe(waited) })
	}
}

// skew notes how far the instrument's clock is from ours. A repeat says when
// the first try was sent, and what says only a date says nothing.
func (c *Counters) skew(r Reception, o Outcome, m *codec.Message) {
	sent, err := time.Parse(time.RFC3339, m.SentAt)
	if err != nil || o.Repeat {
		return
	}
	ahead := math.Round(sent.Sub(r.ReceivedAt).Seconds()*10) / 10
	c.Skew = &ahead
}

func (c *Counters) refuse(reason string) {
	c.Refused[reason]++
	if reason != RefusedShutdown {
		c.troubled(time.Now())
	}
}

func (c *Counters) troubled(now time.Time) {
	c.LastProblem = now
	c.Problems.Add(now, 1)
}

// maxNames bounds the names of one kind that an instrument's counters hold;
// what comes after them is counted as "other".
const maxNames = 64

// bump counts name, without letting the names grow for ever.
func bump(counts map[string]uint64, name string) {
	if _, known := counts[name]; !known && len(counts) >= maxNames {
		name = "other"
	}
	counts[name]++
}

// Total is the sum of counts.
func Total(counts map[string]uint64) uint64 {
	var sum uint64
	for _, n := range counts {
		sum += n
	}
	return sum
}
