//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// Row is one fault in the table and in the JSON.
type Row struct {
	Fault        int           `json:"fault"`
	Title        string        `json:"title"`
	Rounds       int           `json:"rounds"`
	Faults       int           `json:"faults"` // how often it struck
	Sent         int           `json:"sent"`
	Acknowledged int           `json:"acknowledged"`
	Stored       int           `json:"stored"`
	Repeats      int           `json:"repeats"`
	Lost         int           `json:"lost"`
	Wrong        int           `json:"wrong"`
	Longest      time.Duration `json:"-"` // until messages were taken again
	LongestMS    int64         `json:"longestMs"`
	Problems     []string      `json:"problems,omitempty"`
}

func (r *Row) wrong(format string, a ...any) {
	r.Wrong++
	r.problem(fmt.Sprintf(format, a...))
}

func (r *Row) problem(text string) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, text)
	}
}

// add puts one comparison into the row.
func (r *Row) add(t tally) {
	r.Sent += t.Sent
	r.Acknowledged += t.Acknowledged
	r.Stored += t.Stored
	r.Repeats += t.Repeats
	r.Lost += t.Lost
	r.Wrong += t.Wrong
	for _, p := range t.Problems {
		r.problem(p)
	}
}

// violated reports whether the row shows the promise broken.
func (r *Row) violated() bool {
	return r.Lost > 0 || r.Wrong > 0 || len(r.Problems) > 0
}

// report collects the rows and shows progress.
type report struct {
	mu   sync.Mutex
	w    io.Writer
	rows []*Row
}

func newReport(w io.Writer, chosen []scene) *report {
	p := &report{w: w}
	for _, s := range chosen {
		p.rows = append(p.rows, &Row{Fault: s.number, Title: s.title})
	}
	return p
}

func (p *report) begin(s scene) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "%s  %d %s …\n", time.Now().Format(time.TimeOnly), s.number, s.title)
}

// end adds what one play of scene n came to.
func (p *report) end(s scene, n int, played *Row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rows[n]
	r.Rounds++
	r.Faults += played.Faults
	r.Longest = max(r.Longest, played.Longest)
	r.add(tally{
		Sent: played.Sent, Acknowledged: played.Acknowledged, Stored: played.Stored, Repeats: played.Repeats,
		Lost: played.Lost, Wrong: played.Wrong, Problems: played.Problems,
	})
	fmt.Fprintf(p.w, "%s  %d %s: %d faults, %d acknowledged, %d lost, %d wrong\n",
		time.Now().Format(time.TimeOnly), s.number, s.title, played.Faults, played.Acknowledged, played.Lost, played.Wrong)
	for _, text := range played.Problems {
		fmt.Fprintf(p.w, "          %s\n", text)
	}
}

// violated reports whether the promise broke somewhere, or a fault could not
// be played at all.
func (p *report) violated() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rows {
		if r.violated() {
			return true
		}
	}
	return false
}

// write prints the table, or JSON lines.
func (p *report) write(out io.Writer, asJSON bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := slices.SortedStableFunc(slices.Values(p.rows), func(a, b *Row) int { return a.Fault - b.Fault })
	if asJSON {
		encoder := json.NewEncoder(out)
		for _, r := range rows {
			r.LongestMS = r.Longest.Milliseconds()
			if err := encoder.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\tstruck\tsent\tacknowledged\tstored\trepeats\tlost\twrong\ttaken again after\t")
	for _, r := range rows {
		again := "-"
		if r.Longest > 0 {
			again = r.Longest.Round(time.Millisecond).String()
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", r.Fault, r.Faults, r.Sent, r.Acknowledged, r.Stored, r.Repeats, r.Lost, r.Wrong, again, " "+r.Title)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "\ntaken again after: the longest time from the end of a fault until every calm analyzer had a message acknowledged,\nthe analyzers' own pauses included (10 s after a NAK to ENQ, LIS01-A2 §6.2.6)")
	return err
}
