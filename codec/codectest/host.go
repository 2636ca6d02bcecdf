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
	Raw    []byte
	Why    error
	Frames string
}

// Host records what a protocol gives it. The zero value stores everything
// and is always ready; its methods may be called at any time.
type Host struct {
	Damaged bool // its messages are damaged on purpose: what they have for ids are none

	mu         sync.Mutex
	answers    []error
	busy       error
	stored     [][]byte
	tries      int
	incomplete []Given
	events     map[codec.Event]int
	quirks     map[string]int
	detected   []string
	frames     string   // of the next message
	framed     []string // of the stored ones
	fault      error
}

var (
	_ codec.Host    = (*Host)(nil)
	_ codec.Meter   = (*Host)(nil)
	_ codec.Witness = (*Host)(nil)
	_ codec.Framer  = (*Host)(nil)
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

// Receive stores a copy of raw, or answers what was queued.
func (h *Host) Receive(_ context.Context, raw []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries++
	frames := h.framesOf(raw)
	if len(h.answers) > 0 {
		err := h.answers[0]
		h.answers = h.answers[1:]
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	h.hear(raw)
	h.stored, h.framed = append(h.stored, bytes.Clone(raw)), append(h.framed, frames)
	return nil
}

// hear has the ids of a message looked for in what is said.
func (h *Host) hear(raw []byte) {
	if !h.Damaged {
		privacytest.Message(raw)
	}
}

// Incomplete keeps a copy of raw.
func (h *Host) Incomplete(_ context.Context, raw []byte, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hear(raw)
	privacytest.Error(why)
	var frames string
	if !errors.Is(why, codec.ErrTooLarge) {
		frames = h.framesOf(raw)
	}
	h.incomplete = append(h.incomplete, Given{bytes.Clone(raw), why, frames})
}

// Frames keeps the list for the next message.
func (h *Host) Frames(list []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames = string(list)
}

// framesOf is the list of a message; one that does not account for every byte
// is a fault.
func (h *Host) framesOf(raw []byte) string {
	frames := h.frames
	h.frames = ""
	l, err := codec.ParseFrames(frames)
	if err == nil && l.Size() != len(raw) {
		err = fmt.Errorf("the frames %q are %d bytes, the message %d", frames, l.Size(), len(raw))
	}
	h.fault = errors.Join(h.fault, err)
	return frames
}

// Fault is nil when every message came with frames that account for all of its
// bytes.
func (h *Host) Fault() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fault
}

// Framed are the lists of frames of the messages that Receive took, in order.
func (h *Host) Framed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clip(h.framed)
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

// Stored are the messages that Receive took, in order.
func (h *Host) Stored() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clip(h.stored)
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
