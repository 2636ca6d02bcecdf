package codectest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// ErrStore is the answer of [Host.Receive] to a "store fail".
var ErrStore = errors.New("store out of order")

// Given is what a Host was given by [Host.Incomplete].
type Given struct {
	codec.Delivery
	Why error
}

// Host records what a protocol gives it. The zero value stores everything
// and is always ready; its methods may be called at any time.
type Host struct {
	Damaged bool // its messages are damaged on purpose: what they have for ids are none

	mu         sync.Mutex
	answers    []error
	busy       error
	received   []codec.Delivery
	tries      int
	incomplete []Given
	events     map[codec.Event]int
	quirks     map[string]int
	detected   []string
	fault      error
}

var (
	_ codec.Host    = (*Host)(nil)
	_ codec.Meter   = (*Host)(nil)
	_ codec.Witness = (*Host)(nil)
)

// Answer queues answers of Receive; with none left it stores.
func (h *Host) Answer(errs ...error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers = append(h.answers, errs...)
}

// SetReady is what Ready answers from now on.
func (h *Host) SetReady(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = err
}

// Receive stores a copy of d, or answers what was queued.
func (h *Host) Receive(_ context.Context, d codec.Delivery) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries++
	h.account(d)
	if len(h.answers) > 0 {
		err := h.answers[0]
		h.answers = h.answers[1:]
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	h.received = append(h.received, h.take(d))
	return nil
}

// take is a copy of d, whose ids are looked for in what is said from now on.
func (h *Host) take(d codec.Delivery) codec.Delivery {
	if !h.Damaged {
		privacytest.Message(d.Raw)
	}
	d.Raw, d.Frames, d.Quirks = bytes.Clone(d.Raw), bytes.Clone(d.Frames), slices.Clone(d.Quirks)
	return d
}

// Incomplete keeps a copy of d.
func (h *Host) Incomplete(_ context.Context, d codec.Delivery, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	privacytest.Error(why)
	if !errors.Is(why, codec.ErrTooLarge) {
		h.account(d)
	}
	h.incomplete = append(h.incomplete, Given{h.take(d), why})
}

// account notes as a fault frames that do not account for every byte of a
// message, and tolerances that stand in it twice.
func (h *Host) account(d codec.Delivery) {
	l, err := codec.ParseFrames(string(d.Frames))
	if err == nil && l.Size() != len(d.Raw) {
		err = fmt.Errorf("the frames %q are %d bytes, the message %d", d.Frames, l.Size(), len(d.Raw))
	}
	h.fault = errors.Join(h.fault, err)
	for n, quirk := range d.Quirks {
		if slices.Contains(d.Quirks[:n], quirk) {
			h.fault = errors.Join(h.fault, fmt.Errorf("the quirk %s stands twice", quirk))
		}
	}
}

// Fault is nil when every message came with frames that account for all of its
// bytes, and with each tolerance once.
func (h *Host) Fault() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fault
}

// Received are the messages that Receive took, in order.
func (h *Host) Received() []codec.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clip(h.received)
}

// Ready is nil, or what SetReady said.
func (h *Host) Ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.busy
}

// Count counts.
func (h *Host) Count(event codec.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.events = map[codec.Event]int{}
	}
	h.events[event]++
	privacytest.Text(privacytest.KindError, string(event))
}

// Quirk counts.
func (h *Host) Quirk(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.quirks == nil {
		h.quirks = map[string]int{}
	}
	h.quirks[name]++
	privacytest.Text(privacytest.KindError, name)
}

// Detected keeps the protocol's name.
func (h *Host) Detected(protocol string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.detected = append(h.detected, protocol)
}

// Stored are the bytes of the messages that Receive took, in order.
func (h *Host) Stored() [][]byte {
	var all [][]byte
	for _, d := range h.Received() {
		all = append(all, d.Raw)
	}
	return all
}

// Tries is how often Receive was called.
func (h *Host) Tries() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tries
}

// GivenUp is what Incomplete was given, in order.
func (h *Host) GivenUp() []Given {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clip(h.incomplete)
}

// Events is how often event was counted.
func (h *Host) Events(event codec.Event) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[event]
}

// Names are the quirks that were noted and the events that were counted.
func (h *Host) Names() (quirks, events []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for e := range h.events {
		events = append(events, string(e))
	}
	return slices.Collect(maps.Keys(h.quirks)), events
}

// Quirks is how often the quirk was noted.
func (h *Host) Quirks(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.quirks[name]
}

// Protocols are the names that Detected was told, in order.
func (h *Host) Protocols() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clip(h.detected)
}
