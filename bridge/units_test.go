package bridge_test

import (
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]bridge.Size{
		"0": 0, "1048576": 1 << 20, "512KiB": 512 << 10, "10MiB": 10 << 20, "50GiB": 50 << 30, "2TiB": 2 << 40,
		"5kB": 5000, "5MB": 5e6, "5GB": 5e9, "5TB": 5e12, "7B": 7,
	} {
		var got bridge.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("size %q = %d, %v, want %d", text, got, err, want)
		}
		var again bridge.Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("size %q is written %q, which reads %d, %v", text, got, again, err)
		}
	}
	var spaced bridge.Size
	if err := spaced.UnmarshalText([]byte(" 1 GiB ")); err != nil || spaced != 1<<30 {
		t.Errorf("size with blanks = %d, %v, want %d", spaced, err, 1<<30)
	}
	for _, text := range []string{"", "GiB", "-1", "1.5GiB", "10 apples", "9223372036854775807KiB", "1KiBMiB", "1e3"} {
		var got bridge.Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q = %d, want an error", text, got)
		}
	}
	if got := bridge.Size(50 << 30).String(); got != "50GiB" {
		t.Errorf("String = %q, want 50GiB", got)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "500ms": 500 * time.Millisecond, "10s": 10 * time.Second, "90d": 90 * (24 * time.Hour), "1d12h": 36 * time.Hour, "0d": 0,
	} {
		var got bridge.Duration
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("duration %q = %v, %v, want %v", text, time.Duration(got), err, want)
		}
		var again bridge.Duration
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("duration %q is written %q, which reads %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-5s", "1.5d", "10", "12h1d", "106752d", "106750d100h", "1d-1h", "9999999999999d"} {
		var got bridge.Duration
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("duration %q = %v, want an error", text, got)
		}
	}
	if got := bridge.Duration(90 * (24 * time.Hour)).String(); got != "90d" {
		t.Errorf("String = %q, want 90d", got)
	}
}
