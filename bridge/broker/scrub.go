package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/assaybus/assaybus/subjects"
)

// The server drops a damaged block in silence and stays healthy, so what is
// stored is read back: the newest messages at once when the bus opens, then
// all of them, slowly, for ever.
const (
	scrubRecent  = 1000                   // messages of each stream that Open reads
	scrubOpen    = 2 * time.Second        // that it takes for them at most
	scrubPace    = 10 * time.Millisecond  // between two messages of the slow round
	scrubRest    = time.Hour              // between two rounds
	scrubRetry   = 2 * time.Second        // when the bus does not answer
	scrubTimeout = 5 * time.Second        // for one message, which may have 15 MiB
	scrubTries   = 3                      // without an answer, before a round is given up
	scrubSettle  = 100 * time.Millisecond // after Open, before the slow round
)

// Damage is what reading a stream back found: messages that are gone, cannot be
// read, or are not what their digest says. The zero value is none.
type Damage struct {
	Messages    int
	First, Last uint64 // sequences
}

func (d *Damage) add(seq uint64) {
	if d.Messages == 0 || seq < d.First {
		d.First = seq
	}
	d.Last = max(d.Last, seq)
	d.Messages++
}

// scrubber reads streams back.
type scrubber struct {
	bus *Bus
	js  nats.JetStreamContext // reads from the leader, never from a copy that lags
}

// custody are the streams that are read back.
func custody() []string { return []string{subjects.StreamRaw, subjects.StreamParsed} }

// scrubNewest reads the newest messages of each stream when the bus opens and
// tells of messages that the end of a stream has lost. It never fails the
// opening: what is left is served, and said to be incomplete.
func (b *Bus) scrubNewest(ctx context.Context) error {
	js, err := b.nc.JetStream()
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	b.scrub = &scrubber{bus: b, js: js}
	ctx, cancel := context.WithTimeout(ctx, scrubOpen)
	defer cancel()
	claimed := map[string]uint64{} // the last sequence that was ever confirmed
	ends := map[string]uint64{}
	for _, stream := range custody() {
		info, err := b.js.Stream(ctx, stream)
		if err != nil {
			return nil // the watcher will say so
		}
		b.note(info.CachedInfo()) // which tells of holes
		st := info.CachedInfo().State
		ends[stream] = st.LastSeq
		first := max(st.FirstSeq, 1)
		if st.LastSeq >= first+scrubRecent {
			first = st.LastSeq - scrubRecent + 1
		}
		var found Damage
		for seq := first; seq <= st.LastSeq && st.Msgs > 0; seq++ {
			m, err := b.scrub.read(ctx, stream, seq)
			if err != nil && !errors.Is(err, errDamaged) {
				break // no time, or no answer: the slow round comes here too
			}
			if err != nil {
				found.add(seq)
				continue
			}
			if n, err := strconv.ParseUint(m.Header.Get(subjects.HeaderRawSequence), 10, 64); err == nil {
				claimed[subjects.StreamRaw] = max(claimed[subjects.StreamRaw], n)
			}
		}
		b.damaged(stream, found)
	}
	b.compareEnds(ends, claimed)
	return nil
}

var errDamaged = errors.New("damaged")

// read gets one message and checks it. Its error wraps errDamaged when the
// message is not there as it was stored; any other error says nothing about it.
func (s *scrubber) read(ctx context.Context, stream string, seq uint64) (*nats.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, scrubTimeout)
	defer cancel()
	m, err := s.js.GetMsg(stream, seq, nats.Context(ctx))
	switch {
	case errors.Is(err, nats.ErrMsgNotFound):
		return nil, fmt.Errorf("%w: message %d of %s cannot be read", errDamaged, seq, stream)
	case err != nil:
		return nil, err
	}
	digest := m.Header.Get(subjects.HeaderDigest)
	if stream != subjects.StreamRaw || digest == "" { // of parsed the digest is the raw message's
		return m, nil
	}
	if sum := sha256.Sum256(m.Data); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("%w: message %d of %s is not what its digest says", errDamaged, seq, stream)
	}
	return m, nil
}

// run reads everything, slowly, until ctx ends.
func (s *scrubber) run(ctx context.Context) {
	wait := scrubSettle
	for sleep(ctx, wait) {
		for _, stream := range custody() {
			found, ok := s.round(ctx, stream)
			if !ok {
				return
			}
			s.bus.damaged(stream, found)
		}
		wait = scrubRest
	}
}

// round reads one stream from its first message to the one that is the last
// when it begins; false means that ctx ended.
func (s *scrubber) round(ctx context.Context, stream string) (Damage, bool) {
	var found Damage
	silent := 0 // tries without an answer from a bus that is well
	first, last, ok := s.bounds(ctx, stream)
	for seq := first; ok && seq <= last; seq++ {
		_, err := s.read(ctx, stream, seq)
		switch {
		case errors.Is(err, errDamaged):
			now, _, alive := s.bounds(ctx, stream)
			if !alive {
				return found, false
			}
			if seq < now {
				break // its age was over
			}
			if found.add(seq); found.Messages == 1 {
				s.bus.damaged(stream, found) // now: the rest of the round may take hours
			}
		case err != nil && s.bus.Healthy() != nil:
			seq-- // once more, when the bus is well
			if !sleep(ctx, scrubRetry) {
				return found, false
			}
		case err != nil:
			if silent++; silent >= scrubTries {
				s.bus.log.Warn("stored messages cannot be read back, damage would not be noticed; permit $JS.API.STREAM.MSG.GET.* to this user", "stream", stream, "error", err)
				return found, ctx.Err() == nil
			}
			seq--
		default:
			silent = 0
		}
		if !sleep(ctx, scrubPace) {
			return found, false
		}
	}
	return found, ok
}

// bounds are the sequences of a stream, once the bus answers.
func (s *scrubber) bounds(ctx context.Context, stream string) (first, last uint64, ok bool) {
	for {
		info, err := s.bus.js.Stream(ctx, stream)
		if err == nil {
			st := info.CachedInfo().State
			return max(st.FirstSeq, 1), st.LastSeq, true
		}
		if !sleep(ctx, scrubRetry) {
			return 0, 0, false
		}
	}
}

// damaged keeps what was found for Stats and says it when it is more than was
// known.
func (b *Bus) damaged(stream string, found Damage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if found.Messages <= b.damage[stream].Messages {
		return
	}
	b.damage[stream] = found
	b.log.Error("stored messages are damaged: they cannot be read, or are not what their digest says; check the disk and restore them from a copy",
		"stream", stream, "damaged", found.Messages, "first", found.First, "last", found.Last)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
