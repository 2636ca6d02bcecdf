package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// store is a folder for the next server.
func (b *bench) store() string {
	b.folders++
	return filepath.Join(b.dir, fmt.Sprint("store-", b.folders))
}

// with runs f against an assaybus on an empty store.
func (b *bench) with(ctx context.Context, f func(*process) error, tracer ...string) error {
	store := b.store()
	p, err := b.serve(ctx, store, tracer...)
	if err != nil {
		return err
	}
	err = f(p)
	if e := p.stop(); err == nil {
		err = e
	}
	if e := os.RemoveAll(store); err == nil {
		err = e
	}
	return err
}

// rates compares assaybus with the bare server at every number of
// connections, one after the other so that both meet the same machine.
func (b *bench) rates(ctx context.Context) error {
	fmt.Fprintf(b.out, "%-5s %11s %12s %12s %7s   %s\n", "", "connections", "bare/s", "durable/s", "ratio", "acknowledgement p50 p90 p99 max")
	for _, protocol := range []string{"hl7", "astm"} {
		plain, err := b.bare(ctx, protocol)
		if err != nil {
			return err
		}
		err = b.with(ctx, func(p *process) error {
			for _, n := range b.connections {
				r := rate{Protocol: protocol, Connections: n}
				if r.Bare, err = b.simulate(ctx, plain, protocol, n, 0); err != nil {
					return err
				}
				if r.Durable, err = b.simulate(ctx, p, protocol, n, 0); err != nil {
					return err
				}
				r.Ratio = r.Durable.Rate / r.Bare.Rate
				b.result.Rates = append(b.result.Rates, r)
				fmt.Fprintf(b.out, "%-5s %11d %12.0f %12.0f %7.3f   %s\n", protocol, n, r.Bare.Rate, r.Durable.Rate, r.Ratio, r.Durable.latencies())
			}
			return nil
		})
		if e := plain.stop(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintln(b.out)
	return nil
}

// latency is at 100 connections and half of what they reach.
func (b *bench) latency(ctx context.Context) error {
	return b.with(ctx, func(p *process) error {
		full, err := b.simulate(ctx, p, "hl7", 100, 0)
		if err != nil {
			return err
		}
		if b.result.Half, err = b.simulate(ctx, p, "hl7", 100, full.Rate/2); err != nil {
			return err
		}
		fmt.Fprintf(b.out, "hl7, 100 connections at half of %.0f/s: %.0f/s, acknowledgement %s\n\n", full.Rate, b.result.Half.Rate, b.result.Half.latencies())
		return nil
	})
}

// startUp is the time until connections are taken with messages stored, and
// what those cost every further message.
func (b *bench) startUp(ctx context.Context) error {
	for _, n := range []int{fewStored, b.stored / 2, b.stored} {
		store := b.store()
		if err := fill(ctx, store, n); err != nil {
			return err
		}
		p, err := b.serve(ctx, store)
		if err != nil {
			return err
		}
		var l load
		if err = p.settle(ctx); err == nil {
			l, err = b.simulate(ctx, p, "hl7", 100, 0)
		}
		if e := p.stop(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		b.result.Starts = append(b.result.Starts, start{Stored: n, Took: seconds(p.started), Durable: l})
		fmt.Fprintf(b.out, "start with %d messages stored: %v; then hl7, 100 connections: %.0f durable/s, acknowledgement %s\n", n, seconds(p.started).round(), l.Rate, l.latencies())
		if err := os.RemoveAll(store); err != nil {
			return err
		}
	}
	fmt.Fprintln(b.out)
	return nil
}

// fewStored is what the costs of more are compared with.
const fewStored = 1000

// fill stores n messages, half raw and half parsed, under one instrument.
func fill(ctx context.Context, store string, n int) error {
	bus, err := broker.Open(ctx, broker.Config{Data: store, Listen: broker.ListenNone})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var next atomic.Int64
	failures := make(chan error, 1000)
	body := []byte(message("hl7"))
	for range cap(failures) {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				p := bridge.Publication{Stream: subjects.StreamRaw, Subject: subjects.Raw("main", "hl7"), ID: fmt.Sprint("fill-", i), Body: body}
				if i%2 == 0 {
					p.Stream, p.Subject = subjects.StreamParsed, subjects.Parsed("main", "hl7", "result")
				}
				if _, err := bus.Publish(ctx, p); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wg.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	err = bus.Close(closing)
	select {
	case err = <-failures:
	default:
	}
	return err
}

// slowDisk delays every fsync of the server by 5 ms. There is no hook for it
// in nats-server; strace stops the process at each of them. Its two O_SYNC
// writes per batch are not delayed.
func (b *bench) slowDisk(ctx context.Context) error {
	strace, err := exec.LookPath("strace")
	if err != nil {
		fmt.Fprint(b.out, "slow disk: not measured, strace is not installed\n\n")
		return nil
	}
	tracer := []string{strace, "-f", "-D", "--seccomp-bpf", "-qq", "-o", os.DevNull, "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=5000"}
	return b.with(ctx, func(p *process) error {
		for _, n := range []int{1, 100, 1000} {
			l, err := b.simulate(ctx, p, "hl7", n, 0)
			if err != nil {
				return err
			}
			b.result.Slow = append(b.result.Slow, rate{Protocol: "hl7", Connections: n, Durable: l})
			fmt.Fprintf(b.out, "hl7, %d connections, fsync delayed 5 ms: %.0f durable/s, acknowledgement %s\n", n, l.Rate, l.latencies())
		}
		fmt.Fprintln(b.out)
		return nil
	}, tracer...)
}

// fsyncTime is the median of appending a kilobyte and syncing it.
func fsyncTime(dir string) (seconds, error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	took := make([]time.Duration, 500)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(make([]byte, 1024)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return seconds(took[len(took)/2]), nil
}

func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(data))[0]
}
