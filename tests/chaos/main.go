//go:build unix

// Command chaos attacks the promise of the bridge: it runs the real program in
// processes of its own, plays numbered messages of simulated analyzers against
// it, kills, stops, cuts off, fills up and damages what the bridge stands on,
// and compares afterwards what the analyzers were told with what the streams
// hold. It prints one table and exits 1 on any violation.
//
//	go run ./tests/chaos            about two minutes, needs root to mount
//	go run ./tests/chaos --for 2h   a soak
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// natsCommand is the first argument of the harness's own nats-server.
const natsCommand = "nats"

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// errViolation is the promise broken, or a fault that could not be played.
var errViolation = errors.New("violations: see the table")

// options are what the harness was asked for.
type options struct {
	only    []int
	length  time.Duration // of a soak; 0 = every fault once
	seed    uint64
	lanes   int
	json    bool
	noMount bool
	keep    bool
	binary  string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], privacytest.Tee(privacytest.KindOutput, os.Stdout), privacytest.Tee(privacytest.KindOutput, os.Stderr))
	stop()
	os.Exit(code)
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == natsCommand {
		if err := runNode(ctx, args[1:], stderr); err != nil {
			fmt.Fprintf(stderr, "chaos nats: %v\n", err)
			return exitFailed
		}
		return exitOK
	}
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "chaos: %v\n", err)
		return exitUsage
	}
	if err := attack(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "chaos: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	only := ""
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&only, "only", "", "play only these faults, by number: 1,4")
	f.DurationVar(&o.length, "for", 0, "soak: play rounds of all faults until this long has passed (0: one round)")
	f.Uint64Var(&o.seed, "seed", 0, "of the random moments (0: a new one, which is printed)")
	f.IntVar(&o.lanes, "lanes", 3, "faults played at the same time, each against a bridge of its own")
	f.BoolVar(&o.json, "json", false, "one JSON object per row in place of the table")
	f.BoolVar(&o.noMount, "no-mount", false, "leave out the faults that mount a file system (needs no root)")
	f.BoolVar(&o.keep, "keep", false, "keep folders and logs even when nothing is wrong")
	f.StringVar(&o.binary, "binary", "", "the assaybus to attack (default: built from ./cmd/assaybus)")
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: chaos [flags]\n\nfaults:")
		for _, s := range byNumber() {
			fmt.Fprintf(stderr, "  %d  %s\n", s.number, s.title)
		}
		fmt.Fprintln(stderr, "\nflags:")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.lanes < 1 || o.length < 0 {
		return o, errors.New("--lanes must be at least 1 and --for not negative")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	var err error
	o.only, err = numbers(only)
	return o, err
}

// numbers reads "1,4": numbers of faults that exist; none for "".
func numbers(text string) ([]int, error) {
	var list []int
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		n, err := strconv.Atoi(item)
		if err != nil || !slices.ContainsFunc(scenes(), func(s scene) bool { return s.number == n }) {
			return nil, fmt.Errorf("--only: no fault has the number %q", item)
		}
		list = append(list, n)
	}
	return list, nil
}
