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
	passed          bool      // its session has gone on with another message: no other session continues it
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

// tombstone keeps a pointer ambiguous under which a chain was given up: who
// continues it on a new connection may mean that chain or one that is open.
type tombstone struct{ sender, pointer string }

// maxTombstones bounds those of one instrument; the oldest goes.
const maxTombstones = 256

// chains are those of all instruments, by id. They belong to no connection:
// an instrument may go on over another one.
type chains struct {
	mu     sync.Mutex
	all    map[string][]*chain
	graves map[string][]tombstone
	known  bool // what came before the start is among them
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
// for itself until stored or release; an error means try again. What the own
// open chain of the session waits for is its next part, whatever is known of
// the same bytes; otherwise bytes that are known are a repeat. A chain goes on
// once: other bytes under a pointer that was continued already are of a message
// whose first part we do not have.
func (s *chains) find(r Reception, part codec.Part) (place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all[r.Instrument]
	c := own(all, r, part)
	if c == nil {
		if c, at := repeated(all, r); c != nil {
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
	if c == nil {
		c = s.successor(r, part)
	}
	switch {
	case c == nil:
		return place{}, nil
	case c.busy:
		return place{}, errBusy
	}
	c.busy = true
	return place{chain: c, at: len(c.parts), next: true}, nil
}

// own is the chain of the part's own session that it continues. Bytes that
// are the chain's newest part already are a repeat of it: some senders use
// one pointer for all parts.
func own(all []*chain, r Reception, part codec.Part) *chain {
	for _, c := range all {
		if part.Continues != "" && c.session == r.Session && c.open(part) && c.parts[len(c.parts)-1].digest != r.Digest {
			return c
		}
	}
	return nil
}

// repeated is the chain that has the bytes already: one of the own session,
// or, of the first message of a new session, the only one that there is and
// whose session has sent nothing since.
func repeated(all []*chain, r Reception) (found *chain, at int) {
	several := false
	for _, c := range all {
		n := c.position(r.Digest)
		switch {
		case n < 0:
		case c.session == r.Session && !c.done: // before what is complete
			return c, n
		case c.session == r.Session && (found == nil || found.session != r.Session):
			found, at, several = c, n, false
		case c.session != r.Session && r.N == 1 && !c.passed && (found == nil || found.session != r.Session):
			several = found != nil
			found, at = c, n
		}
	}
	if several {
		return nil, 0
	}
	return found, at
}

// successor is the chain of another session that the part continues: it must
// be provable that the instrument goes on over a new connection. The part is
// the first message of its session, one chain alone waits for it, whose own
// session has sent nothing since, and none was given up under its pointer.
func (s *chains) successor(r Reception, part codec.Part) *chain {
	if r.N != 1 || slices.Contains(s.graves[r.Instrument], tombstone{part.Sender, part.Continues}) {
		return nil
	}
	var found *chain
	for _, c := range s.all[r.Instrument] {
		switch outdated := c.older && !c.done && c.sender == part.Sender && c.pointer == part.Continues; {
		case outdated, c.open(part) && (found != nil || c.passed):
			return nil
		case c.open(part):
			found = c
		}
	}
	return found
}

// pass notes a message that is no part: the chains that its session has open
// are continued by no other session from now on.
func (s *chains) pass(r Reception) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all[r.Instrument] {
		if c.session == r.Session {
			c.passed = true
		}
	}
}

// bury keeps the pointer of a chain that is given up ambiguous.
func (s *chains) bury(c *chain) {
	grave := tombstone{c.sender, c.pointer}
	graves := s.graves[c.newest.Instrument]
	if slices.Contains(graves, grave) {
		return
	}
	if s.graves == nil {
		s.graves = make(map[string][]tombstone)
	}
	s.graves[c.newest.Instrument] = append(graves[max(0, len(graves)+1-maxTombstones):], grave)
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
		c.pointer, c.done, c.newest, c.passed = part.Pointer, !r.More, r, false
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
		s.bury(open)
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
				s.bury(c)
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
