//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// world is what one fault is played in: a bridge on data of its own, its
// analyzers, and the processes around them.
type world struct {
	ctx    context.Context
	folder string // of everything
	data   string // of the embedded bus
	binary string
	rand   *rand.Rand
	fleet  *fleet
	http   string
	nats   []string // settings of an external bus; nil = embedded
	bridge *process
	procs  started
	row    *Row
	undo   []func() // mounts, proxies; in reverse order at the end
}

// The bounds of one step.
const (
	readyLimit = 20 * time.Second // a bridge that starts
	takenLimit = 60 * time.Second // until every calm link is taken from again
	readLimit  = 2 * time.Minute  // reading the streams back
)

// newWorld makes the folder and the analyzers; nothing runs yet.
func newWorld(ctx context.Context, folder, binary string, r *rand.Rand, row *Row) (*world, error) {
	w := &world{ctx: ctx, folder: folder, data: filepath.Join(folder, "data"), binary: binary, rand: r, row: row}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	var err error
	if w.http, err = freePort(r); err != nil {
		return nil, err
	}
	if w.fleet, err = newFleet(r); err != nil {
		return nil, err
	}
	return w, w.fleet.writeInstruments(w.instruments())
}

func (w *world) instruments() string { return filepath.Join(w.folder, "instruments.yaml") }
func (w *world) log() string         { return filepath.Join(w.folder, "bridge.log") }

// settings is the environment of the bridge on data.
func (w *world) settings(data string) []string {
	bus := w.nats
	if bus == nil {
		bus = []string{"ASSAYBUS_NATS_LISTEN=none", "ASSAYBUS_DATA=" + data, "ASSAYBUS_STORE_MAX=1GiB"}
	}
	if privacytest.On() {
		bus = append(bus, "ASSAYBUS_LOG_LEVEL=debug")
	}
	return append([]string{
		"ASSAYBUS_INSTRUMENTS=" + w.instruments(), "ASSAYBUS_HTTP=" + w.http, "ASSAYBUS_SITE=chaos",
		"ASSAYBUS_PATIENCE=" + bridgePatience.String(), "ASSAYBUS_SHUTDOWN_GRACE=8s", "ASSAYBUS_LOG_FORMAT=json",
	}, bus...)
}

// serve starts the bridge; it need not be ready when serve returns.
func (w *world) serve() error {
	var err error
	w.bridge, err = w.procs.start("bridge", w.binary, []string{"serve"}, w.settings(w.data), w.log())
	return err
}

// begin starts the bridge and the analyzers and waits until every calm link
// had a message acknowledged.
func (w *world) begin() error {
	if err := w.serve(); err != nil {
		return err
	}
	if err := w.ready(true, readyLimit); err != nil {
		return err
	}
	if err := w.fleet.play(); err != nil {
		return err
	}
	return w.fleet.taken(w.ctx, make([]int, len(w.fleet.links)), takenLimit)
}

// ready waits until /readyz says so, or says the contrary.
func (w *world) ready(want bool, limit time.Duration) error {
	client := http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	return await(w.ctx, limit, func() error {
		if !w.bridge.running() {
			return fmt.Errorf("the bridge has ended (%w); see %s", w.bridge.err, w.log())
		}
		answer, err := client.Get("http://" + w.http + "/readyz")
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		_ = answer.Body.Close()
		if got := answer.StatusCode == http.StatusOK; got != want {
			return fmt.Errorf("/readyz answers %d: %s", answer.StatusCode, strings.TrimSpace(string(text)))
		}
		return nil
	})
}

// over counts a fault that ended just now and measures how long it is until
// every calm link is taken from again.
func (w *world) over() error {
	w.row.Faults++
	before, began := w.fleet.acknowledged(), time.Now()
	err := w.fleet.taken(w.ctx, before, takenLimit)
	w.row.Longest = max(w.row.Longest, time.Since(began))
	return err
}

// finish lets the analyzers finish, ends the bridge in order and compares.
func (w *world) finish() error {
	drained := w.fleet.drain()
	err := w.bridge.signal(sigTerm)
	if err == nil {
		err = w.bridge.wait(readyLimit)
	}
	if err := errors.Join(drained, err); err != nil {
		return err
	}
	return w.compare(w.data)
}

// compare adds the comparison of ledgers and streams to the row.
func (w *world) compare(data string) error {
	js, done, err := w.open(data)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(w.ctx, readLimit)
	defer cancel()
	t, err := compare(ctx, js, w.fleet, w.fleet.ledgers(), true)
	w.row.add(t)
	return errors.Join(err, w.panics())
}

// open reads the streams of a folder that no bridge uses, or of the external
// bus.
func (w *world) open(data string) (jetstream.JetStream, func(), error) {
	if w.nats == nil {
		b, err := broker.Open(w.ctx, broker.Config{Data: data, Listen: broker.ListenNone, StoreMax: 1 << 30})
		if err != nil {
			return nil, nil, err
		}
		return b.JetStream(), func() { _ = b.Close(context.WithoutCancel(w.ctx)) }, nil
	}
	url := strings.TrimPrefix(w.nats[0], "ASSAYBUS_NATS_URL=")
	nc, err := nats.Connect(url, nats.Timeout(5*time.Second), nats.RetryOnFailedConnect(true))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return js, nc.Close, err
}

// panics is a violation by itself, even where the bridge survived it.
func (w *world) panics() error {
	text, err := os.ReadFile(w.log())
	if err != nil {
		return err
	}
	for _, sign := range []string{"panic: ", "panic in a session", "fatal error: ", "DATA RACE"} {
		if strings.Contains(string(text), sign) {
			return fmt.Errorf("the bridge's log holds %q: see %s", sign, w.log())
		}
	}
	return nil
}

// close ends everything of the world, whatever state it is in.
func (w *world) close() {
	w.procs.end()
	if w.fleet != nil {
		if w.fleet.stop != nil {
			w.fleet.stop()
		}
		w.fleet.close()
	}
	for _, undo := range slices.Backward(w.undo) {
		undo()
	}
}
