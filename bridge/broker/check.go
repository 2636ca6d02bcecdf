package broker

import (
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/subjects"
)

// fault is one setting under which a stream would lose what it acknowledged or
// keep what is not ours.
type fault struct {
	bad     bool
	setting string
	costs   string
}

// check refuses a stream that is there with settings that would lose data. It
// decides nothing about limits: see merge.
func check(have, want jetstream.StreamConfig) error {
	faults := []fault{
		{have.Sealed, "sealed", "it takes no more messages"},
		{have.NoAck, "no_ack", "it confirms nothing, so no instrument would ever be acknowledged"},
		{have.Mirror != nil, "mirror", "it copies another stream and takes no messages"},
		{len(have.Sources) > 0, "sources", "messages of other streams would mix with ours"},
		{have.SubjectTransform != nil, "subject_transform", "messages would be kept under other subjects"},
		{have.AllowMsgCounter, "allow_msg_counter", "it takes counters only"},
		{!sameSet(have.Subjects, want.Subjects), "subjects", fmt.Sprintf("it must have %v, no more and no less", want.Subjects)},
		{have.Retention != jetstream.LimitsPolicy, "retention " + have.Retention.String(), "it deletes messages that were read, or that nobody waits for"},
	}
	if want.Name != subjects.StreamLink {
		faults = append(faults,
			fault{have.Storage != jetstream.FileStorage, "storage memory", "a restart would lose acknowledged messages"},
			fault{have.Discard != jetstream.DiscardNew, "discard old", "when full it would delete acknowledged messages"},
			fault{have.PersistMode != jetstream.DefaultPersistMode, "persist_mode async", "a crash would lose acknowledged messages"},
			fault{have.MaxMsgs > 0, "max_msgs", "a limit by count refuses or deletes messages while there is room"},
			fault{have.MaxMsgsPerSubject > 0 && want.Name != subjects.StreamOpen, "max_msgs_per_subject", "it would delete an instrument's older messages"})
	}
	for _, f := range faults {
		if f.bad {
			return fmt.Errorf("stream %s has %s: %s; change it (nats stream edit %s) where the server allows, or copy its messages elsewhere and remove it (nats stream backup %s FOLDER, nats stream rm %s), then start again", want.Name, f.setting, f.costs, want.Name, want.Name, want.Name)
		}
	}
	return nil
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// merge is the stream's configuration with ours put over it where that loses
// nothing stored, what was left and why, and whether anything changes. Limits
// follow the configuration, but a byte limit never goes below what is stored
// and an age never below the oldest message: an operator who means it says so
// to the server. Copies are added, never taken away.
func merge(info *jetstream.StreamInfo, want jetstream.StreamConfig) (next jetstream.StreamConfig, notes []string, changed bool) {
	have := info.Config
	next = have
	next.MaxMsgSize = want.MaxMsgSize
	next.AllowDirect = want.AllowDirect
	next.DenyDelete = have.DenyDelete || want.DenyDelete
	next.AllowAtomicPublish = have.AllowAtomicPublish || want.AllowAtomicPublish

	next.MaxBytes = want.MaxBytes
	if stored := int64(info.State.Bytes); want.MaxBytes > 0 && want.MaxBytes < stored {
		next.MaxBytes = max(stored, 1)
		notes = append(notes, fmt.Sprintf("max_bytes %d is below the %d stored; it is full now", want.MaxBytes, stored))
	}
	next.MaxAge = want.MaxAge
	if want.MaxAge > 0 && info.State.Msgs > 0 && want.Name != subjects.StreamLink &&
		(have.MaxAge == 0 || want.MaxAge < have.MaxAge) && info.TimeStamp.Sub(info.State.FirstTime) > want.MaxAge {
		next.MaxAge = have.MaxAge
		notes = append(notes, fmt.Sprintf("max_age %v would delete messages at once (oldest %s); if that is meant: nats stream edit %s --max-age=%s",
			want.MaxAge, info.State.FirstTime.UTC().Format(time.DateOnly), want.Name, want.MaxAge))
	}
	next.Duplicates = window(want.Duplicates, next.MaxAge)
	next.Replicas = max(have.Replicas, want.Replicas)
	next.Compression = compression(next.Replicas)
	if have.Replicas > want.Replicas {
		notes = append(notes, fmt.Sprintf("it has %d copies, more than the %d configured", have.Replicas, want.Replicas))
	}
	changed = next.MaxMsgSize != have.MaxMsgSize || next.AllowDirect != have.AllowDirect ||
		next.DenyDelete != have.DenyDelete || next.Compression != have.Compression ||
		next.AllowAtomicPublish != have.AllowAtomicPublish ||
		next.MaxBytes != have.MaxBytes || next.MaxAge != have.MaxAge ||
		next.Duplicates != have.Duplicates || next.Replicas != have.Replicas
	return next, notes, changed
}
