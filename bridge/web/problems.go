package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
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
	p := s.problemsOf(s.Snapshot())
	p.read(r.Context(), s.Archive)
	s.page(w, http.StatusOK, "problems", p)
}

// problemsFrame renders the page, reading the streams only when a message
// failed or was refused.
func (s *site) problemsFrame() func() (frame, error) {
	var stored fresh
	read := problemsPage{}
	return func() (frame, error) {
		snapshot := s.Snapshot()
		p := s.problemsOf(snapshot)
		var seen strings.Builder
		fmt.Fprint(&seen, snapshot.Callers)
		for n := range snapshot.Instruments {
			fmt.Fprint(&seen, " ", snapshot.Instruments[n].LastProblem.UnixNano(), bridge.Total(snapshot.Instruments[n].Refused))
		}
		if stored.stale(seen.String(), p.Now) {
			read = problemsPage{}
			read.read(context.Background(), s.Archive)
		}
		p.Problems, p.Notice = read.Problems, read.Notice
		f := frame{}
		return f, errors.Join(f.put("trouble", p.Trouble), s.pieces(f, p, "notice", "problems-store", "problems-now", "problems-past"))
	}
}

// problemsOf is the page without what is read from the streams.
func (s *site) problemsOf(snapshot bridge.Snapshot) problemsPage {
	p := problemsPage{base: s.base(snapshot, "Problems", "problems"), Store: snapshot.Store.Problem}
	for _, i := range rows(snapshot) {
		if i.Attention != "" {
			p.Present = append(p.Present, i)
		}
	}
	return p
}

// read adds what the streams have, newest first.
func (p *problemsPage) read(ctx context.Context, a *Archive) {
	failures, entries, err := a.Failures(ctx)
	for n, f := range failures {
		p.Problems = append(p.Problems, trouble{
			At: entries[n].Stored, Instrument: f.Instrument, What: "failed: " + f.Reason, Why: f.Error, Step: remedy(f, entries[n].Reception), Sequence: entries[n].Sequence,
		})
	}
	if err == nil {
		events, e := a.LinkEvents(ctx, "")
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
}
