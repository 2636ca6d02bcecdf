package bridge_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge"
)

func TestRestoreAddsWhatWasBefore(t *testing.T) {
	w := start(t, callsUs)
	w.call("a1").say(t, "WBC", "+")
	now := time.Now()
	var before bridge.History
	before.Add(now.Add(-2*time.Hour), 5)
	w.board.Restore(map[string]bridge.Past{
		"a1":   {LastContact: now.Add(-time.Hour), LastMessage: now.Add(-time.Hour), Hours: before},
		"gone": {LastContact: now},
	})
	c := w.counters("a1")
	if got := c.Hours.Last(now, 24); got != 6 {
		t.Errorf("%d messages, want those of before and now", got)
	}
	if now.Sub(c.LastMessage) > time.Minute {
		t.Error("an older message hides the newer one")
	}
	if len(w.board.Snapshot()) != 1 {
		t.Error("an instrument that is not in the file came back")
	}
}

// What a board keeps makes the next one tell the same, and a second restart
// adds nothing: counts of the program are apart from those of before.
func TestKeptOverRestarts(t *testing.T) {
	w := start(t, callsUs)
	p := w.call("a1")
	p.say(t, "WBC", "+")
	p.say(t, "bad", "+")
	p.say(t, "RBC", "+")
	live := w.counters("a1")
	if live.Before != nil {
		t.Errorf("before the first start there was %+v", live.Before)
	}
	want := live.Totals()
	if want.Messages["result"] != 2 || bridge.Total(want.Failed) != 1 || want.Bytes == 0 || want.Since.IsZero() {
		t.Fatalf("totals %+v", want)
	}
	kept := w.board.Kept(time.Now())
	if kept["a1"].Counted == 0 {
		t.Error("what is counted is not said")
	}
	for restart := range 3 {
		text, err := json.Marshal(kept)
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]bridge.Past
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		w := start(t, callsUs)
		w.board.Restore(back)
		w.call("a1")
		c := w.counters("a1")
		if len(c.Messages) != 0 || c.Before == nil {
			t.Fatalf("restart %d: since the start %v, before %+v", restart, c.Messages, c.Before)
		}
		if d := cmp.Diff(want, c.Totals()); d != "" {
			t.Errorf("restart %d: totals (-want +got):\n%s", restart, d)
		}
		now := time.Now()
		if c.Hours.Last(now, 2) != 2 || c.Problems.Last(now, 2) != 1 || c.LastProblem.IsZero() || !c.LastMessage.Equal(live.LastMessage) || c.Attention(now) == "" {
			t.Errorf("restart %d: %+v", restart, c)
		}
		kept = w.board.Kept(time.Now())
	}
}

// Restore may come in parts, before and after the rows are made, and the
// instrument's clock is that of its last message.
func TestRestoreInParts(t *testing.T) {
	w := start(t, callsUs)
	w.links.await(t, "lab.link.main.a1.listening")
	slow, slower := -10.0, -20.0
	now := time.Now()
	first := bridge.Past{LastMessage: now.Add(-time.Hour), Skew: &slow, Totals: &bridge.Totals{Since: now.Add(-time.Hour), Messages: map[string]uint64{"result": 3}}, Counted: 9}
	first.Failure(now.Add(-time.Hour), "unparsable")
	second := bridge.Past{Skew: &slower, Totals: &bridge.Totals{Messages: map[string]uint64{"result": 2, "qc": 1}, Refused: map[string]uint64{}}}
	second.Message(now.Add(-time.Minute), "result")
	second.Failure(now.Add(-time.Minute), bridge.RefusedOversize)
	w.board.Restore(map[string]bridge.Past{"a1": first})
	w.board.Restore(map[string]bridge.Past{"a1": second, "later": second})
	c := w.counters("a1")
	totals := c.Totals()
	if totals.Messages["result"] != 6 || totals.Messages["qc"] != 1 || totals.Failed["unparsable"] != 1 || totals.Refused[bridge.RefusedOversize] != 1 || !totals.Since.Equal(now.Add(-time.Hour)) {
		t.Errorf("totals %+v", totals)
	}
	if *c.Skew != slow || c.Problems.Last(now, 2) != 2 || !c.LastMessage.Equal(now.Add(-time.Minute)) {
		t.Errorf("counters %+v", c)
	}
	if kept := w.board.Kept(time.Now()); kept["a1"].Counted != 9 || kept["later"].Totals.Messages["result"] != 3 {
		t.Errorf("kept %+v", kept)
	}
	if kept := w.board.Kept(now.Add(40 * 24 * time.Hour)); len(kept) != 1 || kept["a1"].Counted != 9 {
		t.Errorf("forty days later %+v is kept, want what is in the instruments file", kept)
	}
}

// An instrument that leaves the file and comes back has its counts again.
func TestAnInstrumentComesBack(t *testing.T) {
	w := start(t, callsUs)
	w.call("a1").say(t, "WBC", "+")
	before := w.counters("a1")
	want := before.Totals()
	for _, text := range []string{"instruments:\n  - {id: other, listen: '127.0.0.1:0', protocol: lines}\n", callsUs} {
		if err := w.server.Apply(t.Context(), registry(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "it is listened for again", func() bool { return w.server.Addr("a1") != nil })
	w.call("a1")
	c := w.counters("a1")
	if got := c.Totals(); got.Messages["result"] != 1 || !got.Since.Equal(want.Since) || c.Hours.Last(time.Now(), 2) != 1 {
		t.Errorf("totals %+v, want %+v", got, want)
	}
}
