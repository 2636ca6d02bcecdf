package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// How often the watcher looks, and how it restarts a frozen server.
const (
	lookEvery    = 500 * time.Millisecond
	streamsEvery = 2 * time.Second
	backoffMin   = time.Second
	backoffMax   = 30 * time.Second
	wellAfter    = time.Minute // healthy for so long forgets the back-off
	askAgain     = 50 * time.Millisecond
	believeIn    = 2 * time.Second // how long an illness that may pass must last
	probeBytes   = 1 << 20
)

// Healthy is [bridge.Publisher]'s: nil when messages can be stored now. The
// answer is at most half a second old, two seconds with an external server or
// where the embedded one is not sure of an illness.
func (b *Bus) Healthy() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sick
}

// healthyEpoch is the context that ends when the bus turns unhealthy.
func (b *Bus) healthyEpoch() (context.Context, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.epoch, b.sick
}

// setSick records why the bus cannot store, and ends the publications in
// flight; nil is recovery. Each change is said once.
func (b *Bus) setSick(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.sick
	b.sick = err
	switch {
	case err != nil && was == nil:
		b.end(err)
		if !errors.Is(err, ErrClosed) {
			b.log.Error("bus cannot store; instruments are refused", "error", err)
		}
	case err == nil && was != nil:
		b.epoch, b.end = context.WithCancelCause(context.Background())
		b.log.Info("bus stores again")
	}
}

// look has the watcher look now.
func (b *Bus) look() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// unanswered is a publication without an answer. The embedded server is asked
// at once; an external one is held to be ill until it answers again.
func (b *Bus) unanswered(err error) {
	if errors.Is(err, context.Canceled) {
		return // the caller gave up, the bus said nothing
	}
	if b.srv == nil && b.Healthy() == nil {
		b.setSick(fmt.Errorf("%s did not confirm a message: %w; check the server's disk and log, and this user's permissions", b.place(), err))
	}
	b.look()
}

// watch keeps Healthy true to the facts until ctx ends.
func (b *Bus) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var streams time.Time // when they were last asked
	var r restarts
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-b.kick:
		}
		var err error
		if b.srv != nil {
			err = b.heal(ctx, &r)
		}
		if err == nil && !b.nc.IsConnected() {
			err = fmt.Errorf("%s: %w; it is tried again for ever", b.place(), nats.ErrDisconnected)
		}
		if err == nil && time.Since(streams) >= streamsEvery {
			streams = time.Now()
			err = b.readStreams(ctx)
		} else if err == nil && b.Healthy() != nil && b.srv == nil {
			continue // an external server's recovery is the streams' to say
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			streams = time.Time{}
		}
		b.setSick(err)
	}
}

// restarts is the back-off between restarts of the embedded server. The first
// one is due at once.
type restarts struct {
	wait time.Duration
	next time.Time // not before
	well time.Time // healthy since; zero = ill
}

// healthy forgets the back-off after a minute without an illness.
func (r *restarts) healthy(now time.Time) {
	if r.well.IsZero() {
		r.well = now
	}
	if now.Sub(r.well) >= wellAfter {
		r.wait, r.next = 0, time.Time{}
	}
}

// ill tells whether a restart is due.
func (r *restarts) ill(now time.Time) bool {
	r.well = time.Time{}
	return !now.Before(r.next)
}

// spent doubles the wait before the next restart.
func (r *restarts) spent(now time.Time) {
	r.wait = min(max(2*r.wait, backoffMin), backoffMax)
	r.next = now.Add(r.wait)
}

// heal asks the embedded server how it is and replaces it when a stream is
// frozen: after a write error only a restart opens the stream again. It waits
// until the disk takes a probe, so a full disk costs no restarts.
func (b *Bus) heal(ctx context.Context, r *restarts) error {
	now := time.Now()
	ill := b.srv.unhealthy(ctx)
	if ill == nil {
		r.healthy(now)
		return nil
	}
	err := fmt.Errorf("store folder %s: %w; make room on the disk or repair it, the bus then recovers by itself", b.c.Data, ill)
	b.setSick(err) // now: a restart takes a while
	if !r.ill(now) {
		return err
	}
	if probe := b.srv.probe(); probe != nil {
		return fmt.Errorf("store folder %s: %w (%w); make room on the disk or repair it, the bus then recovers by itself", b.c.Data, ill, probe)
	}
	r.spent(now)
	b.log.Warn("restarting the embedded server", "reason", ill, "next", r.wait)
	if err := b.restart(ctx); err != nil {
		return err
	}
	if err := b.srv.unhealthy(ctx); err != nil {
		return fmt.Errorf("store folder %s: %w; make room on the disk or repair it", b.c.Data, err)
	}
	return b.readStreams(ctx)
}

// restart replaces the embedded server and waits for the client to find the
// new one.
func (b *Bus) restart(ctx context.Context) error {
	b.restarting.Lock()
	defer b.restarting.Unlock()
	b.srv.shut()
	if err := b.srv.start(); err != nil {
		return err
	}
	b.stage()
	if err := b.nc.ForceReconnect(); err != nil {
		return fmt.Errorf("reconnect to the embedded server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for !b.nc.IsConnected() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("reconnect to the embedded server: %w", context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// probe writes a MiB to the store folder, as durably as a message.
func (e *embedded) probe() error {
	name := filepath.Join(e.c.Data, "assaybus.probe")
	defer os.Remove(name)
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, probeBytes)); err != nil {
		return err
	}
	return f.Sync()
}

// unhealthy is the server's own opinion of its streams; nil when they are well.
func (e *embedded) unhealthy(ctx context.Context) error { return believed(ctx, e.opinion) }

// opinion is what the server says of itself now. It is not sure where the next
// moment may say otherwise: it calls itself not ready when the question is
// interrupted for a millisecond, and a stream of any program lost while that is
// made or removed.
func (e *embedded) opinion() (ill error, sure bool) {
	s := e.current()
	if s == nil || !s.Running() {
		return errors.New("the embedded server is not running"), true
	}
	for _, h := range s.Healthz(&server.HealthzOptions{Details: true}).Errors {
		switch {
		case h.Type == server.HealthzErrorStream && strings.HasPrefix(h.Stream, "."):
			// removed; its blocks are being deleted
		case h.Type == server.HealthzErrorJetStream, strings.Contains(h.Error, "write error"):
			return errors.New(h.Error), true
		case ill == nil:
			ill = errors.New(h.Error)
		}
	}
	return ill, false
}

// believed asks until the answer is well or sure, or has been ill for two
// seconds: every illness ends the publications in flight.
func believed(ctx context.Context, ask func() (ill error, sure bool)) error {
	for left := believeIn; ; left -= askAgain {
		ill, sure := ask()
		if ill == nil || sure || left <= 0 {
			return ill
		}
		select {
		case <-ctx.Done():
			return ill
		case <-time.After(askAgain):
		}
	}
}
