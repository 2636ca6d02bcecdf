//go:build unix

package main

import (
	"fmt"
	"time"

	"github.com/assaybus/assaybus/bridge/simulator"
)

// How often and how long the process is struck in one round.
const (
	kills     = 52
	killWait  = 350 * time.Millisecond // the longest wait before a kill
	terms     = 5
	termLimit = 12 * time.Second // the bridge's grace and the closing of its bus
	stops     = 2
	stopShort = 4 * time.Second  // longer than what configuration can shorten
	stopLong  = 31 * time.Second // longer than the receiver's timer of 30 s
)

// playKill kills the bridge at random moments of its work and of its start.
func playKill(w *world) error {
	if err := w.begin(); err != nil {
		return err
	}
	for n := range kills {
		if !pause(w.ctx, time.Duration(w.rand.Int64N(int64(killWait)))) {
			return w.ctx.Err()
		}
		if err := w.bridge.kill(); err != nil {
			return err
		}
		if err := w.serve(); err != nil {
			return err
		}
		if n < kills-1 && w.rand.IntN(3) == 0 { // the next one strikes while it starts
			w.row.Faults++
			continue
		}
		if err := w.over(); err != nil {
			return fmt.Errorf("after SIGKILL %d: %w", n+1, err)
		}
	}
	return w.finish()
}

// playTerm asks the bridge to end while a message is on its way: it must
// finish, answer it, and end with exit code 0 inside its grace.
func playTerm(w *world) error {
	// One link sends byte by byte: a message of it is always on its way.
	slow := w.fleet.links[1]
	slow.plan = func(int, int) []simulator.Fault { return []simulator.Fault{simulator.FaultSlow, simulator.FaultSplit} }
	if err := w.begin(); err != nil {
		return err
	}
	for n := range terms {
		if err := await(w.ctx, takenLimit, func() error {
			if t := slow.ledger.Totals(); t.Sent == t.Acknowledged {
				return fmt.Errorf("no message of %s is on its way", slow.id)
			}
			return nil
		}); err != nil {
			return err
		}
		if !pause(w.ctx, time.Duration(w.rand.Int64N(int64(100*time.Millisecond)))) {
			return w.ctx.Err()
		}
		if err := w.bridge.signal(sigTerm); err != nil {
			return err
		}
		if err := w.bridge.wait(termLimit); err != nil {
			return fmt.Errorf("SIGTERM %d: %w", n+1, err)
		}
		if err := w.serve(); err != nil {
			return err
		}
		if err := w.over(); err != nil {
			return fmt.Errorf("after SIGTERM %d: %w", n+1, err)
		}
	}
	return w.finish()
}

// playStop freezes the bridge: its timers all expire at once when it goes on.
func playStop(w *world) error {
	if err := w.begin(); err != nil {
		return err
	}
	for n := range stops + 1 {
		length := stopShort
		if n == stops {
			length = stopLong
		}
		if err := w.bridge.signal(sigStop); err != nil {
			return err
		}
		if !pause(w.ctx, length) {
			return w.ctx.Err()
		}
		if err := w.bridge.signal(sigCont); err != nil {
			return err
		}
		if err := w.over(); err != nil {
			return fmt.Errorf("after %v of SIGSTOP: %w", length, err)
		}
		if !pause(w.ctx, time.Second) {
			return w.ctx.Err()
		}
	}
	return w.finish()
}
