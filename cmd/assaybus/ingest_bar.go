package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/assaybus/assaybus/bridge/ingest"
)

// ingestBar shows a person at a terminal how far ingest is: one line that is
// written over. Elsewhere it writes nothing.
type ingestBar struct {
	w  io.Writer       // nil = nobody looks
	at ingest.Progress // as last told; read it when ingest has ended

	mu    sync.Mutex // guards what follows: log lines come from any goroutine
	drawn time.Time  // zero = the line is empty
	marks []barMark  // of the last seconds, oldest first
}

// barMark is a progress at a time.
type barMark struct {
	when time.Time
	ingest.Progress
}

const (
	barEvery  = 200 * time.Millisecond
	barMemory = 5 * time.Second // the rate is that of this long
	barWidth  = 24
	clearLine = "\r\x1b[K"
)

func newIngestBar(w io.Writer) *ingestBar {
	b := &ingestBar{}
	if isTerminal(w) {
		b.w = w
	}
	return b
}

// show is told of every batch.
func (b *ingestBar) show(p ingest.Progress) {
	b.at = p
	if b.w == nil {
		return
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.drawn) < barEvery && p.Pending > 0 {
		return
	}
	b.marks = append(b.marks, barMark{now, p})
	for len(b.marks) > 2 && now.Sub(b.marks[1].when) >= barMemory {
		b.marks = b.marks[1:]
	}
	b.drawn = now
	fmt.Fprint(b.w, clearLine+barText(b.marks[0], b.marks[len(b.marks)-1]))
}

// barText is the line: what share is stored, results a second since from,
// messages that wait, and how long they will take.
func barText(from, to barMark) string {
	share := float64(to.Messages) / float64(max(to.Messages+to.Pending, 1))
	full := int(share * barWidth)
	line := fmt.Sprintf("[%s%s] %3.0f %%", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), 100*share)
	seconds := to.when.Sub(from.when).Seconds()
	if seconds <= 0 {
		return fmt.Sprintf("%s  %d results, %d messages wait", line, to.Results, to.Pending)
	}
	line += fmt.Sprintf("  %.0f results/s, %d messages wait", float64(to.Results-from.Results)/seconds, to.Pending)
	if pace := float64(to.Messages-from.Messages) / seconds; to.Pending > 0 && pace > 0 {
		left := time.Duration(float64(to.Pending) / pace * float64(time.Second))
		line += ", " + left.Round(time.Second).String() + " left"
	}
	return line
}

// clear makes room for another line.
func (b *ingestBar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.w != nil && !b.drawn.IsZero() {
		b.drawn = time.Time{}
		fmt.Fprint(b.w, clearLine)
	}
}

// end leaves the last state on a line of its own.
func (b *ingestBar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.w != nil && !b.drawn.IsZero() {
		b.drawn = time.Time{}
		fmt.Fprintln(b.w)
	}
}

// handler is h with the bar out of the way.
func (b *ingestBar) handler(h slog.Handler) slog.Handler { return clearing{h, b} }

type clearing struct {
	slog.Handler
	bar *ingestBar
}

func (c clearing) Handle(ctx context.Context, r slog.Record) error {
	c.bar.clear()
	return c.Handler.Handle(ctx, r)
}

func (c clearing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return clearing{c.Handler.WithAttrs(attrs), c.bar}
}

func (c clearing) WithGroup(name string) slog.Handler {
	return clearing{c.Handler.WithGroup(name), c.bar}
}
