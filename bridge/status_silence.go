package bridge

import (
	"fmt"
	"time"

	"github.com/assaybus/assaybus/subjects"
)

// silenceEvery is how often the silence of instruments is looked for.
const silenceEvery = time.Second

// listenForSilence announces every instrument that has just been silent for
// longer than its silent_after.
func (s *Server) listenForSilence(registry *Registry, now time.Time) {
	for _, i := range registry.Instruments {
		st := s.board.status(i)
		since, fell := st.fallSilent(now)
		if !fell {
			continue
		}
		s.log.Warn("instrument is silent: look whether it is on, connected and sending", "instrument", i.ID, "silent_after", i.SilentAfter, "since", since)
		announce(s.links, LinkEvent{Site: s.site, Instrument: i.ID, Event: subjects.EventSilent, Reason: "no message since " + since.UTC().Format(time.RFC3339)})
	}
}

// fallSilent notes that the instrument is silent now; fell is true once for
// each silence.
func (s *status) fallSilent(now time.Time) (since time.Time, fell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since = s.c.heardLast()
	silent := s.c.silentAt(now)
	fell = silent && !s.silent
	s.silent = silent
	return since, fell
}

// heardLast is when the last message came, or when waiting for one began.
func (c *Counters) heardLast() time.Time {
	if c.LastMessage.IsZero() {
		return c.Since
	}
	return c.LastMessage
}

func (c *Counters) silentAt(now time.Time) bool {
	return c.SilentAfter > 0 && now.Sub(c.heardLast()) > c.SilentAfter
}

// Silent reports whether no message came for longer than silent_after. It may
// be true beside a worse state.
func (c *Counters) Silent(now time.Time) bool { return c.silentAt(now) }

// settle makes a copy fit to be shown: silence is a state when nothing worse
// is known, and its reason is said.
func (c *Counters) settle(now time.Time) {
	if !c.silentAt(now) || c.State == StateBlocked || c.State == StateRefusing {
		return
	}
	c.State = StateSilent
	why := fmt.Sprintf("no message since %s; silent_after is %s", c.heardLast().Format(time.DateTime), c.SilentAfter)
	if c.Problem != "" {
		why += "; " + c.Problem
	}
	c.Problem = why
}

// Attention is why somebody should look at the instrument now, in words; empty
// when nobody need.
func (c *Counters) Attention(now time.Time) string {
	recent := c.Problems.Last(now, 2)
	switch {
	case c.Problem != "":
		return c.Problem
	case c.State == StateBlocked, c.State == StateRefusing, c.State == StateSilent:
		return c.State
	case recent == 1:
		return "a message failed or was refused within two hours"
	case recent > 0:
		return fmt.Sprintf("%d messages failed or refused within two hours", recent)
	}
	return ""
}
