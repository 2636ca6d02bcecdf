package main

import (
	"context"
	"math"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntidy(t *testing.T) {
	const mib = 1 << 20
	for name, row := range map[string]struct {
		before, tidied, now uint64
		want                bool
	}{
		"at work":                   {100 * mib, 0, 200 * mib, false},
		"silence after work":        {200 * mib, 0, 201 * mib, true},
		"silence after silence":     {202 * mib, 201 * mib, 203 * mib, false},
		"too little to be worth it": {30 * mib, 0, 31 * mib, false},
	} {
		if got := untidy(row.before, row.tidied, row.now); got != row.want {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
}

func TestTidyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*tidyEvery)
		defer cancel()
		began := time.Now()
		tidy(ctx)
		if took := time.Since(began); took != 3*tidyEvery {
			t.Errorf("ended after %v, want with its context", took)
		}
	})
}

func TestTuneCollector(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	for _, tt := range []struct {
		gogc, memlimit string
		percent        int
		limit          int64
	}{
		{"", "", 300, 768 << 20},
		{"50", "", 100, math.MaxInt64}, // the runtime has read them, and they stay
		{"", "1GiB", 100, math.MaxInt64},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		t.Setenv("GOGC", tt.gogc)
		t.Setenv("GOMEMLIMIT", tt.memlimit)
		tuneCollector(256 << 20)
		if got, max := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); got != tt.percent || max != tt.limit {
			t.Errorf("GOGC=%q GOMEMLIMIT=%q: %d %% and %d bytes, want %d and %d", tt.gogc, tt.memlimit, got, max, tt.percent, tt.limit)
		}
	}
}
