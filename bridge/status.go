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
)

// Counters are what is known of one instrument since the program started.
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
			Messages: map[string]uint64{}, Failed: map[string]uint64{}, Refused: map[string]uint64{},
			Events: map[codec.Event]uint64{}, Quirks: map[string]uint64{}, Warnings: map[string]uint64{},
		}}
		b.all[i.ID] = s
	}
	s.update(func(c *Counters) {
		c.Instrument, c.Name, c.Address = i.ID, i.Name, i.Listen+i.Dial
		if c.State == "" {
			c.State = StateWaiting
		}
	})
	return s
}

// forget drops an instrument that is no longer in the file.
func (b *Board) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, id)
}

// status guards the counters of one instrument.
type status struct {
	mu sync.Mutex
	c  Counters
}

func (s *status) update(f func(*Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.c)
}

func (s *status) refuse(reason string) { s.update(func(c *Counters) { c.Refused[reason]++ }) }

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
	return c
}
