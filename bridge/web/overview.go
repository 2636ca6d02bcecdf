package web

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

// row is an instrument on the overview.
type row struct {
	*bridge.Counters
	Now       time.Time
	Attention string
	Today     uint64
	Day       uint64 // within 24 hours
	Wrong     uint64 // failed or refused within 24 hours
	Rank      int    // of the state, the worst first
}

type stateCount struct {
	State  string
	Count  int
	Active bool
}

type overviewPage struct {
	base
	Snapshot bridge.Snapshot
	Streams  []bridge.StreamState // raw first
	States   []stateCount
	Rows     []row
	All      int
	Query    string
	State    string
	Sort     string
	Columns  []column
	Today    uint64
}

// column is a heading that sorts.
type column struct{ Key, Name, Direction string }

func rows(s bridge.Snapshot) []row {
	out := make([]row, len(s.Instruments))
	for n := range s.Instruments {
		c := &s.Instruments[n]
		out[n] = row{
			Counters: c, Now: s.At, Attention: c.Attention(s.At), Today: c.Hours.Today(s.At), Day: c.Hours.Last(s.At, 24),
			Wrong: c.Problems.Last(s.At, 24), Rank: slices.Index(bridge.States(), c.State),
		}
		if out[n].Attention == "" {
			out[n].Rank += len(bridge.States()) // behind those who need somebody
		}
	}
	return out
}

// arrange filters and sorts as the address asks; without scripts this is all
// there is, with them it is where they begin.
func arrange(all []row, query, state, sort string) []row {
	query = strings.ToLower(query)
	kept := slices.DeleteFunc(slices.Clone(all), func(r row) bool {
		text := strings.ToLower(r.Instrument + " " + r.Name + " " + r.Address + " " + r.Protocol)
		return !strings.Contains(text, query) || state == "attention" && r.Attention == "" || state != "" && state != "attention" && r.State != state
	})
	slices.SortStableFunc(kept, func(a, b row) int {
		byName := strings.Compare(a.Instrument, b.Instrument)
		switch sort {
		case "last":
			return cmp.Or(b.LastMessage.Compare(a.LastMessage), byName)
		case "today":
			return cmp.Or(cmp.Compare(b.Today, a.Today), byName)
		case "problems":
			return cmp.Or(cmp.Compare(b.Wrong, a.Wrong), byName)
		case "name":
			return byName
		}
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), byName)
	})
	return kept
}

func (s *site) overviewOf(snapshot bridge.Snapshot, query, state, sort string) overviewPage {
	all := rows(snapshot)
	p := overviewPage{
		base: s.base(snapshot, "Overview", "overview"), Snapshot: snapshot, Rows: arrange(all, query, state, sort), All: len(all), Query: query, State: state, Sort: cmp.Or(sort, "state"),
		Columns: []column{{"name", "Instrument", "ascending"}, {"state", "State", "ascending"}, {"last", "Last message", "descending"}, {"today", "Today", "descending"}},
	}
	for _, st := range slices.Backward(snapshot.Streams) {
		p.Streams = append(p.Streams, st)
	}
	for _, word := range slices.Backward(bridge.States()) {
		n := 0
		for _, r := range all {
			if r.State == word {
				n++
			}
		}
		p.States = append(p.States, stateCount{State: word, Count: n, Active: state == word})
	}
	for _, r := range all {
		p.Today += r.Today
	}
	return p
}

func (s *site) overview(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.page(w, http.StatusOK, "overview", s.overviewOf(s.Snapshot(), q.Get("q"), q.Get("state"), q.Get("sort")))
}

// overviewFrame renders the overview; the browser sorts and filters.
func (s *site) overviewFrame() (frame, error) {
	p := s.overviewOf(s.Snapshot(), "", "", "")
	f := frame{}
	rows := make([]string, len(p.Rows))
	for n, r := range p.Rows {
		var b bytes.Buffer
		if err := s.pages.ExecuteTemplate(&b, "row", r); err != nil {
			return nil, err
		}
		rows[n] = b.String()
	}
	return f, errors.Join(f.put("rows", rows), f.put("trouble", p.Trouble), s.pieces(f, p, "summary", "store"))
}
