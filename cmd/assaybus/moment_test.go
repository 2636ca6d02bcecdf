package main

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, zone)
	for _, tt := range []struct{ text, want string }{
		{"1h", "2026-11-23T11:00:00+02:00"},
		{"7d", "2026-11-16T12:00:00+02:00"},
		{"1d12h", "2026-11-22T00:00:00+02:00"},
		{"2026-11-20", "2026-11-20T00:00:00+02:00"},
		{"2026-11-20T08:30", "2026-11-20T08:30:00+02:00"},
		{"2026-11-20 08:30:05", "2026-11-20T08:30:05+02:00"},
		{"2026-11-20T08:30:05Z", "2026-11-20T08:30:05Z"},
	} {
		if got, err := moment(tt.text, now); err != nil || got.Format(time.RFC3339) != tt.want {
			t.Errorf("%s: %v %v, want %s", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "2026-13-01", "1"} {
		if got, err := moment(text, now); err == nil {
			t.Errorf("%s: %v, want an error", text, got)
		}
	}
	if got, err := moment("", now); err != nil || !got.IsZero() {
		t.Errorf("nothing: %v %v", got, err)
	}
}
