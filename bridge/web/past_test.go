package web_test

import (
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/web"
	"github.com/assaybus/assaybus/subjects"
)

// What was before a start comes from the streams: the day by hour, and who was
// heard last, up to the mark and not beyond.
func TestPast(t *testing.T) {
	l := newLab(t)
	for range 3 {
		l.keep("xn1000", message, "")
	}
	l.keep("xn1000", "no message", "")
	l.keep("xn1000", message, subjects.ReasonIncomplete)
	mark, err := l.archive.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.keep("xn1000", message, "") // counted live
	l.link(bridge.LinkEvent{Instrument: "other", Event: subjects.EventTransmission, Messages: 2})
	l.link(bridge.LinkEvent{Instrument: "bare", Event: subjects.EventConnected})
	l.link(bridge.LinkEvent{Instrument: "asleep", Event: subjects.EventListening})
	past, err := l.archive.Past(t.Context(), []string{"xn1000", "other", "bare", "asleep"}, web.Uncounted{To: mark.Sequence})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if p := past["xn1000"]; mark.Sequence != 5 || p.Hours.Last(now, 2) != 3 || p.Problems.Last(now, 2) != 2 || now.Sub(p.LastMessage) > time.Minute || now.Sub(p.LastProblem) > time.Minute || p.Totals != nil || p.Counted != 5 {
		t.Errorf("mark %d, past %+v, want three messages and two failures", mark.Sequence, p)
	}
	if p := past["other"]; p.LastMessage.IsZero() || p.LastContact.IsZero() || p.Hours.Last(now, 24) != 0 {
		t.Errorf("past %+v, want the transmission", p)
	}
	if p := past["bare"]; !p.LastMessage.IsZero() || p.LastContact.IsZero() {
		t.Errorf("past %+v, want contact without a message", p)
	}
	if p := past["asleep"]; !p.LastContact.IsZero() {
		t.Errorf("past %+v: our listening is no contact", p)
	}
}

// With counts only what lies behind them is read, for each instrument behind
// what it has counted, and what it is goes into the totals.
func TestPastBehindACount(t *testing.T) {
	l := newLab(t)
	for range 2 {
		l.keep("a1", message, "") // 1, 2: counted
	}
	l.keep("a1", message, "")                       // 3: counted since
	l.keep("b 2", message, "")                      // 4
	l.keep("a1", message, "")                       // 5
	l.keep("b 2", "garbage", "")                    // 6
	l.keep("b 2", message, subjects.ReasonOversize) // 7
	past, err := l.archive.Past(t.Context(), []string{"a1", "b 2"}, web.Uncounted{Known: true, From: 2, To: 7, Counted: map[string]uint64{"a1": 3}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	a, b := past["a1"], past["b 2"]
	if a.Hours.Last(now, 2) != 1 || a.Totals.Messages["result"] != 1 || a.Counted != 5 {
		t.Errorf("a1 %+v %+v, want the last message", a, a.Totals)
	}
	if b.Hours.Last(now, 2) != 1 || b.Problems.Last(now, 2) != 2 || b.Totals.Messages["result"] != 1 || bridge.Total(b.Totals.Failed) != 1 || b.Totals.Refused[bridge.RefusedOversize] != 1 || b.Counted != 7 {
		t.Errorf("b 2 %+v %+v, want a message, a failure and a refusal", b, b.Totals)
	}
	for _, part := range []web.Uncounted{{Known: true, From: 7, To: 7}, {Known: true, From: 9, To: 7}} {
		past, err = l.archive.Past(t.Context(), []string{"a1"}, part)
		if err != nil || past["a1"].Hours.Last(now, 24) != 0 {
			t.Errorf("%+v: %+v, %v, want nothing", part, past["a1"], err)
		}
	}
}
