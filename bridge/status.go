package bridge

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// The states of an instrument's link.
const (
	StateWaiting   = "waiting"   // listening or dialling, nobody there
	StateConnected = "connected" // at least one connection
	StateRefusing  = "refusing"  // connected, but the store does not take messages
	StateBlocked   = "blocked"   // the listener cannot be opened
	StateSilent    = "silent"    // no message for silent_after, and nothing worse
)

// States are the states of a link, the worst first.
func States() []string {
	return []string{StateBlocked, StateRefusing, StateSilent, StateWaiting, StateConnected}
}

// Counters are what is known of one instrument since the program started; its
// last times and its hours also from before.
type Counters struct {
	Instrument  string                 `json:"instrument"`
	Name        string                 `json:"name,omitempty"`
	Address     string                 `json:"address"` // where we listen or dial
	State       string                 `json:"state"`
	Problem     string                 `json:"problem,omitempty"` // why the link is not as it should be
	Protocol    string                 `json:"protocol,omitempty"`
	Connections int                    `json:"connections"`
	LastContact time.Time              `json:"lastContact,omitzero"` // anything that came or went
	LastMessage time.Time              `json:"lastMessage,omitzero"`
	Messages    map[string]uint64      `json:"messages,omitempty"` // stored, by kind
	Failed      map[string]uint64      `json:"failed,omitempty"`   // stored as failed, by reason
	Refused     map[string]uint64      `json:"refused,omitempty"`  // refused to the instrument, by reason
	Events      map[codec.Event]uint64 `json:"events,omitempty"`
	Quirks      map[string]uint64      `json:"quirks,omitempty"`
	Warnings    map[string]uint64      `json:"warnings,omitempty"`
	Repeats     uint64                 `json:"repeats"`
	Bytes       uint64                 `json:"bytes"`

	Since       time.Time     `json:"since"`                 // when it was first looked after
	LastProblem time.Time     `json:"lastProblem,omitzero"`  // a message failed or was refused
	SilentAfter time.Duration `json:"silentAfter,omitempty"` // nanoseconds; 0 = it may be silent for ever
	Hours       History       `json:"hours"`                 // messages stored, repeats not counted
	Problems    History       `json:"problems"`              // messages failed or refused
	Ack         Latency       `json:"ack"`                   // from a message's last byte to our positive answer
	Stored      Latency       `json:"stored"`                // until raw and derived were on disk
	// Before is what was counted before the program started, as far as it is
	// known; nil = nothing is. The counters above are those since.
	Before *Totals `json:"before,omitempty"`
	// Skew is how far the instrument's clock is ahead of ours, in seconds, as
	// its last message said (H.14, MSH-7) against the receipt. A message that
	// waited in the instrument looks like a clock that is behind.
	Skew *float64 `json:"skew,omitempty"`

	counted uint64 // the highest sequence in LAB_PARSED that is counted
}

// The reasons of Counters.Refused.
const (
	RefusedStore       = "store"       // the bus did not confirm in time
	RefusedNotReady    = "not-ready"   // the bus was unhealthy when the instrument bid
	RefusedOversize    = "oversize"    // over max_message
	RefusedConnections = "connections" // over max_connections
	RefusedUnparsable  = "unparsable"  // unparsable: reject
	RefusedAddress     = "address"     // an unknown caller
	RefusedShutdown    = "shutdown"    // the program is stopping
	RefusedMemory      = "memory"      // other messages in flight have the memory
	RefusedUnread      = "unread"      // the peer does not read our answers
	RefusedProtocol    = "protocol"    // bytes of no known protocol
	RefusedTLS         = "tls"         // no TLS handshake, or a certificate we do not trust
	RefusedProxy       = "proxy"       // no PROXY protocol header where one is required
)

// Board holds the counters of all instruments; they outlive a reload.
type Board struct {
	mu   sync.Mutex
	all  map[string]*status
	lost map[string]uint64 // refused callers that belong to no instrument, by reason
	past map[string]Past   // of instruments without a row yet
}

// NewBoard is an empty board.
func NewBoard() *Board {
	return &Board{all: make(map[string]*status), lost: make(map[string]uint64)}
}

// Snapshot is all counters at one moment, by instrument id.
func (b *Board) Snapshot() []Counters {
	b.mu.Lock()
	ids := slices.Sorted(maps.Keys(b.all))
	all := make([]*status, len(ids))
	for n, id := range ids {
		all[n] = b.all[id]
	}
	b.mu.Unlock()
	out := make([]Counters, len(all))
	for n, s := range all {
		out[n] = s.snapshot()
	}
	return out
}

// Callers are the refused callers that belong to no instrument, by reason.
func (b *Board) Callers() map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.lost)
}

func (b *Board) refuseCaller(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost[reason]++
}

// status is the row of one instrument, made when it is first seen.
func (b *Board) status(i *Instrument) *status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.all[i.ID]
	if s == nil {
		s = &status{c: Counters{
			Since:    time.Now(),
			Messages: map[string]uint64{}, Failed: map[string]uint64{}, Refused: map[string]uint64{},
			Events: map[codec.Event]uint64{}, Quirks: map[string]uint64{}, Warnings: map[string]uint64{},
		}}
		s.c.restore(b.past[i.ID])
		b.all[i.ID] = s
	}
	s.update(func(c *Counters) {
		c.Instrument, c.Name, c.Address, c.SilentAfter = i.ID, i.Name, i.Listen+i.Dial, i.SilentAfter
		if c.State == "" {
			c.State = StateWaiting
		}
	})
	return s
}

// Expect makes the rows of instruments that will be served.
func (b *Board) Expect(r *Registry) {
	for _, i := range r.Instruments {
		b.status(i)
	}
}

// forget drops an instrument that is no longer in the file.
func (b *Board) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.all[id]; s != nil { // it may come back
		if b.past == nil {
			b.past = make(map[string]Past)
		}
		b.past[id] = s.kept()
	}
	delete(b.all, id)
}

// status guards the counters of one instrument.
type status struct {
	mu     sync.Mutex
	c      Counters
	silent bool // said to be silent
	window window
}

func (s *status) update(f func(*Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.c)
}

// admit is [window.admit] of the instrument.
func (s *status) admit(now time.Time) (skipped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.admit(now)
}

func (s *status) refuse(reason string) {
	s.update(func(c *Counters) { c.refuse(reason) })
}

// connections adds n and returns how many there are now; with a limit above
// zero it adds nothing beyond it and returns false.
func (s *status) connections(n, limit int) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 && s.c.Connections+n > limit {
		return s.c.Connections, false
	}
	s.c.Connections += n
	s.c.LastContact = time.Now()
	switch {
	case s.c.Connections == 0:
		s.c.State = StateWaiting
	case s.c.State != StateRefusing:
		s.c.State = StateConnected
	}
	s.c.Problem = ""
	return s.c.Connections, true
}

func (s *status) snapshot() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.c
	c.Messages, c.Failed, c.Refused = maps.Clone(c.Messages), maps.Clone(c.Failed), maps.Clone(c.Refused)
	c.Events, c.Quirks, c.Warnings = maps.Clone(c.Events), maps.Clone(c.Quirks), maps.Clone(c.Warnings)
	if c.Before != nil {
		before := c.Before.clone()
		c.Before = &before
	}
	c.Ack.Counts, c.Stored.Counts = slices.Clone(c.Ack.Counts), slices.Clone(c.Stored.Counts)
	c.settle(time.Now())
	return c
}
