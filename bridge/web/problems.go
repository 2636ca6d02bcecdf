package web

import (
	"net/http"
	"slices"
	"time"
)

// trouble is one thing that went wrong.
type trouble struct {
	At         time.Time
	Instrument string
	What       string // failed: unparsable …, refused: store …
	Why        string
	Step       string
	Sequence   uint64 // in LAB_PARSED; 0 = nothing to look at
}

type problemsPage struct {
	base
	Present  []row // instruments that need somebody now
	Store    string
	Problems []trouble
}

func (s *site) problems(w http.ResponseWriter, r *http.Request) {
	snapshot := s.Snapshot()
	p := problemsPage{base: s.base(snapshot, "Problems", "problems"), Store: snapshot.Store.Problem}
	for _, i := range rows(snapshot) {
		if i.Attention != "" {
			p.Present = append(p.Present, i)
		}
	}
	failures, entries, err := s.Archive.Failures(r.Context())
	for n, f := range failures {
		p.Problems = append(p.Problems, trouble{
			At: entries[n].Stored, Instrument: f.Instrument, What: "failed: " + f.Reason, Why: f.Error, Step: remedy(f, entries[n].Reception), Sequence: entries[n].Sequence,
		})
	}
	if err == nil {
		events, e := s.Archive.LinkEvents(r.Context(), "")
		err = e
		for _, event := range events {
			why := ""
			if event.Peer != "" {
				why = "caller " + event.Peer
			}
			p.Problems = append(p.Problems, trouble{At: event.At, Instrument: event.Instrument, What: "refused: " + event.Reason, Why: why, Step: nextStep(event.Reason)})
		}
	}
	if err != nil {
		p.Notice = unread(err)
	}
	slices.SortStableFunc(p.Problems, func(a, b trouble) int { return b.At.Compare(a.At) })
	s.page(w, http.StatusOK, "problems", p)
}
