package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/subjects"
)

// BenchmarkReplayBesideLive measures what replay costs instruments that send
// at the same time: the 99th percentile of the time to an acknowledgement,
// idle and while a process replays at full speed, in turn, and the ratio of their medians. The goal is a ratio of 3 at most.
func BenchmarkReplayBesideLive(b *testing.B) {
	for _, mode := range [][]string{
		{"replay"},
		{"replay", "--publish", "--all"},
	} {
		b.Run(strings.TrimLeft(mode[len(mode)-1], "-"), func(b *testing.B) { replayBesideLive(b, mode) })
	}
}

func replayBesideLive(b *testing.B, args []string) {
	l := openLaboratory(b, twoInstruments)
	templates, err := builtIn("astm")
	if err != nil {
		b.Fatal(err)
	}
	number := 1
	live := func(ctx context.Context, count int) time.Duration {
		b.Helper()
		var worst time.Duration
		var mu sync.Mutex
		var playing sync.WaitGroup
		for range 4 {
			next := simulator.NewSource(templates, number, count/4).Next
			number += count
			playing.Go(func() {
				t := l.play(ctx, "xn", "astm", 50, next)
				mu.Lock()
				defer mu.Unlock()
				worst = max(worst, t.P99)
			})
		}
		playing.Wait()
		return worst
	}
	l.play(b.Context(), "xn", "astm", 0, simulator.NewSource(templates, 1_000_000, 1000).Next) // what is replayed
	var idle, busy []time.Duration
	replayed := 0
	for b.Loop() {
		idle = append(idle, live(b.Context(), 400))
		ctx, cancel := context.WithCancel(b.Context())
		var replaying sync.WaitGroup
		replaying.Go(func() {
			for ctx.Err() == nil {
				process := exec.CommandContext(ctx, os.Args[0], append(args, "--to-seq", "1000", "--nats", l.bus.URL())...)
				out, err := process.Output()
				var some int
				if _, scanErr := fmt.Sscan(string(out), &some); ctx.Err() == nil && (err != nil || scanErr != nil) {
					b.Errorf("replay: %v", errors.Join(err, scanErr))
					return
				}
				if len(args) == 1 { // nothing is published
					replayed += some
				}
			}
		})
		before := l.messages(subjects.StreamParsed)
		busy = append(busy, live(ctx, 400))
		cancel()
		replaying.Wait()
		replayed += int(l.messages(subjects.StreamParsed)-before) - 400 // what was published again
	}
	slices.Sort(idle)
	slices.Sort(busy)
	was, is := idle[len(idle)/2], busy[len(busy)/2]
	b.ReportMetric(float64(was)/1e6, "idle-p99-ms")
	b.ReportMetric(float64(is)/1e6, "replay-p99-ms")
	b.ReportMetric(float64(is)/float64(was), "ratio")
	b.ReportMetric(float64(replayed)/b.Elapsed().Seconds(), "replayed/s")
}
