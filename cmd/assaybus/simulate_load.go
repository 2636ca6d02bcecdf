package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/subjects"
)

// ledger keeps every message only where somebody looks at them: a load may
// play tens of millions.
func (s *simulation) ledger() *simulator.Ledger {
	if s.asLoad && s.verify == "" {
		return simulator.NewTally()
	}
	return simulator.NewLedger()
}

// wait is the turn of connection n in the ramp.
func (s *simulation) wait(ctx context.Context, n int) {
	if s.ramp == 0 || n == 0 {
		return
	}
	select {
	case <-time.After(s.ramp * time.Duration(n) / time.Duration(s.connections)):
	case <-ctx.Done():
	}
}

// measure begins rate and latencies anew when the ramp is over.
func (s *simulation) measure(ledger *simulator.Ledger, over <-chan struct{}) {
	if !s.asLoad || s.ramp == 0 {
		return
	}
	select {
	case <-time.After(s.ramp):
		ledger.Restart()
	case <-over:
	}
}

// proof compares a ledger with what the streams hold since it was made.
type proof struct {
	nc    *nats.Conn // nil = nobody asked for it
	js    jetstream.JetStream
	first map[string]uint64 // sequence by stream
}

// proof connects to the bus to verify, if any.
func (s *simulation) proof(ctx context.Context) (proof, error) {
	if s.verify == "" {
		return proof{}, nil
	}
	nc, err := nats.Connect(s.verify, nats.Name("assaybus simulate"))
	if err != nil {
		return proof{}, fmt.Errorf("--verify: %w: name the bus of the bridge, and let it listen (ASSAYBUS_NATS_LISTEN)", err)
	}
	p := proof{nc: nc, first: map[string]uint64{}}
	if p.js, err = jetstream.New(nc); err == nil {
		err = p.mark(ctx)
	}
	if err != nil {
		nc.Close()
		return proof{}, fmt.Errorf("--verify: %w", err)
	}
	return p, nil
}

// mark notes where the streams end now.
func (p proof) mark(ctx context.Context) error {
	for _, name := range []string{subjects.StreamRaw, subjects.StreamParsed} {
		s, err := p.js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
		p.first[name] = s.CachedInfo().State.LastSeq + 1
	}
	return nil
}

// check says what the streams hold of the entries; anything acknowledged that
// is missing, or stored more than once for consumers, is an error.
func (p proof) check(w io.Writer, entries []simulator.Entry) error {
	if p.nc == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), verifyTimeout+time.Duration(len(entries))*time.Millisecond/10)
	defer cancel()
	broken := 0
	for _, stream := range []string{subjects.StreamRaw, subjects.StreamParsed} {
		counts, err := countDigests(ctx, p.js, stream, p.first[stream])
		if err != nil {
			return fmt.Errorf("--verify: %w", err)
		}
		v := simulator.Verify(entries, counts)
		if stream == subjects.StreamRaw {
			v.Doubled = nil // every reception is archived
		}
		fmt.Fprintf(w, "%s holds %d of %d acknowledged messages, %d lost, %d doubled\n", stream, v.Stored, v.Acknowledged, len(v.Missing), len(v.Doubled))
		broken += len(v.Missing) + len(v.Doubled)
	}
	if broken > 0 {
		return fmt.Errorf("--verify: %w", errCustody)
	}
	return nil
}

// close ends the connection to the bus.
func (p proof) close() {
	if p.nc != nil {
		p.nc.Close()
	}
}
