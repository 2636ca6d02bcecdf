package bridge

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// The bounds of what is remembered of continued messages.
const (
	// PartTimeout is how long a part waits to be continued, and how long its
	// repeats are known. A pointer that comes again later means another message.
	PartTimeout = 5 * time.Minute
	// maxChains is how many messages in parts one instrument may have; the
	// oldest is given up for one more.
	maxChains = 64
	// maxLost is how many of those that were given up may wait to be told of.
	maxLost = 4 * maxChains
)

// Why a part is refused for now; its instrument repeats it.
var (
	errChains = errors.New("too many messages of the instrument wait to be continued; set dsc: separate if each is complete by itself")
	errBusy   = errors.New("another message that continues the same part is being stored")
	errEarly  = errors.New("which parts came before the start is not known yet")
)

// chain is what came of one message that is continued over several: where the
// parts are, never what they say.
type chain struct {
	sender, pointer string // under which the next part comes
	parts           []link
	session         string    // of the newest part or repeat
	newest          Reception // of the newest part
	at              time.Time // when that was, or a repeat
	done            bool      // the last part is there: only repeats are known
	older           bool      // the session has begun another under the same pointer
	busy            bool      // what continues it is being stored
	lost            bool      // given up: that is to be told
}

// link is one part of a chain.
type link struct {
	sequence uint64 // in LAB_RAW
	digest   string
}

func (c *chain) position(digest string) int {
	return slices.IndexFunc(c.parts, func(l link) bool { return l.digest == digest })
}

// before are the sequences of the first n parts.
func (c *chain) before(n int) []uint64 {
	var all []uint64
	for _, l := range c.parts[:n] {
		all = append(all, l.sequence)
	}
	return all
}

// open tells whether the chain may go on with what comes under the pointer.
func (c *chain) open(part codec.Part) bool {
	return !c.done && !c.older && !c.lost && c.sender == part.Sender && c.pointer == part.Continues
}

// chains are those of all instruments, by id. They belong to no connection:
// an instrument may go on over another one.
type chains struct {
	mu    sync.Mutex
	all   map[string][]*chain
	known bool // what came before the start is among them
}

// place is where a part belongs.
type place struct {
	chain *chain // nil = it begins one, or is alone
	at    int    // parts of the chain before it
	first bool   // it begins a chain
	next  bool   // it continues chain, which is reserved for it
}

// alone tells whether it continues what is not known.
func (p place) alone() bool { return p.chain == nil && !p.first }

// find tells where a part belongs. One that continues a chain has the chain
// for itself until stored or release; an error means try again. Bytes that
// are known are a repeat, whoever sends them. A chain goes on once: other
// bytes under a pointer that was continued already are of a message whose
// first part we do not have.
func (s *chains) find(r Reception, part codec.Part) (place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all[r.Instrument]
	for _, c := range all {
		if at := c.position(r.Digest); at >= 0 {
			return place{chain: c, at: at}, nil
		}
	}
	if part.Continues == "" {
		if len(all) >= maxLost {
			return place{}, errChains
		}
		return place{first: true}, nil
	}
	if !s.known {
		return place{}, errEarly
	}
	c := nearest(all, r.Session, part)
	switch {
	case c == nil:
		return place{}, nil
	case c.busy:
		return place{}, errBusy
	}
	c.busy = true
	return place{chain: c, at: len(c.parts), next: true}, nil
}

// nearest is the chain that part continues: the one of its own session, or
// the only one; nil when there is none, or when several are as good.
func nearest(all []*chain, session string, part codec.Part) *chain {
	var found *chain
	several := false
	for _, c := range all {
		if !c.open(part) {
			continue
		}
		if c.session == session {
			return c
		}
		several = found != nil
		found = c
	}
	if several {
		return nil
	}
	return found
}

// stored notes that a part is on disk.
func (s *chains) stored(p place, r Reception, part codec.Part, sequence uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := p.chain
	switch {
	case p.first:
		s.begin(r, part, sequence, now)
		return
	case c == nil:
		return
	case p.next:
		c.parts = append(c.parts, link{sequence, r.Digest})
		c.pointer, c.done, c.newest = part.Pointer, !r.More, r
	case p.at == len(c.parts)-1:
		s.outdate(c, r.Session)
		c.older = false
	}
	c.session, c.at = r.Session, now
}

// outdate keeps what the session began under the pointer of c, other than c,
// from being continued.
func (s *chains) outdate(c *chain, session string) {
	for _, other := range s.all[c.newest.Instrument] {
		if other != c && other.session == session && other.sender == c.sender && other.pointer == c.pointer {
			other.older = true
		}
	}
}

// begin adds a chain of one part.
func (s *chains) begin(r Reception, part codec.Part, sequence uint64, now time.Time) {
	for _, c := range s.all[r.Instrument] {
		if c.position(r.Digest) >= 0 { // it came over two connections at once
			return
		}
	}
	c := &chain{
		sender: part.Sender, pointer: part.Pointer, parts: []link{{sequence, r.Digest}}, session: r.Session, newest: r, at: now,
	}
	s.outdate(c, r.Session)
	s.add(r.Instrument, c)
}

// add keeps the bounds: for one chain more the oldest is given up, of those
// that are complete if there are any.
func (s *chains) add(instrument string, c *chain) {
	all := slices.Concat(s.all[instrument], []*chain{c})
	var kept int
	var done, open *chain
	for _, c := range all {
		switch {
		case c.lost:
			continue
		case c.done && (done == nil || c.at.Before(done.at)):
			done = c
		case !c.done && !c.busy && (open == nil || c.at.Before(open.at)):
			open = c
		}
		kept++
	}
	switch {
	case kept <= maxChains:
	case done != nil:
		all = slices.DeleteFunc(all, func(c *chain) bool { return c == done })
	case open != nil:
		open.lost = true
	}
	s.all[instrument] = all
}

// release gives back what find reserved for a part.
func (s *chains) release(p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.next {
		p.chain.busy = false
	}
}

// expire forgets what is complete and gives up what was not continued in
// time. It returns what is to be told of, until forget.
func (s *chains) expire(now time.Time) (lost []*chain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for instrument, all := range s.all {
		all = slices.DeleteFunc(all, func(c *chain) bool { return c.done && !c.lost && now.Sub(c.at) >= PartTimeout })
		for _, c := range all {
			c.lost = c.lost || !c.busy && now.Sub(c.at) >= PartTimeout
			if c.lost {
				lost = append(lost, c)
			}
		}
		s.set(instrument, all)
	}
	return lost
}

func (s *chains) forget(c *chain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(c.newest.Instrument, slices.DeleteFunc(s.all[c.newest.Instrument], func(other *chain) bool { return other == c }))
}

func (s *chains) set(instrument string, all []*chain) {
	if len(all) == 0 {
		delete(s.all, instrument)
		return
	}
	s.all[instrument] = all
}
