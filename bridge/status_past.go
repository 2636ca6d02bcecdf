package bridge

import (
	"maps"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// Totals are counts of one instrument from some time on.
type Totals struct {
	Since    time.Time              `json:"since"`
	Messages map[string]uint64      `json:"messages,omitempty"`
	Failed   map[string]uint64      `json:"failed,omitempty"`
	Refused  map[string]uint64      `json:"refused,omitempty"`
	Events   map[codec.Event]uint64 `json:"events,omitempty"`
	Quirks   map[string]uint64      `json:"quirks,omitempty"`
	Warnings map[string]uint64      `json:"warnings,omitempty"`
	Repeats  uint64                 `json:"repeats"`
	Bytes    uint64                 `json:"bytes"`
}

// Totals are what was counted in all: since the program started and before.
func (c *Counters) Totals() Totals {
	t := Totals{
		Since: c.Since, Messages: c.Messages, Failed: c.Failed, Refused: c.Refused,
		Events: c.Events, Quirks: c.Quirks, Warnings: c.Warnings, Repeats: c.Repeats, Bytes: c.Bytes,
	}
	if c.Before != nil {
		return t.plus(*c.Before)
	}
	return t.clone()
}

func (t Totals) clone() Totals { return t.plus(Totals{}) }

// plus is the sum of both, in maps of its own.
func (t Totals) plus(o Totals) Totals {
	if t.Since.IsZero() || !o.Since.IsZero() && o.Since.Before(t.Since) {
		t.Since = o.Since
	}
	t.Messages, t.Failed, t.Refused = sum(t.Messages, o.Messages), sum(t.Failed, o.Failed), sum(t.Refused, o.Refused)
	t.Events, t.Quirks, t.Warnings = sum(t.Events, o.Events), sum(t.Quirks, o.Quirks), sum(t.Warnings, o.Warnings)
	t.Repeats += o.Repeats
	t.Bytes += o.Bytes
	return t
}

func sum[K comparable](a, b map[K]uint64) map[K]uint64 {
	out := make(map[K]uint64, len(a)+len(b))
	maps.Copy(out, a)
	for name, n := range b {
		out[name] += n
	}
	return out
}

// Past is what is known of an instrument from before the program started.
type Past struct {
	LastContact time.Time `json:"lastContact,omitzero"`
	LastMessage time.Time `json:"lastMessage,omitzero"`
	LastProblem time.Time `json:"lastProblem,omitzero"`
	Hours       History   `json:"hours"`
	Problems    History   `json:"problems"`
	Skew        *float64  `json:"skew,omitempty"`
	Totals      *Totals   `json:"totals,omitempty"` // nil = not known
	Counted     uint64    `json:"counted"`          // the highest sequence in LAB_PARSED that is in these counts
}

// Failure adds a failure of that time to the counts.
func (p *Past) Failure(at time.Time, reason string) {
	p.LastProblem = later(p.LastProblem, at)
	p.Problems.Add(at, 1)
	switch {
	case p.Totals == nil:
	case reason == RefusedOversize: // refused, and written down as failed
		p.Totals.Refused = sum(p.Totals.Refused, map[string]uint64{reason: 1})
	default:
		p.Totals.Failed = sum(p.Totals.Failed, map[string]uint64{reason: 1})
	}
}

// Message adds a message of that time to the counts.
func (p *Past) Message(at time.Time, kind string) {
	p.LastMessage = later(p.LastMessage, at)
	p.Hours.Add(at, 1)
	if p.Totals != nil {
		p.Totals.Messages = sum(p.Totals.Messages, map[string]uint64{kind: 1})
	}
}

// plus is what p and a later o tell together.
func (p Past) plus(o Past) Past {
	p.LastContact, p.LastMessage, p.LastProblem = later(p.LastContact, o.LastContact), later(p.LastMessage, o.LastMessage), later(p.LastProblem, o.LastProblem)
	p.Hours.merge(o.Hours)
	p.Problems.merge(o.Problems)
	if o.Skew != nil {
		p.Skew = o.Skew
	}
	switch {
	case p.Totals == nil:
		p.Totals = o.Totals
	case o.Totals != nil:
		both := p.Totals.plus(*o.Totals)
		p.Totals = &both
	}
	p.Counted = max(p.Counted, o.Counted)
	return p
}

// Restore adds what is known of the time before to the rows of instruments, by
// id: now, or when the row is made.
func (b *Board) Restore(past map[string]Past) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.past == nil {
		b.past = make(map[string]Past)
	}
	for id, p := range past {
		b.past[id] = b.past[id].plus(p)
		if s := b.all[id]; s != nil {
			s.update(func(c *Counters) { c.restore(p) })
		}
	}
}

// keptFor is how long an instrument that is not in the file is remembered.
const keptFor = 30 * 24 * time.Hour

// Kept is all that is worth to be known after a restart, by instrument: what
// Restore takes.
func (b *Board) Kept(now time.Time) map[string]Past {
	b.mu.Lock()
	kept := maps.Clone(b.past)
	b.mu.Unlock()
	if kept == nil {
		kept = make(map[string]Past)
	}
	maps.DeleteFunc(kept, func(_ string, p Past) bool { return now.Sub(later(p.LastContact, p.LastMessage)) > keptFor })
	for id, s := range b.rows() {
		kept[id] = s.kept()
	}
	return kept
}

// rows are the rows now.
func (b *Board) rows() map[string]*status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.all)
}

func (s *status) kept() Past {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.c
	totals := c.Totals()
	return Past{
		LastContact: c.LastContact, LastMessage: c.LastMessage, LastProblem: c.LastProblem,
		Hours: c.Hours, Problems: c.Problems, Skew: c.Skew, Totals: &totals, Counted: c.counted,
	}
}

// restore adds what was before; the clock of the last message since is nearer.
func (c *Counters) restore(p Past) {
	c.LastContact, c.LastMessage, c.LastProblem = later(c.LastContact, p.LastContact), later(c.LastMessage, p.LastMessage), later(c.LastProblem, p.LastProblem)
	c.Hours.merge(p.Hours)
	c.Problems.merge(p.Problems)
	if c.Skew == nil {
		c.Skew = p.Skew
	}
	switch {
	case p.Totals == nil:
	case c.Before == nil:
		before := p.Totals.clone()
		c.Before = &before
	default:
		before := c.Before.plus(*p.Totals)
		c.Before = &before
	}
	c.counted = max(c.counted, p.Counted)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
