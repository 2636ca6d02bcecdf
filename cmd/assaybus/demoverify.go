package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/subjects"
)

// errCustody is the promise broken.
var errCustody = errors.New("the streams do not hold what the analyzers saw acknowledged")

const verifyTimeout = time.Minute

// verify compares what the analyzers were told with the streams: every
// acknowledged message is in LAB_RAW, and exactly once in LAB_PARSED.
func (d *demo) verify(s *service, cast []*player) error {
	ctx, cancel := context.WithTimeout(context.Background(), verifyTimeout)
	defer cancel()
	raw, err := countDigests(ctx, s.bus.JetStream(), subjects.StreamRaw, 1)
	if err != nil {
		return err
	}
	derived, err := countDigests(ctx, s.bus.JetStream(), subjects.StreamParsed, 1)
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "analyzer\tsent\tacknowledged\trepeats\traw\tfor consumers\tlost\tdoubled\t")
	broken := 0
	for _, p := range cast {
		entries, t := p.ledger.Entries(), p.ledger.Totals()
		kept, seen := simulator.Verify(entries, raw), simulator.Verify(entries, derived)
		lost := max(len(kept.Missing), len(seen.Missing))
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", p.id, t.Sent, t.Acknowledged, t.Repeats, kept.Stored, seen.Stored, lost, len(seen.Doubled))
		broken += lost + len(seen.Doubled)
		if kept.Acknowledged == 0 {
			broken++
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if broken > 0 {
		return fmt.Errorf("%w: see the table", errCustody)
	}
	fmt.Fprintln(d.out, "\nevery acknowledged message is on disk, and there exactly once for consumers")
	return nil
}

// countDigests counts the complete messages of a stream, from sequence first
// on, by digest. A raw message must have the digest that its header says.
func countDigests(ctx context.Context, js jetstream.JetStream, stream string, first uint64) (map[simulator.Digest]int, error) {
	counts := make(map[simulator.Digest]int)
	err := readStream(ctx, js, stream, first, func(m jetstream.Msg) error {
		h := m.Headers()
		if h.Get(subjects.HeaderIncomplete) != "" {
			return nil
		}
		text := h.Get(subjects.HeaderDigest)
		if stream == subjects.StreamRaw && bridge.Digest(m.Data()) != text {
			return fmt.Errorf("%w: a raw message is not what its digest says", errCustody)
		}
		digest, err := simulator.ParseDigest(text)
		counts[digest]++
		return err
	})
	return counts, err
}

// readStream gives each every message that the stream holds now, in order
// and from sequence first on.
func readStream(ctx context.Context, js jetstream.JetStream, stream string, first uint64, each func(jetstream.Msg) error) error {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	info, err := s.Info(ctx)
	if err != nil || info.State.Msgs == 0 || info.State.LastSeq < first {
		return err
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: first})
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	it, err := c.Messages()
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if err := each(m); err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if meta.NumPending == 0 || meta.Sequence.Stream >= info.State.LastSeq {
			return nil
		}
	}
}
