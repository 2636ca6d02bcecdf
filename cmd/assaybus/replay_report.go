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
	Fresh     int            `json:"fresh"`
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
	case bridge.Fresh:
		t.Fresh++
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
		{"same", t.Same}, {"changed", t.Changed}, {"missing", t.Missing}, {"fresh", t.Fresh}, {"gone", t.Gone}, {"repeats", t.Repeats},
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
