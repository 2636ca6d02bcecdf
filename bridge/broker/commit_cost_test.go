package broker_test

import (
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge/broker"
)

func TestCrossover(t *testing.T) {
	const ms = time.Millisecond
	now := time.Now()
	for name, row := range map[string]struct {
		single, batch time.Duration
		flying, n     int
		before        int // single ones under way when the batch began
		want          int
	}{
		"fsync 0.2 ms":                   {220 * time.Microsecond, 2500 * time.Microsecond, 1, 50, 0, 10},
		"the same, twelve under way":     {2640 * time.Microsecond, 2500 * time.Microsecond, 12, 50, 0, 10},
		"fsync 5 ms groups earlier":      {5200 * time.Microsecond, 26 * ms, 1, 100, 0, 5},
		"a batch behind ten single ones": {5 * ms, 72 * ms, 1, 100, 10, 5},
		"never below four":               {50 * ms, 20 * ms, 1, 20, 0, 4},
		"no fsync: batches hardly pay":   {30 * time.Microsecond, 3 * ms, 1, 50, 0, 32},
		"a large batch costs its bytes":  {220 * time.Microsecond, 12 * ms, 1, 1000, 0, 14},
		"nothing measured but the batch": {0, 2500 * time.Microsecond, 1, 50, 0, 6},
	} {
		var c broker.Cost
		if row.single > 0 {
			c.Single(row.single, row.flying)
		}
		c.Batch(row.batch, row.n, row.before, now)
		if got := c.Crossover(now); got != row.want {
			t.Errorf("%s: got %d, want %d", name, got, row.want)
		}
	}
}

// One slow batch must not keep batches away for ever.
func TestCrossoverForgets(t *testing.T) {
	var c broker.Cost
	now := time.Now()
	if got := c.Crossover(now); got != 6 {
		t.Errorf("before any measurement: got %d, want 6", got)
	}
	c.Single(200*time.Microsecond, 1)
	c.Batch(time.Second, 20, 0, now)
	if got := c.Crossover(now); got != 32 {
		t.Errorf("after a batch of a second: got %d, want 32", got)
	}
	if got := c.Crossover(now.Add(11 * time.Second)); got != 6 {
		t.Errorf("eleven seconds later: got %d, want 6 again", got)
	}
}
