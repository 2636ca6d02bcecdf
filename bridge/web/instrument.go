package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
)

// tally is a counter with what it means.
type tally struct {
	Name, Help, Step string
	Count            uint64
}

type instrumentPage struct {
	base
	I                          row
	Quality                    []tally
	Unseen                     []string // quality events that never happened
	Kinds, Failed, Refused     []tally
	Quirks, Warnings           []tally
	Events                     []bridge.LinkEvent
	Messages                   []Entry
	Older                      uint64 // before which sequence the next page begins; 0 = there is none
	Before                     uint64
	Incomplete, Retransmission uint64
}

func (s *site) instrument(w http.ResponseWriter, r *http.Request) {
	snapshot := s.Snapshot()
	all := rows(snapshot)
	at := slices.IndexFunc(all, func(i row) bool { return i.Instrument == r.PathValue("id") })
	if at < 0 {
		s.fault(w, http.StatusNotFound, "There is no such instrument", "It is not in the instruments file. What it sent before is still in the streams.")
		return
	}
	i := all[at]
	p := instrumentPage{base: s.base(snapshot, i.Instrument, "overview"), I: i}
	p.Before, _ = strconv.ParseUint(r.URL.Query().Get("before"), 10, 64)
	p.tallies(i.Counters)
	if err := p.read(r.Context(), s.Archive); err != nil {
		p.Notice = unread(err)
	}
	s.page(w, http.StatusOK, "instrument", p)
}

func (p *instrumentPage) read(ctx context.Context, a *Archive) error {
	var err error
	if p.Messages, err = a.Messages(ctx, p.I.Instrument, p.Before); err != nil {
		return err
	}
	if len(p.Messages) == pageLength {
		p.Older = p.Messages[len(p.Messages)-1].Sequence
	}
	p.Events, err = a.LinkEvents(ctx, p.I.Instrument)
	return err
}

func (p *instrumentPage) tallies(c *bridge.Counters) {
	for _, e := range qualityEvents() {
		if n := c.Events[e]; n > 0 {
			p.Quality = append(p.Quality, tally{Name: string(e), Help: eventHelp(e), Step: e.Remedy(), Count: n})
		} else {
			p.Unseen = append(p.Unseen, string(e))
		}
	}
	none := func(string) string { return "" }
	p.Kinds = tallies(c.Messages, none, none)
	p.Failed = tallies(c.Failed, none, nextStep)
	p.Refused = tallies(c.Refused, none, nextStep)
	p.Quirks = tallies(c.Quirks, none, none)
	p.Warnings = tallies(c.Warnings, func(code string) string { return codec.WarningHelp[code] }, none)
}

// tallies are counts, the largest first.
func tallies(counts map[string]uint64, help, step func(string) string) []tally {
	var out []tally
	for name, n := range counts {
		out = append(out, tally{Name: name, Count: n, Help: help(name), Step: step(name)})
	}
	slices.SortFunc(out, func(a, b tally) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return out
}
