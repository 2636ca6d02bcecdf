//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/assaybus/assaybus/subjects"
)

// How long the store fills before it is damaged, and how long a bridge on it
// has to say what is wrong.
const (
	rotFill   = 3 * time.Second
	rotNotice = 5 * time.Second
)

// rot is one way in which a disk damages the store of one stream.
type rot struct {
	name   string
	damage func(w *world, msgs string) error // msgs is the folder of its blocks
}

func rots() []rot {
	block := func(msgs string) string { return filepath.Join(msgs, "1.blk") }
	forget := func(msgs string) error { return os.Remove(filepath.Join(msgs, "index.db")) }
	return []rot{
		{"a bit flipped", func(w *world, msgs string) error { return w.flipBit(block(msgs)) }},
		{"a bit flipped, index gone", func(w *world, msgs string) error {
			return errors.Join(w.flipBit(block(msgs)), forget(msgs))
		}},
		{"block truncated", func(w *world, msgs string) error { return w.cutOff(block(msgs)) }},
		{"block truncated, index gone", func(w *world, msgs string) error {
			return errors.Join(w.cutOff(block(msgs)), forget(msgs))
		}},
	}
}

// flipBit changes one bit somewhere in the middle of a file.
func (w *world) flipBit(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	at := len(text)/4 + w.rand.IntN(len(text)/2)
	text[at] ^= 1 << w.rand.IntN(8)
	return os.WriteFile(file, text, 0o600)
}

// cutOff takes the end of a file away.
func (w *world) cutOff(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	return os.Truncate(file, info.Size()/2+w.rand.Int64N(info.Size()/2))
}

// playRot damages copies of a store and starts a bridge on each: whatever is
// missing must be said, stream and number, or the start refused.
func playRot(w *world) error {
	if err := w.begin(); err != nil {
		return err
	}
	if !pause(w.ctx, rotFill) {
		return w.ctx.Err()
	}
	if err := w.finish(); err != nil { // sound: the table's row
		return err
	}
	for _, stream := range []string{subjects.StreamRaw, subjects.StreamParsed} {
		for n, r := range rots() {
			w.row.Faults++
			data := filepath.Join(w.folder, fmt.Sprintf("rot-%s-%d", stream, n))
			if err := os.CopyFS(data, os.DirFS(w.data)); err != nil {
				return err
			}
			if err := r.damage(w, filepath.Join(data, "jetstream", "$G", "streams", stream, "msgs")); err != nil {
				return err
			}
			if err := w.noticed(stream, r.name, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// noticed starts a bridge on damaged data and compares what it says with what
// is missing.
func (w *world) noticed(stream, name, data string) error {
	log := data + ".log"
	p, err := w.procs.start("bridge on damaged data", w.binary, []string{"serve"}, w.settings(data), log)
	if err != nil {
		return err
	}
	said := 0
	// Nothing said in that time is judged below, against what is missing.
	_ = await(w.ctx, rotNotice, func() error {
		if said = complaints(log, stream); said == 0 && p.running() {
			return errors.New("nothing is said")
		}
		return nil
	})
	if !p.running() {
		if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), stream) {
			w.row.wrong("%s, %s: the bridge refuses to start and does not name the stream (%v)", stream, name, err)
		}
		return nil
	}
	if err := errors.Join(p.signal(sigTerm), p.wait(readyLimit)); err != nil {
		return err
	}
	said = complaints(log, stream)
	js, done, err := w.open(data)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(w.ctx, readLimit)
	defer cancel()
	t, err := compare(ctx, js, w.fleet, w.fleet.ledgers(), true)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", stream, name, err)
	}
	if t.Lost == 0 {
		w.row.wrong("%s, %s: the damage has no effect, so nothing was tested", stream, name)
	}
	if said < t.Lost {
		w.row.Lost += t.Lost
		w.row.problem(fmt.Sprintf("%s, %s: %d messages are missing and the bridge speaks of %d", stream, name, t.Lost, said))
	}
	if t.Wrong > 0 { // what is left must be as it was stored
		w.row.wrong("%s, %s: %v", stream, name, t.Problems)
	}
	return nil
}

// complaints sums what the errors in a log say is missing of a stream.
func complaints(log, stream string) int {
	f, err := os.Open(log)
	if err != nil {
		return 0
	}
	defer f.Close()
	sum := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		var line struct {
			Level   string `json:"level"`
			Stream  string `json:"stream"`
			Missing int    `json:"missing"`
			Damaged int    `json:"damaged"`
		}
		if json.Unmarshal(s.Bytes(), &line) == nil && line.Level == "ERROR" && line.Stream == stream {
			sum += line.Missing + line.Damaged
		}
	}
	return sum
}
