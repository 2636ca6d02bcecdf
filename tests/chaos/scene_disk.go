//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/bridge/simulator"
)

// The disk in one round.
const (
	fills       = 2
	fullFor     = 3 * time.Second
	againAfter  = 2 * time.Second // from room on the disk until the bridge is ready
	powerCuts   = 3
	powerWait   = 1500 * time.Millisecond // the longest wait before one
	ackInFlight = 30 * time.Millisecond   // what was sent before the stop is read by then
)

// playDisk fills the file system of the store and frees it again.
func playDisk(w *world) error {
	unmount, err := makeDisk(w.ctx, filepath.Join(w.folder, "disk.img"), w.data)
	if err != nil {
		return err
	}
	w.undo = append(w.undo, unmount)
	if err := w.begin(); err != nil {
		return err
	}
	ballast := filepath.Join(w.data, "ballast")
	for n := range fills {
		// The log of the bridge is elsewhere: only its store runs full.
		if err := await(w.ctx, readyLimit, func() error {
			if err := fillDisk(ballast); err != nil {
				return err
			}
			return w.ready(false, time.Second)
		}); err != nil {
			return fmt.Errorf("disk full %d: the bridge does not say so: %w", n+1, err)
		}
		before := w.fleet.acknowledged()
		if !pause(w.ctx, fullFor) {
			return w.ctx.Err()
		}
		for i, got := range w.fleet.acknowledged() {
			if got > before[i]+1 { // one may have been on its way
				w.row.wrong("disk full %d: %s was acknowledged %d messages", n+1, w.fleet.links[i].id, got-before[i])
			}
		}
		if err := os.Remove(ballast); err != nil {
			return err
		}
		freed := time.Now()
		if err := w.ready(true, readyLimit); err != nil {
			return fmt.Errorf("disk freed %d: %w", n+1, err)
		}
		if took := time.Since(freed); took > againAfter {
			w.row.wrong("disk freed %d: ready again after %v, want %v", n+1, took.Round(time.Millisecond), againAfter)
		}
		if err := w.over(); err != nil {
			return fmt.Errorf("disk freed %d: %w", n+1, err)
		}
	}
	return w.finish()
}

// errNoCut is a snapshot that would prove nothing.
var errNoCut = errors.New("the snapshot holds bytes that were never synced: it is no power cut")

// playPower copies the block device right after an acknowledgement, as a power
// cut would leave it, and reads the copy back.
func playPower(w *world) error {
	image := filepath.Join(w.folder, "disk.img")
	mounted := filepath.Join(w.folder, "disk")
	unmount, err := makeDisk(w.ctx, image, mounted)
	if err != nil {
		return err
	}
	w.undo = append(w.undo, unmount)
	w.data = filepath.Join(mounted, "data")
	if err := w.begin(); err != nil {
		return err
	}
	for n := range powerCuts {
		if !pause(w.ctx, time.Duration(w.rand.Int64N(int64(powerWait)))) {
			return w.ctx.Err()
		}
		copied := filepath.Join(w.folder, fmt.Sprintf("cut-%d.img", n+1))
		told, err := w.cutPower(image, copied, filepath.Join(mounted, fmt.Sprintf("unsynced-%d", n+1)))
		if err != nil {
			return err
		}
		if err := w.readCut(copied, filepath.Join(w.folder, fmt.Sprintf("cut-%d", n+1)), fmt.Sprintf("unsynced-%d", n+1), told); err != nil {
			return fmt.Errorf("power cut %d: %w", n+1, err)
		}
	}
	return w.finish()
}

// cutPower stops the bridge right after an acknowledgement and copies the
// device. It returns what the analyzers had been told by then. unsynced is a
// file that is written and not synced: the copy must not have its content.
func (w *world) cutPower(image, copied, unsynced string) (map[*link][]simulator.Entry, error) {
	before := w.fleet.acknowledged()
	if err := await(w.ctx, takenLimit, func() error {
		for n, got := range w.fleet.acknowledged() {
			if got > before[n] {
				return nil
			}
		}
		return errors.New("nothing was acknowledged")
	}); err != nil {
		return nil, err
	}
	if err := w.bridge.signal(sigStop); err != nil {
		return nil, err
	}
	if !pause(w.ctx, ackInFlight) {
		return nil, w.ctx.Err()
	}
	told := w.fleet.ledgers()
	err := os.WriteFile(unsynced, []byte("lost in the power cut"), 0o600)
	if err == nil {
		err = snapshot(image, copied)
	}
	if err := errors.Join(err, w.bridge.signal(sigCont)); err != nil {
		return nil, err
	}
	return told, w.over()
}

// readCut mounts the copy elsewhere and compares.
func (w *world) readCut(copied, folder, unsynced string, told map[*link][]simulator.Entry) error {
	unmount, err := mountDisk(w.ctx, copied, folder)
	if err != nil {
		return err
	}
	defer func() {
		unmount()
		_ = os.Remove(copied)
	}()
	if text, err := os.ReadFile(filepath.Join(folder, unsynced)); err == nil && len(text) > 0 && text[0] != 0 {
		return errNoCut
	}
	b, err := broker.Open(w.ctx, broker.Config{Data: filepath.Join(folder, "data"), Listen: broker.ListenNone, StoreMax: 1 << 30})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(context.WithoutCancel(w.ctx)) }()
	ctx, cancel := context.WithTimeout(w.ctx, readLimit)
	defer cancel()
	t, err := compare(ctx, b.JetStream(), w.fleet, told, false)
	w.row.Lost += t.Lost // the rest is counted once, at the end
	w.row.Wrong += t.Wrong
	for _, p := range t.Problems {
		w.row.problem("after the cut: " + p)
	}
	return err
}
