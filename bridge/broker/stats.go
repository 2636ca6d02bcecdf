package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/subjects"
)

// The fill alarm is said once above alarmAt and again only after the stream was
// below alarmOff.
const (
	alarmAt  = 0.80
	alarmOff = 0.75
)

// StreamStats is what a stream holds.
type StreamStats struct {
	Stream              string
	Messages            uint64
	Bytes               uint64
	MaxBytes            int64 // -1: no limit of its own
	FirstSeq, LastSeq   uint64
	FirstTime, LastTime time.Time
	// Deleted counts the messages missing between FirstSeq and LastSeq. In
	// LAB_RAW nothing may be deleted: more than 0 means the disk lost some.
	Deleted int
	// Damage is what reading the stream back found up to now.
	Damage Damage
	// Lost counts messages that were at the end of the stream and are gone.
	Lost uint64
}

// Fill is the used part of MaxBytes, 0 to 1; 0 when there is no limit.
func (s StreamStats) Fill() float64 {
	if s.MaxBytes <= 0 {
		return 0
	}
	return float64(s.Bytes) / float64(s.MaxBytes)
}

// Stats is the streams as the watcher saw them last, at most two seconds ago
// while the bus is healthy, ordered by name.
func (b *Bus) Stats() []StreamStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]StreamStats, 0, len(b.stats))
	for _, name := range []string{subjects.StreamLink, subjects.StreamParsed, subjects.StreamRaw} {
		if s, ok := b.stats[name]; ok {
			s.Damage, s.Lost = b.damage[name], b.marks[name].Lost
			list = append(list, s)
		}
	}
	return list
}

// readStreams renews Stats and reports a stream that is gone or silent.
func (b *Bus) readStreams(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, streamsEvery)
	defer cancel()
	for _, want := range b.want {
		s, err := b.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("stream %s is gone from %s: somebody removed it; restart assaybus to create it anew", want.Name, b.place())
		}
		if err != nil {
			return fmt.Errorf("stream %s on %s: %w; see the server's log", want.Name, b.place(), err)
		}
		b.note(s.CachedInfo())
	}
	b.writeMarks()
	return nil
}

// note keeps the figures and says when a stream fills up.
func (b *Bus) note(info *jetstream.StreamInfo) {
	st := info.State
	s := StreamStats{
		Stream: info.Config.Name, Messages: st.Msgs, Bytes: st.Bytes, MaxBytes: info.Config.MaxBytes,
		FirstSeq: st.FirstSeq, LastSeq: st.LastSeq, FirstTime: st.FirstTime, LastTime: st.LastTime,
		Deleted: st.NumDeleted,
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.stats[s.Stream].Deleted
	b.stats[s.Stream] = s
	if s.Deleted > before {
		b.rot(info)
	}
	if info.Config.Discard != jetstream.DiscardNew {
		return // full is its ordinary state
	}
	fill := s.Fill()
	if fill >= alarmAt && !b.over[s.Stream] {
		b.over[s.Stream] = true
		b.log.Warn("stream fills up; when full instruments are refused: raise ASSAYBUS_STORE_MAX or lower its age",
			"stream", s.Stream, "percent", int(100*fill), "bytes", s.Bytes, "max_bytes", s.MaxBytes)
	}
	if fill < alarmOff {
		b.over[s.Stream] = false
	}
}

// rot tells of messages that are missing from a stream that deletes none but by
// age: a damaged block is dropped by the server in silence.
func (b *Bus) rot(info *jetstream.StreamInfo) {
	if info.State.NumDeleted == 0 || !slices.Contains([]string{subjects.StreamRaw, subjects.StreamParsed}, info.Config.Name) {
		return
	}
	b.log.Error("stream has lost messages: the disk is damaged or somebody deleted them; restore from a copy",
		"stream", info.Config.Name, "missing", info.State.NumDeleted)
}

// DiskFree is what the embedded server's disk has left for this user, in
// bytes; false with an external server, or where the system does not say.
func (b *Bus) DiskFree() (int64, bool) {
	if b.srv == nil {
		return 0, false
	}
	return diskFree(b.c.Data)
}
