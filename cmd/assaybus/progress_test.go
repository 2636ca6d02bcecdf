package main

import (
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

func TestProgress(t *testing.T) {
	now := time.Now()
	l := lap{began: now.Add(-10 * time.Second), read: 500, from: now.Add(-100 * time.Hour)}
	got := l.text(bridge.Position{Stream: "LAB_RAW", First: 1, Sequence: 501, Last: 1001, At: now}, time.Time{}, now)
	if want := "LAB_RAW 501 of 1001,  50 %, 50/s, 10s left"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = l.text(bridge.Position{Stream: "LAB_RAW", First: 1, Sequence: 11, Last: 1001, At: now.Add(-75 * time.Hour)}, now.Add(-50*time.Hour), now)
	if want := "LAB_RAW 11 of 1001,  50 %, 50/s, 10s left"; got != want {
		t.Errorf("until: got %q, want %q", got, want)
	}

	var screen strings.Builder
	p := progress{w: &screen, began: now, laps: map[string]*lap{}}
	at := bridge.Position{Stream: "LAB_PARSED", First: 1, Sequence: 1, Last: 3, At: now}
	p.show(at) // too soon after the beginning
	p.began = now.Add(-2 * time.Second)
	p.show(at)
	p.show(at) // too soon for another line
	p.last, at.Stream = time.Time{}, "LAB_RAW"
	p.show(at)
	p.clear()
	lines := strings.Split(screen.String(), "\r\x1b[K")
	if len(lines) != 4 || !strings.HasPrefix(lines[1], "LAB_PARSED 1 of 3") || !strings.HasPrefix(lines[2], "LAB_RAW 1 of 3") || lines[3] != "" {
		t.Errorf("screen %q", lines)
	}
	if p.laps["LAB_RAW"].read != 1 || p.laps["LAB_PARSED"].read != 3 {
		t.Error("the two streams are counted as one")
	}
	quiet := newProgress(&screen, time.Time{}) // no terminal
	quiet.began = now.Add(-time.Hour)
	before := screen.Len()
	quiet.show(at)
	if quiet.clear(); screen.Len() != before {
		t.Error("writes where nobody watches")
	}
}
