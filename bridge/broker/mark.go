package broker

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// mark is what the store folder remembers of a stream outside of it: a file
// that is cut off at its end looks like a shorter stream that is well.
type mark struct {
	Last uint64 `json:"last"` // the last sequence that was confirmed
	Lost uint64 `json:"lost"` // messages that were there and whose sequences are given anew
	Top  uint64 `json:"top"`  // the highest sequence that Lost accounts for
}

func (b *Bus) markFile() string { return filepath.Join(b.c.Data, "assaybus.mark") }

// readMarks reads the marks; without a readable file there are none.
func (b *Bus) readMarks() map[string]mark {
	marks := map[string]mark{}
	if b.srv == nil {
		return marks
	}
	text, err := os.ReadFile(b.markFile())
	if err != nil {
		return marks
	}
	if json.Unmarshal(text, &marks) != nil || marks == nil {
		return map[string]mark{}
	}
	return marks
}

// compareEnds compares where the streams end with where they have been, and
// with claimed, where other streams say they have been. What is missing stays
// in the marks, so that it is said at every start until somebody removes them.
func (b *Bus) compareEnds(ends, claimed map[string]uint64) {
	defer b.writeMarks()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marks = b.readMarks()
	for stream, last := range ends {
		m := b.marks[stream]
		had := m.Last
		if claimed[stream] > m.Top { // else it is accounted for
			had = max(had, claimed[stream])
		}
		if had > last {
			m.Lost += had - last
			m.Top = max(m.Top, had)
		}
		m.Last = last
		b.marks[stream] = m
		if m.Lost > 0 {
			b.log.Error("the end of a stream is gone: messages that were confirmed are missing and their numbers are given again; check the disk, restore the folder from a copy, then remove the file of marks",
				"stream", stream, "missing", m.Lost, "last", last, "marks", b.markFile())
		}
	}
	b.unmarked = true
}

// advance notes the last sequence of a stream. The watcher writes it: what was
// stored since then and is gone after a crash is vouched for by LAB_PARSED,
// which names raw sequences.
func (b *Bus) advance(stream string, last uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m, ok := b.marks[stream]; ok && last > m.Last {
		m.Last = last
		b.marks[stream], b.unmarked = m, true
	}
}

// writeMarks replaces the file when a mark has changed. A mark that cannot be
// written is an older mark: nothing is claimed that was not there. Only Open,
// the watcher and Close call it, one after the other.
func (b *Bus) writeMarks() {
	b.mu.Lock()
	changed := b.srv != nil && b.unmarked
	b.unmarked = false
	text, err := json.Marshal(b.marks)
	b.mu.Unlock()
	if !changed || err != nil {
		return
	}
	next := b.markFile() + ".next"
	if os.WriteFile(next, text, 0o600) == nil {
		_ = os.Rename(next, b.markFile())
	}
}
