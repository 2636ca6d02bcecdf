package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/web"
	"github.com/assaybus/assaybus/subjects"
)

// keepEvery is how often the counters are written down.
const keepEvery = time.Minute

// checkpointSchema names the form of [checkpoint].
const checkpointSchema = "assaybus.counters/1"

// checkpoint is the file of the counters: what the page shows after a restart
// without reading the streams from the beginning. It holds no content and no
// id of a patient or specimen. Without it, or with one of another bus, the
// last day is read.
type checkpoint struct {
	Schema  string    `json:"schema"`
	At      time.Time `json:"at"`
	Site    string    `json:"site"`
	Created time.Time `json:"created"` // of LAB_PARSED
	// From is a place in LAB_PARSED up to which everything is counted; of what
	// lies behind, each instrument's counted says what is.
	From        uint64                 `json:"from"`
	Instruments map[string]bridge.Past `json:"instruments"`
}

func checkpointFile(data string) string { return filepath.Join(data, "counters.json") }

// readCheckpoint reads the file; what is wrong with it is said and costs only the
// reading of the last day.
func readCheckpoint(data, site string, mark web.Mark) (checkpoint, error) {
	var k checkpoint
	text, err := os.ReadFile(checkpointFile(data))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkpoint{}, nil
	case err != nil:
		return checkpoint{}, err
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return checkpoint{}, fmt.Errorf("%s: %w", checkpointFile(data), err)
	}
	if k.Schema != checkpointSchema || k.Site != site || !k.Created.Equal(mark.Created) || k.From > mark.Sequence {
		return checkpoint{}, fmt.Errorf("%s is of another bus, site or version", checkpointFile(data))
	}
	return k, nil
}

// write replaces the file.
func (k checkpoint) write(data string) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	next := checkpointFile(data) + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, checkpointFile(data))
}

// remember puts what was counted before the start on the board, and leaves to
// restore what lies behind. It is done before anything is counted or asked.
func (p *page) remember() {
	c := p.service.config
	k, err := readCheckpoint(c.Data, c.Site, p.mark)
	if err != nil {
		p.service.log.Warn("the counts of before are not taken; those of the last day are read from the bus", "error", err)
	}
	p.part = web.Uncounted{Known: k.Schema != "", From: k.From, To: p.mark.Sequence, Counted: make(map[string]uint64)}
	for id, past := range k.Instruments {
		p.part.Counted[id] = past.Counted
	}
	p.service.board.Restore(k.Instruments)
}

// keep restores what is not remembered and then writes the counters down every
// minute, until ctx ends.
func (p *page) keep(ctx context.Context, registry *bridge.Registry) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	p.restore(ctx, registry)
	from := p.mark.Sequence // everything up to here was counted a minute ago
	for {
		now := p.parsed()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !p.restored {
			p.restore(ctx, registry)
			continue
		}
		p.write(from)
		from = now
	}
}

// parsed is where LAB_PARSED ends, or ended two seconds ago.
func (p *page) parsed() uint64 {
	for _, s := range p.service.bus.Stats() {
		if s.Stream == subjects.StreamParsed {
			return max(s.LastSeq, p.mark.Sequence)
		}
	}
	return p.mark.Sequence
}

// write writes the counters down; everything up to from is in them.
func (p *page) write(from uint64) {
	s := p.service
	now := time.Now()
	k := checkpoint{Schema: checkpointSchema, At: now.UTC(), Site: s.config.Site, Created: p.mark.Created, From: from, Instruments: s.board.Kept(now)}
	if err := k.write(s.config.Data); err != nil {
		s.log.Warn("the counters are not written down; after a restart those of the last day are read from the bus", "error", err)
	}
}

// restore adds what the streams tell of the time before the start.
func (p *page) restore(ctx context.Context, registry *bridge.Registry) {
	ids := make([]string, len(registry.Instruments))
	for n, i := range registry.Instruments {
		ids[n] = i.ID
	}
	past, err := p.archive.Past(ctx, ids, p.part)
	switch {
	case err == nil:
		p.restored = true
		p.service.board.Restore(past)
	case ctx.Err() == nil:
		p.service.log.Warn("what was before the start is not shown yet; it is read again in a minute", "error", err)
	}
}
