package bridge

import (
	"maps"
	"slices"
	"sync"
)

// senders is what is known of whether instruments say where their messages
// end. One that has left an end out once is never trusted again, also not
// after a restart; the others are trusted after three messages of the sender.
type senders struct {
	mu      sync.Mutex
	unended map[string]bool           // instruments that have left the end out
	counts  map[string]map[string]int // ended messages, by instrument and sender
	changed bool                      // unended is not kept
}

const (
	// trustAfter is how many messages with an end make a sender known.
	trustAfter = 3
	// maxSenders bounds the senders that are told apart behind one address.
	maxSenders = 64
)

// ends reports whether the sender is known to end its messages.
func (s *senders) ends(instrument, sender string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.unended[instrument] && s.counts[instrument][sender] >= trustAfter
}

// leaveOut reports an instrument that has left the end of a message out.
func (s *senders) leaveOut(instrument string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unended[instrument]
}

// ended notes a message of the sender, and reports whether there is something
// to be kept.
func (s *senders) ended(instrument, sender string, unended bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if unended {
		s.changed = s.changed || !s.unended[instrument]
		s.distrust(instrument)
		return s.changed
	}
	if s.counts == nil {
		s.counts = make(map[string]map[string]int)
	}
	of := s.counts[instrument]
	if of == nil {
		of = make(map[string]int)
		s.counts[instrument] = of
	}
	if _, known := of[sender]; known || len(of) < maxSenders {
		of[sender] = min(of[sender]+1, trustAfter)
	}
	return false
}

func (s *senders) distrust(instrument string) {
	if s.unended == nil {
		s.unended = make(map[string]bool)
	}
	s.unended[instrument] = true
}

// load takes the instruments that were kept.
func (s *senders) load(unended []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, instrument := range unended {
		s.distrust(instrument)
	}
}

// changes are the instruments to be kept; nil when nothing has changed.
func (s *senders) changes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.changed {
		return nil
	}
	s.changed = false
	return slices.Sorted(maps.Keys(s.unended))
}

// keep has the changes given out again.
func (s *senders) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = true
}
