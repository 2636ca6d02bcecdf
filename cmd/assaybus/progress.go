package main

import (
	"fmt"
	"io"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// progress tells a person at a terminal how far a replay has come.
type progress struct {
	w     io.Writer // nil when nobody watches
	until time.Time // where the selection ends; zero = with the stream
	began time.Time
	last  time.Time // when the line was written
	drawn bool
	now   string // the stream that is read
	laps  map[string]*lap
}

// lap is the reading of one stream.
type lap struct {
	began time.Time
	read  int
	from  time.Time // when the first message was stored
}

const (
	progressAfter = time.Second // what is over sooner needs none
	progressEvery = 200 * time.Millisecond
)

func newProgress(w io.Writer, until time.Time) *progress {
	p := &progress{until: until, began: time.Now(), laps: map[string]*lap{}}
	if isTerminal(w) {
		p.w = w
	}
	return p
}

// show counts a message and writes the line when it is time.
func (p *progress) show(at bridge.Position) {
	if p.w == nil {
		return
	}
	now := time.Now()
	l := p.laps[at.Stream]
	if l == nil || p.now != at.Stream && at.Stream != subjects.StreamRaw { // every segment reads the others anew
		l = &lap{began: now, from: at.At}
		p.laps[at.Stream] = l
	}
	l.read++
	p.now = at.Stream
	if now.Sub(p.began) < progressAfter || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.drawn = now, true
	fmt.Fprintf(p.w, "\r\x1b[K%s", l.text(at, p.until, now))
}

// text is the line: where, how fast, how long still.
func (l *lap) text(at bridge.Position, until, now time.Time) string {
	elapsed := now.Sub(l.began)
	done := 0.0
	if at.Last > at.First {
		done = float64(at.Sequence-at.First) / float64(at.Last-at.First)
	}
	if span := until.Sub(l.from); at.Stream == subjects.StreamRaw && !until.IsZero() && until.Before(now) && span > 0 {
		done = max(done, float64(at.At.Sub(l.from))/float64(span))
	}
	left := ""
	if done > 0 && done <= 1 {
		left = ", " + time.Duration(float64(elapsed)*(1-done)/done).Round(time.Second).String() + " left"
	}
	return fmt.Sprintf("%s %d of %d, %3.0f %%, %.0f/s%s", at.Stream, at.Sequence, at.Last, 100*done, float64(l.read)/max(elapsed, time.Millisecond).Seconds(), left)
}

// clear removes the line.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
