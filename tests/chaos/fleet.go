//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// The timers of the simulated analyzers: as short as the order of the real
// ones allows (an analyzer waits longer for its reply than the bridge waits
// for the bus).
const (
	bridgePatience   = 2 * time.Second
	analyzerPatience = 3 * time.Second
	analyzerPause    = 200 * time.Millisecond
	analyzerSilence  = 500 * time.Millisecond
	analyzerBackoff  = 400 * time.Millisecond
	analyzerGrace    = 45 * time.Second // for its last message, repeats included

	calmRate  = 20.0 // messages per second
	roughRate = 10.0

	crowdSize  = 20 // connections that speak at the same moment
	crowdEvery = 200 * time.Millisecond
)

// link is one simulated analyzer.
type link struct {
	id, protocol string
	calls        bool // it calls the bridge; otherwise the bridge calls it
	rough        bool // it misbehaves
	crowd        bool // many connections at once: their messages share fsyncs
	address      string
	listener     *simulator.Listener
	ledger       *simulator.Ledger
	plan         func(message, attempt int) []simulator.Fault

	mu   sync.Mutex
	last int                      // number given out
	sent map[simulator.Digest]int // number by digest
}

// roughness are the chances of the links that misbehave.
func roughness() simulator.Chances {
	c := simulator.Chances{}
	for _, f := range simulator.Faults() {
		c[f] = 0.06
	}
	c[simulator.FaultSlow], c[simulator.FaultHalfOpen] = 0.03, 0.03
	return c
}

// fleet is eight analyzers: ASTM and HL7, calling and called, calm and rough;
// and one with a crowd of connections.
type fleet struct {
	links []*link
	seed  uint64
	stop  context.CancelFunc
	wg    sync.WaitGroup
	mu    sync.Mutex
	errs  []error
}

func newFleet(r *rand.Rand) (*fleet, error) {
	f := &fleet{seed: r.Uint64()}
	for _, protocol := range []string{"astm", "hl7"} {
		for _, calls := range []bool{true, false} {
			for _, rough := range []bool{false, true} {
				l := &link{protocol: protocol, calls: calls, rough: rough, ledger: simulator.NewLedger(), sent: map[simulator.Digest]int{}}
				l.id = protocol + map[bool]string{true: "calls", false: "called"}[calls] + map[bool]string{true: "rough", false: "calm"}[rough]
				if err := l.bind(r); err != nil {
					f.close()
					return nil, err
				}
				f.links = append(f.links, l)
			}
		}
	}
	crowd := &link{id: "hl7crowd", protocol: "hl7", calls: true, crowd: true, ledger: simulator.NewLedger(), sent: map[simulator.Digest]int{}}
	f.links = append(f.links, crowd)
	if err := crowd.bind(r); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// bind finds the address of the link. The bridge listens where it calls; that
// port must stay free while the bridge is dead, so it is none of those that
// the system gives to outgoing connections.
func (l *link) bind(r *rand.Rand) error {
	if l.calls {
		address, err := freePort(r)
		l.address = address
		return err
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.listener, l.address = simulator.Listen(socket), socket.Addr().String()
	return nil
}

// freePort is an address below the ports of outgoing connections that nobody
// listens on.
func freePort(r *rand.Rand) (string, error) {
	for range 200 {
		address := fmt.Sprintf("127.0.0.1:%d", 12000+r.IntN(18000))
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no free port between 12000 and 30000 on 127.0.0.1")
}

// writeInstruments writes the instruments file of the fleet.
func (f *fleet) writeInstruments(path string) error {
	var b strings.Builder
	b.WriteString("defaults: {message_timeout: 3s, idle_timeout: 0s}\ninstruments:\n")
	for _, l := range f.links {
		way, protocol := "dial", l.protocol
		if l.calls {
			way = "listen"
			if l.rough {
				protocol = codec.Auto
			}
		}
		fmt.Fprintf(&b, "  - {id: %s, %s: '%s', protocol: %s", l.id, way, l.address, protocol)
		if l.crowd {
			fmt.Fprintf(&b, ", max_connections: %d", 2*crowdSize) // those of a dead peer may be open yet
		}
		b.WriteString("}\n")
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

// play starts every analyzer. They send until [fleet.drain].
func (f *fleet) play() error {
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	for n, l := range f.links {
		protocol, err := all.Protocols.Build(l.protocol, codec.Options{Role: codec.RoleInstrument})
		if err != nil {
			return err
		}
		connections := 1
		if l.crowd {
			connections = crowdSize
		}
		for c := range connections {
			i := l.analyzer(protocol, f.seed+uint64(n*crowdSize+c))
			f.wg.Go(func() {
				if err := i.Run(ctx); err != nil {
					f.mu.Lock()
					defer f.mu.Unlock()
					f.errs = append(f.errs, fmt.Errorf("analyzer %s: %w", l.id, err))
				}
			})
		}
	}
	return nil
}

// analyzer plays one connection of the link.
func (l *link) analyzer(protocol codec.Protocol, seed uint64) *simulator.Instrument {
	i := &simulator.Instrument{
		Name: l.id, Protocol: protocol, Next: l.next, Rate: calmRate, Ledger: l.ledger, Plan: l.plan,
		Patience: analyzerPatience, Pause: analyzerPause, Silence: analyzerSilence,
		Backoff: analyzerBackoff, Grace: analyzerGrace, Seed: seed,
		Connect: simulator.Dial(l.address),
	}
	if !l.calls {
		i.Connect = l.listener.Connect
	}
	if l.rough {
		i.Rate, i.Faults = roughRate, roughness()
	}
	return i
}

// next composes and notes the next message.
func (l *link) next() ([]byte, bool) {
	if l.crowd { // all of it at the same moment
		<-time.After(time.Until(time.Now().Truncate(crowdEvery).Add(crowdEvery)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	raw := compose(l.protocol, l.id, l.last)
	privacytest.Message(raw)
	l.sent[simulator.DigestOf(raw)] = l.last
	return raw, true
}

// drain begins no more messages and waits until those in progress are
// acknowledged. Its error tells of messages that never were.
func (f *fleet) drain() error {
	if f.stop == nil {
		return nil
	}
	f.stop()
	f.wg.Wait()
	f.stop = nil
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.errs...)
}

// close drains nothing: it ends what the analyzers listen on.
func (f *fleet) close() {
	for _, l := range f.links {
		if l.listener != nil {
			_ = l.listener.Close()
		}
	}
}

// acknowledged is how many messages each link was acknowledged up to now.
func (f *fleet) acknowledged() []int {
	counts := make([]int, len(f.links))
	for n, l := range f.links {
		counts[n] = l.ledger.Totals().Acknowledged
	}
	return counts
}

// poll is how often the harness looks at the ledgers.
const poll = 2 * time.Millisecond

// taken waits until every calm link had a message acknowledged since the
// counts of before.
func (f *fleet) taken(ctx context.Context, before []int, limit time.Duration) error {
	return await(ctx, limit, func() error {
		for n, l := range f.links {
			if !l.rough && l.ledger.Totals().Acknowledged <= before[n] {
				return fmt.Errorf("no message of %s was acknowledged", l.id)
			}
		}
		return nil
	})
}

// await polls until check is nil; after limit it returns check's last error.
func await(ctx context.Context, limit time.Duration, check func() error) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-over.C:
			return fmt.Errorf("%w within %v", err, limit)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pause is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
