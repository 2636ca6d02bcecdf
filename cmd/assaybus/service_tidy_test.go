package main

import (
	"context"
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
