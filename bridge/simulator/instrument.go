// Package simulator plays instruments: it sends numbered messages to a bridge
// with [codec.Protocol.Send], repeats what was not acknowledged as an analyzer
// does, misbehaves on request, and keeps a ledger of what it was told. It
// knows no protocol but through package codec; the control characters named in
// line.go are only what a fault needs to know where it may strike.
package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// Instrument is one simulated analyzer on one connection at a time. Fill the
// fields, then call [Instrument.Run] once; several instruments may share a
// Next that is safe for concurrent use, a Ledger and a [Listener].
type Instrument struct {
	// Name is what logs call it.
	Name string
	// Connect makes the next connection to the bridge: [Dial], or
	// [Listener.Connect] when the bridge calls the instrument.
	Connect func(ctx context.Context) (net.Conn, error)
	// Protocol is built with codec.RoleInstrument.
	Protocol codec.Protocol
	// Next gives the next message to play; false ends the play. [Source.Next]
	// is one.
	Next func() (raw []byte, ok bool)
	// Rate is messages per second; 0 = as fast as they are acknowledged.
	Rate float64
	// Attempts is how often a message is sent before the next one is taken;
	// 0 = until it is acknowledged, as an analyzer does.
	Attempts int
	// Patience ends an attempt when a reply takes longer, as analyzers do that
	// do not wait for the standard's timers; 0 = the protocol's own timers.
	Patience time.Duration
	// Pause is the wait after a refusal before the message is sent again;
	// 0 = 10 s (LIS01-A2 §6.2.6).
	Pause time.Duration
	// Grace is how long the message in progress may go on, repeats included,
	// when Run's context has ended; 0 = 5 s.
	Grace time.Duration
	// Silence is how long the half-open fault says nothing; 0 = 3 s.
	Silence time.Duration
	// Backoff bounds the wait before a new connection; 0 = 5 s. The first wait
	// is a hundredth of it, and it starts anew with every acknowledgement.
	Backoff time.Duration
	// Faults are the chances of misbehaviour, per attempt; nil = none.
	Faults Chances
	// Plan, when not nil, decides in place of Faults which faults strike the
	// attempt (from 1) of the message (from 1).
	Plan func(message, attempt int) []Fault
	// Seed makes the play of the faults repeatable.
	Seed uint64
	// Host takes what the bridge sends to the instrument; nil = everything is
	// accepted and counted in the ledger.
	Host codec.Host
	// Ledger notes every message; nil = one of its own.
	Ledger *Ledger
	// Log gets connections and failures, never content; nil = nothing.
	Log *slog.Logger
}

// ErrUnacknowledged means that the play ended with messages that the bridge
// has not acknowledged.
var ErrUnacknowledged = errors.New("messages without acknowledgement")

// errSetup is an Instrument that lacks what it cannot do without.
var errSetup = errors.New("the instrument needs Connect, Protocol and Next")

// The values that a zero in [Instrument] means.
const (
	DefaultPause   = 10 * time.Second
	DefaultGrace   = 5 * time.Second
	DefaultSilence = 3 * time.Second
	DefaultBackoff = 5 * time.Second
)

// Run plays until Next ends or ctx does. After ctx no message is begun; the
// one in progress has Grace to be acknowledged. It returns nil when everything
// it sent was acknowledged, otherwise an error wrapping [ErrUnacknowledged];
// no goroutine and no connection of it outlives the return.
func (i *Instrument) Run(ctx context.Context) error {
	if i.Connect == nil || i.Protocol == nil || i.Next == nil {
		return errSetup
	}
	hard, cancel := graceful(ctx, or(i.Grace, DefaultGrace))
	defer cancel()
	p := newPlayer(ctx, hard, i)
	defer p.hangUp()
	for {
		raw, ok := i.Next() // before the wait: after the last message there is none
		if !ok || !p.pace() {
			break
		}
		p.play(raw)
	}
	if p.open > 0 {
		return fmt.Errorf("%d %w: look at the bridge's link events for the refusals", p.open, ErrUnacknowledged)
	}
	return nil
}

// graceful is a context that ends d after ctx does.
func graceful(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		select {
		case <-time.After(d):
			cancel()
		case <-hard.Done():
		}
	})
	return hard, func() {
		cancel()
		if !stop() {
			<-over
		}
	}
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
