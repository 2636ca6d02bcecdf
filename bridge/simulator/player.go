package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// player is one Run: everything in it belongs to the goroutine of that Run.
type player struct {
	*Instrument
	ctx    context.Context // begin new messages
	hard   context.Context // finish the one in progress
	ledger *Ledger
	host   codec.Host
	log    *slog.Logger
	rand   *rand.Rand

	line    *line // nil = not connected
	release func() bool
	delay   time.Duration // before the next connection
	due     time.Time     // of the next message
	played  int           // messages begun
	open    int           // messages given up without acknowledgement
}

// faultyAttempts bounds how often faults strike one message, so that every
// message gets through in the end.
const faultyAttempts = 3

func newPlayer(ctx, hard context.Context, i *Instrument) *player {
	p := &player{Instrument: i, ctx: ctx, hard: hard, ledger: i.Ledger, host: i.Host, log: i.Log}
	if p.ledger == nil {
		p.ledger = NewLedger()
	}
	if p.host == nil {
		p.host = taker{p.ledger}
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.log = p.log.With("instrument", i.Name)
	p.rand = rand.New(rand.NewPCG(i.Seed, i.Seed^0x9e3779b97f4a7c15))
	p.due = time.Now()
	return p
}

// pace connects and waits until the next message is due; false means that the
// play is over.
func (p *player) pace() bool {
	for p.ctx.Err() == nil {
		if !p.connect(p.ctx) {
			return false
		}
		if now := time.Now(); !p.due.After(now) {
			p.schedule(now)
			return true
		}
		p.idle(p.ctx, p.due)
	}
	return false
}

// schedule sets when the message after the one of now is due. What could not
// be sent in time is not made up for by a burst.
func (p *player) schedule(now time.Time) {
	if p.Rate <= 0 {
		p.due = now
		return
	}
	interval := time.Duration(float64(time.Second) / p.Rate)
	if p.due = p.due.Add(interval); p.due.Before(now) {
		p.due = now
	}
}

// play sends one message until it is acknowledged, rejected, out of attempts
// or out of time.
func (p *player) play(raw []byte) {
	p.played++
	digest := p.ledger.begin(raw)
	for attempt := 1; p.Attempts == 0 || attempt <= p.Attempts; attempt++ {
		if !p.connect(p.hard) {
			break
		}
		err := p.send(digest, raw, attempt)
		if err == nil {
			p.delay = 0
			if p.line.answered() {
				p.ledger.acknowledge(digest, p.line.latency)
			} else {
				p.ledger.unanswer()
			}
			p.listen()
			return
		}
		p.ledger.fail(err)
		p.log.Info("message not acknowledged", "message", p.played, "attempt", attempt, "reason", err)
		if final(err) {
			p.ledger.reject(digest)
			p.open++
			return
		}
		p.regain(err)
		if p.hard.Err() != nil {
			break
		}
	}
	p.open++
}

// send makes one attempt, with the faults that its turn brings.
func (p *player) send(digest Digest, raw []byte, attempt int) error {
	ctx, cancel := context.WithCancelCause(p.hard)
	defer cancel(nil)
	p.line.arm(p.faults(attempt), len(raw), func() { cancel(errPatience) })
	defer p.line.disarm()
	p.ledger.attempt(digest)
	err := p.Protocol.Send(ctx, p.line, raw)
	if err != nil && errors.Is(context.Cause(ctx), errPatience) {
		return fmt.Errorf("%w: %w after %v", codec.ErrNoReply, errPatience, p.Patience)
	}
	return err
}

func (p *player) faults(attempt int) []Fault {
	switch {
	case p.Plan != nil:
		return p.Plan(p.played, attempt)
	case attempt <= faultyAttempts:
		return p.Faults.roll(p.rand)
	}
	return nil
}

// final reports whether repeating the message cannot help.
func final(err error) bool {
	return errors.Is(err, codec.ErrReject) || errors.Is(err, codec.ErrUnknownContent) || errors.Is(err, codec.ErrTooLarge)
}

// regain brings the line to where the message can be sent again.
func (p *player) regain(err error) {
	struck := p.line.struck
	switch {
	case errors.Is(struck, errAborted):
		// The line is neutral: EOT was sent.
	case errors.Is(struck, errSilent):
		sleep(p.hard, or(p.Silence, DefaultSilence))
		p.hangUp()
	case struck == nil && errors.Is(err, codec.ErrYield):
		p.serve()
	case struck == nil && errors.Is(err, codec.ErrRefused):
		p.idle(p.hard, time.Now().Add(or(p.Pause, DefaultPause)))
	case struck == nil && errors.Is(err, codec.ErrNoReply) && p.line.swallowed:
		// The reply came and we lost it: none is on its way that could be
		// taken for the answer to something else.
	default:
		p.hangUp()
	}
}

// idle lets time pass and serves what the bridge sends meanwhile. It returns
// early when the connection or ctx ends.
func (p *player) idle(ctx context.Context, until time.Time) {
	for p.line != nil && ctx.Err() == nil && time.Now().Before(until) {
		if err := p.line.flush(); err != nil {
			p.hangUp()
			return
		}
		waiting, err := p.line.await(ctx, until)
		switch {
		case err != nil:
			p.hangUp()
		case waiting:
			p.serve()
		}
	}
}

// listen serves what Send read and gave back, answers to repeats for example,
// so that the next Send need not read it again.
func (p *player) listen() {
	for p.line != nil && len(p.line.back) > 0 {
		left := len(p.line.back)
		if p.serve(); p.line != nil && len(p.line.back) >= left {
			p.hangUp() // a protocol that does not take what it gave back
		}
	}
}

// serve takes one conversation from the bridge: orders, answers to queries.
func (p *player) serve() {
	if err := p.Protocol.Serve(p.hard, p.line, p.host); err != nil {
		p.ledger.fail(err)
		p.hangUp()
	}
}

// connect makes sure of a connection; false means that ctx ended first.
func (p *player) connect(ctx context.Context) bool {
	for p.line == nil {
		if !sleep(ctx, p.jitter()) {
			return false
		}
		p.delay = min(max(2*p.delay, p.longest()/100), p.longest())
		conn, err := p.Connect(ctx)
		switch {
		case errors.Is(err, net.ErrClosed):
			p.ledger.fail(err)
			return false
		case err != nil:
			if ctx.Err() == nil {
				p.ledger.fail(err)
				p.log.Info("no connection", "reason", err)
			}
			continue
		}
		p.ledger.connect()
		p.log.Debug("connected")
		p.line = newLine(p.hard, conn, p.rand, p.Patience, p.ledger)
		p.release = context.AfterFunc(p.hard, func() { conn.Close() })
	}
	return true
}

func (p *player) longest() time.Duration { return or(p.Backoff, DefaultBackoff) }

// jitter is the wait before the next connection: half to all of delay.
func (p *player) jitter() time.Duration {
	if p.delay <= 1 {
		return 0
	}
	return p.delay/2 + rand.N(p.delay/2)
}

// hangUp closes the connection, with what coalescing held back said before.
func (p *player) hangUp() {
	if p.line == nil {
		return
	}
	p.release()
	if p.line.struck == nil {
		if err := p.line.flush(); err != nil {
			p.ledger.fail(err)
		}
	}
	if err := p.line.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		p.ledger.fail(err)
	}
	p.line = nil
	p.ledger.disconnect()
	p.log.Debug("disconnected")
}

// sleep is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// taker is the instrument as a receiver: it takes everything.
type taker struct{ ledger *Ledger }

// Receive counts a message from the bridge.
func (t taker) Receive(context.Context, codec.Delivery) error {
	t.ledger.receive()
	return nil
}

// Incomplete notes why a message from the bridge did not end.
func (t taker) Incomplete(_ context.Context, _ codec.Delivery, why error) { t.ledger.fail(why) }

// Ready is always nil.
func (t taker) Ready() error { return nil }
