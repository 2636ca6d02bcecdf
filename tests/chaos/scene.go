//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The signals by which a process is told to end, to freeze and to go on.
const (
	sigTerm = syscall.SIGTERM
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
)

// scene is one kind of fault.
type scene struct {
	number int
	title  string
	mounts bool
	play   func(*world) error
}

// scenes are all faults, the longest first: they share the lanes.
func scenes() []scene {
	return []scene{
		{4, "R3 cluster: each node in turn partitioned and killed, then all at once", false, playCluster},
		{3, "SIGSTOP and SIGCONT, for longer than every timer", false, playStop},
		{1, "SIGKILL of the bridge at random moments, restart on the same data", false, playKill},
		{4, "external NATS server: killed, restarted, partitioned", false, playExternal},
		{5, "disk full, and freed again", true, playDisk},
		{6, "power cut: what the block device holds after the last ACK", true, playPower},
		{2, "SIGTERM in mid-message", false, playTerm},
		{7, "bits flipped and files truncated in the store: noticed", false, playRot},
	}
}

// byNumber are all faults in the order in which people read them.
func byNumber() []scene {
	return slices.SortedStableFunc(slices.Values(scenes()), func(a, b scene) int { return a.number - b.number })
}

// attack plays the faults asked for and prints the table. Its error wraps
// errViolation when the promise broke.
func attack(ctx context.Context, o options, stdout, stderr io.Writer) error {
	began := time.Now()
	chosen := slices.DeleteFunc(scenes(), func(s scene) bool {
		return len(o.only) > 0 && !slices.Contains(o.only, s.number) || o.noMount && s.mounts
	})
	if len(chosen) == 0 {
		return errors.New("--only and --no-mount leave nothing to play")
	}
	folder, err := os.MkdirTemp("", "assaybus-chaos-")
	if err != nil {
		return err
	}
	if slices.ContainsFunc(chosen, func(s scene) bool { return s.mounts }) {
		if err := mayMount(ctx, folder); err != nil {
			return errors.Join(err, os.RemoveAll(folder))
		}
	}
	if o.binary == "" {
		if o.binary, err = build(ctx, folder); err != nil {
			return errors.Join(err, os.RemoveAll(folder))
		}
	}
	fmt.Fprintf(stderr, "seed %d, folder %s\n", o.seed, folder)
	report := newReport(stderr, chosen)
	for round := uint64(0); ; round++ {
		playRound(ctx, o, folder, chosen, round, report)
		if ctx.Err() != nil || time.Since(began) >= o.length || report.violated() {
			break
		}
	}
	if err := report.write(stdout, o.json); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "took %v\n", time.Since(began).Round(time.Second))
	switch {
	case report.violated():
		return fmt.Errorf("%w; logs and data are in %s, seed %d", errViolation, folder, o.seed)
	case ctx.Err() != nil:
		return errors.Join(context.Cause(ctx), os.RemoveAll(folder))
	case o.keep:
		return nil
	}
	return os.RemoveAll(folder)
}

// playRound plays every chosen fault once, some at the same time.
func playRound(ctx context.Context, o options, folder string, chosen []scene, round uint64, report *report) {
	lanes := make(chan struct{}, o.lanes)
	var playing sync.WaitGroup
	for n, s := range chosen {
		lanes <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		playing.Go(func() {
			defer func() { <-lanes }()
			row := &Row{Fault: s.number, Title: s.title}
			place := filepath.Join(folder, fmt.Sprintf("round-%d", round+1), fmt.Sprintf("fault-%d-%d", s.number, n))
			report.begin(s)
			err := playScene(ctx, s, o, place, rand.New(rand.NewPCG(o.seed+round, uint64(n))), row)
			if err != nil && ctx.Err() == nil {
				row.wrong("%v", err)
			}
			report.end(s, n, row)
			if len(row.Problems) == 0 && !o.keep {
				_ = os.RemoveAll(place)
			}
		})
	}
	playing.Wait()
}

func playScene(ctx context.Context, s scene, o options, folder string, r *rand.Rand, row *Row) error {
	w, err := newWorld(ctx, folder, o.binary, r, row)
	if err != nil {
		return err
	}
	defer w.close()
	return s.play(w)
}
