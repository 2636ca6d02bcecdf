// Bench measures the real program as a process: message rates against a bare
// server that only frames and acknowledges, latency, memory of idle
// connections and of large messages, start-up, and a slow disk. Everything
// runs on this machine over loopback; every acknowledgement that it counts of
// assaybus stands for raw and parsed on disk. Ratios of one run are what to
// compare; `go test -bench` has the costs of single functions.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bench is one run and what it found.
type bench struct {
	program     string // assaybus
	dir         string
	folders     int
	seconds     time.Duration
	connections []int
	idle        int
	stored      int
	limit       time.Duration // of everything

	out    io.Writer
	result report
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parts are what can be measured, in their order.
var parts = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"rate", (*bench).rates},
	{"latency", (*bench).latency},
	{"idle", (*bench).idleConnections},
	{"memory", (*bench).largeMessages},
	{"start", (*bench).startUp},
	{"slow", (*bench).slowDisk},
}

func run(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == "bare" {
		return bare(ctx, args[1], args[2])
	}
	b := bench{out: os.Stdout}
	var only, conns, out string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&b.program, "program", "./assaybus", "the assaybus to measure")
	f.StringVar(&b.dir, "dir", "", "folder for stores, on the disk to measure (default: the system's for temporary files)")
	f.StringVar(&only, "parts", "rate,latency,idle,memory,start,slow", "what to measure")
	f.StringVar(&conns, "connections", "1,16,100,1000", "numbers of connections of the rates")
	f.DurationVar(&b.seconds, "for", 4*time.Second, "how long each rate is measured")
	f.IntVar(&b.idle, "idle", 10_000, "idle connections")
	f.IntVar(&b.stored, "stored", 200_000, "messages stored before start-up is measured; half as many and 1000 are measured too")
	f.DurationVar(&b.limit, "limit", 8*time.Minute, "give up after this long")
	f.StringVar(&out, "out", "bench.json", "where the result goes")
	if err := f.Parse(args); err != nil {
		return err
	}
	for c := range strings.SplitSeq(conns, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 {
			return fmt.Errorf("--connections: numbers from 1, with commas between (got %q)", conns)
		}
		b.connections = append(b.connections, n)
	}
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	if err := b.measure(ctx, strings.Split(only, ",")); err != nil {
		return err
	}
	data, err := json.MarshalIndent(b.result, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(data, '\n'), 0o600)
}

// measure runs the parts asked for in a folder of its own.
func (b *bench) measure(ctx context.Context, only []string) (err error) {
	for _, name := range only {
		if !slices.ContainsFunc(parts, func(p struct {
			name string
			run  func(*bench, context.Context) error
		}) bool {
			return p.name == name
		}) {
			return fmt.Errorf("--parts: %q is none", name)
		}
	}
	if b.dir, err = os.MkdirTemp(b.dir, "assaybus-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	b.result = report{At: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if b.result.Fsync, err = fsyncTime(b.dir); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%s, %s, %d CPUs, load %s, one append+fsync takes %v (median)\n\n", b.result.At.Format(time.RFC3339), b.result.System, b.result.CPUs, loadAverage(), b.result.Fsync.round())
	for _, p := range parts {
		if slices.Contains(only, p.name) {
			if err := p.run(b, ctx); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	b.result.goals(b.out)
	return nil
}
