package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/subjects"
)

// bubble is joins inside a synctest bubble: pipes and no listener.
type bubble struct {
	*joins
	ctx    context.Context
	cancel context.CancelFunc
	bus    interface { // the shelf, or something around it
		bridge.Publisher
		bridge.Archive
	}
}

func inBubble(t *testing.T, play func(*bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, err := bridge.Load("instruments.yaml", []byte(partsLab), all.Protocols)
		if err != nil {
			t.Fatal(err)
		}
		b := &bubble{joins: &joins{shelf: newShelf(16 << 20), registry: r, world: &world{t: t}}}
		b.bus = b.shelf
		b.begin()
		play(b)
		b.end()
	})
}

// begin starts a server on what is stored.
func (b *bubble) begin() {
	log, logged := quiet()
	b.logged, b.board = logged, bridge.NewBoard()
	b.server = bridge.NewServer(bridge.Config{
		Site: "main", Store: bridge.NewStore(b.bus, time.Second), Board: b.board, Log: log, Grace: time.Second, Archive: b.bus,
	})
	b.ctx, b.cancel = context.WithCancel(b.t.Context())
	ctx, s := b.ctx, b.server
	go bridge.WatchParts(ctx, s, b.registry)
	synctest.Wait()
}

// end stops it; its connections hang up first.
func (b *bubble) end() {
	b.cancel()
	synctest.Wait()
}

// send delivers messages over one connection, which ends then.
func (b *bubble) send(messages ...string) {
	b.t.Helper()
	if code := b.try(messages...); code != "AA" {
		b.t.Fatalf("answered %q, want AA; log:\n%s", code, b.logged.String())
	}
}

func (b *bubble) try(messages ...string) (code string) {
	b.t.Helper()
	p, hangUp := b.dial()
	defer hangUp()
	for _, raw := range messages {
		if code = p.deliver(b.t, raw); code != "AA" {
			break
		}
	}
	return code
}

// dial opens a connection and returns how to end it.
func (b *bubble) dial() (*peer, func()) {
	ours, theirs := net.Pipe()
	over := make(chan error, 1)
	go func() { over <- bridge.Converse(b.ctx, b.server, b.registry.Instruments[0], theirs) }()
	return newPeer(ours), func() {
		_ = ours.Close()
		if err := <-over; err != nil {
			b.t.Error(err)
		}
	}
}

func (b *bubble) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A message whose rest does not come raises one alarm that says where its
// parts are; what comes later continues nothing.
func TestPartsAbandoned(t *testing.T) {
	parts, _ := three("LANCET")
	inBubble(t, func(b *bubble) {
		b.send(parts[0])
		b.wait(time.Minute)
		b.send(parts[1])
		b.wait(bridge.PartTimeout - 2*time.Second)
		if got := b.outcomes(); len(got) != 2 {
			b.t.Errorf("in time: %v", got)
		}
		b.wait(4 * time.Second)
		b.want("part", "part", "alarm [1 2]")
		f := b.derived()[2]
		if f.Subject != "lab.failed.main.h1.incomplete" || f.failure.RawSequence != 0 || f.failure.Protocol != "hl7" ||
			!strings.Contains(f.failure.Error, "raw 1,2") || !strings.Contains(f.failure.Error, "dsc: separate") {
			b.t.Errorf("alarm %s %+v", f.Subject, f.failure)
		}
		if c := b.counters("h1"); c.Failed[subjects.ReasonIncomplete] != 1 || c.LastProblem.IsZero() {
			b.t.Errorf("counted %v", c.Failed)
		}
		logged := b.logged.String()
		if strings.Count(logged, "it was not continued") != 1 || strings.Contains(logged, "LANCET") || strings.Contains(logged, "S1") {
			b.t.Errorf("logged\n%s", logged)
		}
		b.wait(time.Hour)
		b.send(parts[2])
		b.want("part", "part", "alarm [1 2]", "failed incomplete")

		b.end()
		b.forgetIDs()
		b.begin() // the alarm is known
		b.wait(2 * bridge.PartTimeout)
		b.want("part", "part", "alarm [1 2]", "failed incomplete")
	})
}

// Every part, and every repeat, begins the time anew.
func TestPartsInTime(t *testing.T) {
	parts, want := three("A")
	const wait = bridge.PartTimeout - 2*time.Second
	inBubble(t, func(b *bubble) {
		for n, raw := range []string{parts[0], parts[0], parts[1], parts[2], parts[2]} {
			if n > 0 {
				b.wait(wait)
			}
			b.send(raw)
		}
		b.wait(time.Hour)
		want[2] = "result [1 3 4] S1:A=1 S2:B=2 S2:C=3"
		b.want(want...)
		if c := b.counters("h1"); c.Repeats != 2 {
			b.t.Errorf("%d repeats, want 2", c.Repeats)
		}
		b.end()
		b.begin() // that it is complete is known
		b.send(part("A", "9", "p2", "", value("C", "9")))
		b.wait(time.Hour)
		b.want(append(want, "failed incomplete")...)
	})
}

// A program that was down gives its instruments the whole time again, then
// raises the alarm.
func TestPartsAbandonedBeforeARestart(t *testing.T) {
	parts, _ := three("A")
	inBubble(t, func(b *bubble) {
		b.send(parts[0], parts[1])
		b.end()
		b.wait(time.Hour)
		b.begin()
		b.wait(bridge.PartTimeout - 2*time.Second)
		if got := b.outcomes(); len(got) != 2 {
			b.t.Errorf("in time: %v", got)
		}
		b.wait(4 * time.Second)
		b.want("part", "part", "alarm [1 2]")
	})
}

// What replay publishes again of parts that were joined long ago is no part
// that waits.
func TestPartsReplayedRaiseNoAlarm(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.send(part("A", "1", "", "1", order("S1")), part("A", "2", "1", "", value("B", "2")))
		b.end()
		again := b.in(subjects.StreamParsed)[0]
		again.ID, again.Header = again.ID+".replay.x", maps.Clone(again.Header)
		again.Header[subjects.HeaderReplay] = "x"
		if _, err := b.Publish(b.ctx, again); err != nil {
			b.t.Fatal(err)
		}
		b.now = b.began.Add(24*time.Hour + 1500*time.Millisecond) // it alone is younger than a day
		b.begin()
		b.wait(2 * bridge.PartTimeout)
		if n := len(b.in(subjects.StreamParsed)); n != 3 {
			b.t.Errorf("%d derived, want no alarm: %v", n, b.outcomes())
		}
	})
}

// Parts that replay has made whole messages of, by the options of now, wait
// for nothing; their headers do not say so any more either.
func TestPartsReplayedWholeRaiseNoAlarm(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.send(part("A", "1", "", "1", order("S1"), value("A", "1")))
		b.end()
		r, err := bridge.Load("instruments.yaml", []byte(strings.Replace(partsLab, "protocol: hl7", "protocol: hl7, dsc: separate", 1)), all.Protocols)
		if err != nil {
			b.t.Fatal(err)
		}
		b.registry = r
		replay := bridge.Replay{Archive: b.shelf, Registry: r, Run: "apart"}
		for f, err := range replay.Messages(context.Background()) {
			if err != nil {
				b.t.Fatal(err)
			}
			if h := f.Derived.Publication.Header; f.Verdict != bridge.Changed || h[subjects.HeaderPart] != "" || h[subjects.HeaderParts] != "" {
				b.t.Errorf("%s with %v", f.Verdict, h)
			}
			if _, err := bridge.NewRepublisher(b.shelf, "apart", nil, 0).Publish(context.Background(), f); err != nil {
				b.t.Fatal(err)
			}
		}
		b.begin()
		b.wait(2 * bridge.PartTimeout)
		if diff := cmp.Diff([]string{"part", "result [] S1:A=1"}, b.outcomes()); diff != "" {
			b.t.Error(diff)
		}
	})
}

// A part that came again behind the window of the stream stands there twice;
// it is one part at the next start too.
func TestPartsRepeatedBehindTheWindow(t *testing.T) {
	parts, _ := three("A")
	inBubble(t, func(b *bubble) {
		for _, raw := range parts[:2] {
			b.send(raw)
			b.forgetIDs()
			b.send(raw)
		}
		b.end()
		b.begin()
		b.send(parts[2])
		if diff := cmp.Diff([]string{"part", "part", "part", "part", "result [1 3 5] S1:A=1 S2:B=2 S2:C=3"}, b.outcomes()); diff != "" {
			b.t.Error(diff)
		}
		b.wait(time.Hour)
		if n := len(b.outcomes()); n != 5 {
			b.t.Errorf("%d derived, want no alarm", n)
		}
	})
}

// While the bus takes no alarm it is tried again, and raised once.
func TestPartsAlarmIsRetried(t *testing.T) {
	parts, _ := three("A")
	inBubble(t, func(b *bubble) {
		b.send(parts[0])
		b.setFail(func(p bridge.Publication) bool { return true })
		b.wait(bridge.PartTimeout + time.Minute)
		if got := b.outcomes(); len(got) != 1 {
			b.t.Errorf("without a bus: %v", got)
		}
		b.setFail(nil)
		b.wait(5 * time.Second)
		b.want("part", "alarm [1]")
		b.wait(time.Hour)
		b.want("part", "alarm [1]")
	})
}

// forgetIDs is the end of the stream's window for repeats.
func (b *bubble) forgetIDs() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.ids)
}

func (b *bubble) setFail(which func(bridge.Publication) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = func(_ int, p bridge.Publication) error {
		if which != nil && which(p) {
			return errors.New("no")
		}
		return nil
	}
}

// What is remembered of an instrument is bounded: the oldest open message is
// given up for one more, aloud; when not even that can be told, the next is
// refused. Complete ones go first, in silence.
func TestPartsBounded(t *testing.T) {
	begin := func(n int) string { return part("A", fmt.Sprint(n), "", fmt.Sprint("p", n), order("S")) }
	inBubble(t, func(b *bubble) {
		b.send(begin(0), part("A", "x", "p0", "", value("A", "1")))
		for n := range bridge.MaxChains {
			b.send(begin(n + 1))
		}
		b.wait(2 * time.Second)
		for _, o := range b.outcomes() {
			if strings.HasPrefix(o, "alarm") {
				b.t.Errorf("%s although a complete one was known", o)
			}
		}
		b.send(begin(1000))
		b.wait(2 * time.Second)
		got := b.outcomes()
		if diff := cmp.Diff("alarm [3]", got[len(got)-1]); diff != "" {
			b.t.Error(diff)
		}

		b.setFail(func(p bridge.Publication) bool { return strings.HasPrefix(p.Subject, "lab.failed.") })
		code, n := "AA", 1000
		for ; code == "AA" && n < 2000; n++ {
			code = b.try(begin(n + 1))
		}
		if code != "" || n < 1000+bridge.MaxChains || n > 1000+8*bridge.MaxChains {
			b.t.Errorf("message %d is answered %q, want a hang-up between", n, code)
		}
		b.setFail(nil)
		b.wait(5 * time.Second)
		b.send(begin(3000))
	})
}
