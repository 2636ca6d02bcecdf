package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

// tally is what a replay found. Its fields are the summary of --json.
type tally struct {
	Type      string         `json:"type"`
	Run       string         `json:"run,omitempty"`
	Messages  int            `json:"messages"` // selected
	First     uint64         `json:"firstSequence,omitempty"`
	Last      uint64         `json:"lastSequence,omitempty"`
	Same      int            `json:"same"`
	Changed   int            `json:"changed"`
	Missing   int            `json:"missing"`
	Gone      int            `json:"gone"`
	Repeats   int            `json:"repeats"`
	Unknown   int            `json:"unknownInstrument"`
	Damaged   int            `json:"damaged"`
	Published int            `json:"published"`
	Already   int            `json:"alreadyPublished"`
	Exported  int            `json:"exported"`
	Changes   map[string]int `json:"changes"`
	Absent    map[string]int `json:"instrumentsNotInFile,omitempty"`

	w         io.Writer
	json      bool
	values    bool
	limit     int
	comparing bool // nothing else is done: what differs is the result
	samples   map[string][]sample
	err       []string // what is damaged, for people
}

// sample is one change of one message.
type sample struct {
	sequence uint64
	change   bridge.Change
}

func newTally(w io.Writer, f *replayFlags) *tally {
	return &tally{
		Type: "summary", Changes: map[string]int{}, Absent: map[string]int{}, samples: map[string][]sample{},
		w: w, json: f.json, values: f.values, limit: f.samples, comparing: !f.publish && f.to == "" && f.out == "",
	}
}

// count takes one message in. With --json what differs is written at once.
func (t *tally) count(m bridge.Replayed) error {
	t.Messages++
	if t.First == 0 {
		t.First = m.Stored.Sequence
	}
	t.Last = m.Stored.Sequence
	switch m.Verdict {
	case bridge.Same:
		t.Same++
	case bridge.Gone:
		t.Gone++
	case bridge.Repeat:
		t.Repeats++
	case bridge.Unknown:
		t.Unknown++
		t.Absent[m.Reception.Instrument]++
	case bridge.Damaged:
		t.Damaged++
		return t.damage(m)
	case bridge.Missing:
		t.Missing++
		return t.difference(m)
	case bridge.Changed:
		t.Changed++
		t.keep(m)
		return t.difference(m)
	}
	return nil
}

// keep counts the changes, each kind once a message, and keeps samples.
func (t *tally) keep(m bridge.Replayed) {
	seen := map[string]bool{}
	for _, c := range m.Changes {
		label := c.Label()
		if seen[label] {
			continue
		}
		seen[label] = true
		t.Changes[label]++
		if len(t.samples[label]) < t.limit {
			t.samples[label] = append(t.samples[label], sample{m.Stored.Sequence, c})
		}
	}
}

// difference is a line of --json.
func (t *tally) difference(m bridge.Replayed) error {
	if !t.json {
		return nil
	}
	changes := slices.Clone(m.Changes)
	if !t.values {
		for n := range changes {
			changes[n].Then, changes[n].Now = nil, nil
		}
	}
	return t.line(struct {
		Type       string          `json:"type"`
		Sequence   uint64          `json:"rawSequence"`
		Site       string          `json:"site"`
		Instrument string          `json:"instrument"`
		Verdict    bridge.Verdict  `json:"verdict"`
		Changes    []bridge.Change `json:"changes,omitempty"`
	}{"difference", m.Stored.Sequence, m.Reception.Site, m.Reception.Instrument, m.Verdict, changes})
}

func (t *tally) damage(m bridge.Replayed) error {
	if !t.json {
		if len(t.err) < t.limit {
			t.err = append(t.err, fmt.Sprintf("raw %d: %v", m.Stored.Sequence, m.Err))
		}
		return nil
	}
	return t.line(struct {
		Type     string `json:"type"`
		Sequence uint64 `json:"rawSequence"`
		Error    string `json:"error"`
	}{"error", m.Stored.Sequence, m.Err.Error()})
}

func (t *tally) line(v any) error {
	if err := encode(t.w, v); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// report writes the summary.
func (t *tally) report() error {
	if t.json {
		return t.line(t)
	}
	w := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s", count(t.Messages, "message"))
	if t.Messages > 0 {
		fmt.Fprintf(w, ", raw %d to %d", t.First, t.Last)
	}
	fmt.Fprintln(w)
	for _, row := range []struct {
		name string
		n    int
	}{
		{"same", t.Same}, {"changed", t.Changed}, {"missing", t.Missing}, {"gone", t.Gone}, {"repeats", t.Repeats},
		{"damaged", t.Damaged}, {"published", t.Published}, {"published before", t.Already}, {"exported", t.Exported},
	} {
		if row.n > 0 || row.name == "same" || row.name == "changed" {
			fmt.Fprintf(w, "  %s\t%d\n", row.name, row.n)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.Absent)) {
		fmt.Fprintf(w, "  not decoded\t%d of %s, which is not in the instruments file: put it back to replay them\n", t.Absent[id], shown(id))
	}
	for _, line := range t.err {
		fmt.Fprintln(w, line)
	}
	t.changes(w)
	return w.Flush()
}

// changes lists the kinds of change, the most frequent first.
func (t *tally) changes(w io.Writer) {
	labels := slices.SortedFunc(maps.Keys(t.Changes), func(a, b string) int {
		return cmp.Or(t.Changes[b]-t.Changes[a], strings.Compare(a, b))
	})
	for _, label := range labels {
		var at []string
		for _, s := range t.samples[label] {
			at = append(at, strings.TrimSpace(fmt.Sprintf("raw %d %s", s.sequence, s.change.Path)))
		}
		fmt.Fprintf(w, "  %s\t%d\t%s\n", label, t.Changes[label], strings.Join(at, ", "))
		if !t.values {
			continue
		}
		for _, s := range t.samples[label] {
			if s.change.Then != nil || s.change.Now != nil {
				fmt.Fprintf(w, "    raw %d %s: %s → %s\n", s.sequence, s.change.Path, value(s.change.Then), value(s.change.Now))
			}
		}
	}
}

// value is JSON for a terminal.
func value(v json.RawMessage) string {
	if v == nil {
		return "nothing"
	}
	return visible(v)
}

// progress tells a person at a terminal how far a replay has come.
type progress struct {
	w     io.Writer // nil when nobody watches
	until time.Time
	began time.Time
	last  time.Time
	read  int
	from  time.Time // when the first message was stored
	drawn bool
}

const (
	progressAfter = time.Second // what is over sooner needs none
	progressEvery = 200 * time.Millisecond
)

func newProgress(w io.Writer, until time.Time) *progress {
	p := &progress{until: until, began: time.Now()}
	if isTerminal(w) {
		p.w = w
	}
	return p
}

func (p *progress) show(at bridge.Position) {
	p.read++
	if p.w == nil {
		return
	}
	now := time.Now()
	if p.from.IsZero() {
		p.from = at.At
	}
	if now.Sub(p.began) < progressAfter || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.drawn = now, true
	fmt.Fprintf(p.w, "\r\x1b[K%s", p.text(at, now))
}

// text is the line: where, how fast, how long still.
func (p *progress) text(at bridge.Position, now time.Time) string {
	elapsed := now.Sub(p.began)
	done := 0.0
	if at.Last > at.First {
		done = float64(at.Sequence-at.First) / float64(at.Last-at.First)
	}
	if span := p.until.Sub(p.from); !p.until.IsZero() && p.until.Before(now) && span > 0 {
		done = max(done, float64(at.At.Sub(p.from))/float64(span))
	}
	left := ""
	if done > 0 && done <= 1 {
		left = ", " + time.Duration(float64(elapsed)*(1-done)/done).Round(time.Second).String() + " left"
	}
	return fmt.Sprintf("%s %d of %d, %3.0f %%, %.0f/s%s", at.Stream, at.Sequence, at.Last, 100*done, float64(p.read)/elapsed.Seconds(), left)
}

func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
