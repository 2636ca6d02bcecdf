package bridge_test

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

func TestSilenceIsSaidOncePerSilence(t *testing.T) {
	r := registry(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, silent_after: 2h}\n  - {id: night, listen: '127.0.0.1:0', protocol: lines}\n")
	w := startWith(t, r)
	p := w.call("a1")
	w.links.await(t, "lab.link.main.night.listening")
	silences := func() int {
		w.links.mu.Lock()
		defer w.links.mu.Unlock()
		n := 0
		for _, s := range w.links.seen {
			if strings.Contains(s, ".night.silent") {
				t.Error("an instrument without silent_after is called silent")
			}
			if strings.Contains(s, ".silent ") {
				n++
			}
		}
		return n
	}
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{time.Hour, 0}, {2*time.Hour + time.Minute, 1}, {3 * time.Hour, 1}} {
		bridge.ListenForSilence(w.server, r, now.Add(step.after))
		if got := silences(); got != step.want {
			t.Errorf("after %s: %d silent events, want %d", step.after, got, step.want)
		}
	}
	c := w.counters("a1")
	if !c.Silent(now.Add(3*time.Hour)) || c.Silent(now.Add(time.Hour)) {
		t.Error("silent is not a matter of silent_after")
	}
	p.say(t, "WBC 1", "+")
	bridge.ListenForSilence(w.server, r, time.Now())
	bridge.ListenForSilence(w.server, r, time.Now().Add(2*time.Hour+time.Minute))
	if got := silences(); got != 2 {
		t.Errorf("%d silent events after a message and a second silence, want 2", got)
	}
}

func TestSilentIsAState(t *testing.T) {
	w := start(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, silent_after: 1ns}\n")
	p := w.call("a1")
	p.say(t, "WBC 1", "+")
	c := w.counters("a1")
	if c.State != bridge.StateSilent || !strings.Contains(c.Problem, "silent_after is 1ns") || c.Attention(time.Now()) != c.Problem {
		t.Errorf("state %q, problem %q, attention %q", c.State, c.Problem, c.Attention(time.Now()))
	}
	w.bus.setSick(fmt.Errorf("disk full"))
	p.say(t, "WBC 2", "-")
	if c := w.counters("a1"); c.State != bridge.StateRefusing || c.Attention(time.Now()) != "disk full" {
		t.Errorf("state %q: silence hides what is worse", c.State)
	}
}

func TestMeasures(t *testing.T) {
	w := startAll(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: hl7}\n")
	w.links.await(t, "lab.link.main.a1.listening")
	nc, err := net.Dial("tcp", w.server.Addr("a1").String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	sent := time.Now().UTC().Add(-90 * time.Second).Format("20060102150405")
	fmt.Fprintf(nc, "\x0bMSH|^~\\&|A|B|||%s||ORU^R01|7|P|2.3.1\rOBR|1||SPCS71\rOBX|1|NM|WBC||5\r\x1c\r", sent)
	if _, err := newPeer(nc).r.ReadBytes(0x1c); err != nil {
		t.Fatal(err)
	}
	c := w.counters("a1")
	deadline := time.Now().Add(5 * time.Second)
	for c.Ack.Count == 0 && time.Now().Before(deadline) { // counted behind the write
		c = w.counters("a1")
	}
	if c.Skew == nil || *c.Skew > -89 || *c.Skew < -100 {
		t.Errorf("skew %v, want -90 s: the clock is behind", c.Skew)
	}
	if c.Ack.Count != 1 || c.Stored.Count != 1 || c.Ack.Sum < c.Stored.Sum {
		t.Errorf("acknowledged %+v, stored %+v: want one of each, the answer after the store", c.Ack, c.Stored)
	}
	if got := c.Hours.Last(time.Now(), 2); got != 1 {
		t.Errorf("%d messages within two hours, want 1", got)
	}
	if got := c.Attention(time.Now()); got != "" {
		t.Errorf("attention %q for a good link", got)
	}
}

func TestFailedIsAProblemOfTheHour(t *testing.T) {
	w := start(t, callsUs)
	w.call("a1").say(t, "bad", "+")
	c := w.counters("a1")
	if c.Problems.Last(time.Now(), 2) != 1 || c.LastProblem.IsZero() || !strings.Contains(c.Attention(time.Now()), "a message failed") {
		t.Errorf("problems %v, attention %q", c.Problems, c.Attention(time.Now()))
	}
	if got := c.Attention(time.Now().Add(3 * time.Hour)); got != "" {
		t.Errorf("attention %q three hours later", got)
	}
}

func TestHistory(t *testing.T) {
	var h bridge.History
	if got := h.Last(time.Now(), 24); got != 0 {
		t.Errorf("an empty history counts %d", got)
	}
	noon := time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC)
	h.Add(noon.Add(-30*time.Hour), 1) // forgotten below
	h.Add(noon.Add(-13*time.Hour), 2) // yesterday, 23:30
	h.Add(noon.Add(-12*time.Hour), 4) // 00:30
	h.Add(noon, 8)
	h.Add(noon.Add(-11*time.Hour), 16) // late, as a restore is
	h.Add(noon.Add(-40*time.Hour), 32) // too late
	hours := h.Hours(noon)
	if len(hours) != bridge.HistoryHours || hours[23] != 8 || hours[12] != 16 || hours[11] != 4 || hours[10] != 2 {
		t.Errorf("hours %v", hours)
	}
	for want, got := range map[uint64]uint64{28: h.Today(noon), 30: h.Last(noon, 24), 8: h.Last(noon, 1), 0: h.Last(noon.Add(25*time.Hour), 24)} {
		if got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	for _, in := range []bridge.History{h, {}} {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out bridge.History
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out.Hours(noon), in.Hours(noon)) {
			t.Errorf("%s becomes %v, want %v", text, out.Hours(noon), in.Hours(noon))
		}
	}
}

func TestLatencyQuantile(t *testing.T) {
	l := bridge.Latency{Counts: make([]uint64, len(bridge.LatencyBounds())+1), Count: 100}
	if (bridge.Latency{}).Quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
	l.Counts[1], l.Counts[len(l.Counts)-1] = 95, 5
	if got := l.Quantile(0.95); got != 2500*time.Microsecond {
		t.Errorf("95 %% within %s", got)
	}
	if got := l.Quantile(0.99); got != 15*time.Second {
		t.Errorf("99 %% within %s, want the last bound", got)
	}
}
