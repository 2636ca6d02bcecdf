package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
)

// tally is a counter with what it means.
type tally struct {
	Name, Help, Step string
	Count            uint64 // in all
	Now              uint64 // since the program started
}

type instrumentPage struct {
	base
	I                      row
	Quality                []tally
	Unseen                 []string // quality events that never happened
	Kinds, Failed, Refused []tally
	Quirks, Warnings       []tally
	Events                 []bridge.LinkEvent
	Messages               []Entry
	Older                  uint64 // before which sequence the next page begins; 0 = there is none
	Before                 uint64
	Since                  time.Time // of what is counted
	Bytes, Repeats         uint64
}

func (s *site) instrument(w http.ResponseWriter, r *http.Request) {
	p, found := s.instrumentOf(r.PathValue("id"))
	if !found {
		s.fault(w, http.StatusNotFound, goneInstrument, "It is not in the instruments file. What it sent before is still in the streams.")
		return
	}
	p.Before = before(r)
	if err := p.read(r.Context(), s.Archive); err != nil {
		p.Notice = unread(err)
	}
	s.page(w, http.StatusOK, "instrument", p)
}

const goneInstrument = "There is no such instrument"

// before is the sequence below which the page shows messages; 0 = all.
func before(r *http.Request) uint64 {
	n, _ := strconv.ParseUint(r.URL.Query().Get("before"), 10, 64)
	return n
}

// instrumentOf is the page without what is read from the streams.
func (s *site) instrumentOf(id string) (instrumentPage, bool) {
	snapshot := s.Snapshot()
	all := rows(snapshot)
	at := slices.IndexFunc(all, func(i row) bool { return i.Instrument == id })
	if at < 0 {
		return instrumentPage{}, false
	}
	p := instrumentPage{base: s.base(snapshot, id, "overview"), I: all[at]}
	p.tallies(p.I.Counters)
	return p, true
}

// instrumentLive streams the page of an instrument.
func (s *site) instrumentLive(w http.ResponseWriter, r *http.Request) {
	id, before := r.PathValue("id"), before(r)
	s.watch(w, r, fmt.Sprint("instrument ", before, " ", id), s.instrumentFrame(id, before))
}

// instrumentFrame renders the page of an instrument, reading the streams only
// when its counters moved.
func (s *site) instrumentFrame(id string, before uint64) func() (frame, error) {
	var stored fresh
	read := instrumentPage{}
	return func() (frame, error) {
		p, found := s.instrumentOf(id)
		f := frame{}
		if !found {
			return f, f.put("gone", goneInstrument)
		}
		p.Before = before
		c := p.I.Counters
		if stored.stale(fmt.Sprint(c.LastContact, c.LastMessage, c.LastProblem, c.State, c.Connections), p.Now) {
			read.I, read.Before = p.I, before
			if err := read.read(context.Background(), s.Archive); err != nil {
				read.Notice = unread(err)
			} else {
				read.Notice = ""
			}
		}
		p.Messages, p.Older, p.Events, p.Notice = read.Messages, read.Older, read.Events, read.Notice
		return f, errors.Join(f.put("trouble", p.Trouble),
			s.pieces(f, p, "notice", "instrument-state", "instrument-now", "instrument-hours", "instrument-messages", "instrument-quality", "instrument-sent", "instrument-links"))
	}
}

func (p *instrumentPage) read(ctx context.Context, a *Archive) error {
	var err error
	if p.Messages, err = a.Messages(ctx, p.I.Instrument, p.Before); err != nil {
		return err
	}
	p.Older = 0
	if len(p.Messages) == pageLength {
		p.Older = p.Messages[len(p.Messages)-1].Sequence
	}
	p.Events, err = a.LinkEvents(ctx, p.I.Instrument)
	return err
}

func (p *instrumentPage) tallies(c *bridge.Counters) {
	all := c.Totals()
	p.Since, p.Bytes, p.Repeats = all.Since, all.Bytes, all.Repeats
	for _, e := range qualityEvents() {
		if n := all.Events[e]; n > 0 {
			p.Quality = append(p.Quality, tally{Name: string(e), Help: eventHelp(e), Step: e.Remedy(), Count: n, Now: c.Events[e]})
		} else {
			p.Unseen = append(p.Unseen, string(e))
		}
	}
	none := func(string) string { return "" }
	p.Kinds = tallies(all.Messages, c.Messages, none, none)
	p.Failed = tallies(all.Failed, c.Failed, none, nextStep)
	p.Refused = tallies(all.Refused, c.Refused, none, nextStep)
	p.Quirks = tallies(all.Quirks, c.Quirks, none, none)
	p.Warnings = tallies(all.Warnings, c.Warnings, func(code string) string { return codec.WarningHelp[code] }, none)
}

// tallies are counts, the largest first.
func tallies(all, now map[string]uint64, help, step func(string) string) []tally {
	var out []tally
	for name, n := range all {
		out = append(out, tally{Name: name, Count: n, Now: now[name], Help: help(name), Step: step(name)})
	}
	slices.SortFunc(out, func(a, b tally) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return out
}
