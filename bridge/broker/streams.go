package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/subjects"
)

// Link events are a view of now, not custody. The count per subject keeps what
// a quiet instrument said last, however much a noisy one says: a thousand
// subjects fit into the bytes.
const (
	linkMaxBytes      = 64 << 20
	openMaxBytes      = 256 << 20
	linkMaxPerSubject = 100
	linkWindow        = 2 * time.Minute
)

// streams are the configurations of design §4 with this configuration's limits.
func (c Config) streams() []jetstream.StreamConfig {
	raw := jetstream.StreamConfig{
		Name:        subjects.StreamRaw,
		Description: "messages as instruments sent them; everything else can be rebuilt from here",
		Subjects:    []string{subjects.AllRaw},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxAge:      c.RawMaxAge,
		MaxMsgs:     -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
		MaxBytes:    -1,
		Duplicates:  window(c.DedupeWindow, c.RawMaxAge),
		Compression: compression(c.Replicas),
		DenyDelete:  true,
		AllowDirect: true,
		Replicas:    c.Replicas,

		// One fsync for many, see committer. Replicas have one in the log they
		// share.
		AllowAtomicPublish: c.Replicas == 1,
	}
	parsed := raw
	parsed.Name = subjects.StreamParsed
	parsed.Description = "parsed messages, and those that could not be parsed or completed"
	parsed.Subjects = []string{subjects.AllParsed, subjects.AllFailed}
	parsed.MaxAge = c.ParsedMaxAge
	parsed.Duplicates = window(c.DedupeWindow, c.ParsedMaxAge)

	link := raw
	link.Name = subjects.StreamLink
	link.Description = "link events: a view of now, not custody"
	link.Subjects = []string{subjects.AllLink}
	link.Discard = jetstream.DiscardOld
	link.MaxAge = 0
	link.MaxMsgsPerSubject = linkMaxPerSubject
	link.Duplicates = linkWindow
	link.DenyDelete = false
	link.AllowAtomicPublish = false // asynchronous persistence excludes it
	if c.Replicas == 1 {            // the server has no asynchronous replicas
		link.PersistMode = jetstream.AsyncPersistMode
	}

	open := raw
	open.Name = subjects.StreamOpen
	open.Description = "open messages that instruments may take for delivered, until they are in LAB_RAW"
	open.Subjects = []string{subjects.AllOpen, subjects.AllState}
	open.MaxAge = 0
	open.MaxMsgsPerSubject = 1 // a piece that comes again takes its own place
	open.Duplicates = linkWindow
	open.DenyDelete, open.DenyPurge = false, false // what is in LAB_RAW is removed here
	return []jetstream.StreamConfig{raw, parsed, link, open}
}

// compression is that of a stream with so many copies. Copies are not
// compressed: when it starts, nats-server 2.15 cuts a copy's last block back to
// Raft's snapshot and writes on in it, while newMsgBlockForWrite has already
// begun to compress it. What is appended is then unreadable at the next start,
// in every copy if they all stopped: TestClusterKilledTwice.
func compression(replicas int) jetstream.StoreCompression {
	if replicas > 1 {
		return jetstream.NoCompression
	}
	return jetstream.S2Compression
}

// window is the dedupe window: a stream takes none longer than its age.
func window(want, age time.Duration) time.Duration {
	if age > 0 {
		return min(want, age)
	}
	return want
}

// limits sets the streams' byte limits once the store's is known.
func (b *Bus) limits() error {
	total := b.c.StoreMax
	if b.srv != nil {
		total = b.srv.max
	}
	share := func(set, part int64) int64 {
		switch {
		case set > 0:
			return set
		case part > 0:
			return part
		}
		return -1
	}
	b.want[0].MaxBytes = share(b.c.RawMaxBytes, total/10*6)
	b.want[1].MaxBytes = share(b.c.ParsedMaxBytes, total/10*3)
	b.want[2].MaxBytes = share(b.c.LinkMaxBytes, linkShare(total))
	b.want[3].MaxBytes = openShare(total)
	var sum int64
	var names []string
	for _, s := range b.want {
		sum += s.MaxBytes
		names = append(names, s.Name)
	}
	if b.srv != nil && sum > total {
		return fmt.Errorf("the streams %s may take %d bytes together, the store %d; raise ASSAYBUS_STORE_MAX or lower the streams' limits",
			strings.Join(names, ", "), sum, total)
	}
	return nil
}

// openShare is the part of the open messages.
func openShare(total int64) int64 {
	if total <= 0 {
		return -1
	}
	return min(total/50, openMaxBytes)
}

// linkShare is the link stream's part: never without a limit.
func linkShare(total int64) int64 {
	if total <= 0 {
		return linkMaxBytes
	}
	return min(total/100, linkMaxBytes)
}

// ensureStreams creates what is missing and checks what is there. Streams that
// shrink go first, so that the others find the room.
func (b *Bus) ensureStreams(ctx context.Context) error {
	if err := b.orphans(ctx); err != nil {
		return err
	}
	var later []func() error
	for _, want := range b.want {
		s, err := b.js.Stream(ctx, want.Name)
		switch {
		case err == nil:
			info := s.CachedInfo()
			if err := check(info.Config, want); err != nil {
				return err
			}
			apply := func() error { return b.update(ctx, info, want) }
			if info.Config.MaxBytes > 0 && want.MaxBytes > 0 && want.MaxBytes < info.Config.MaxBytes {
				if err := apply(); err != nil {
					return err
				}
				continue
			}
			later = append(later, apply)
		case errors.Is(err, jetstream.ErrStreamNotFound):
			later = append(later, func() error { return b.create(ctx, want) })
		default:
			return b.apiError("look for", want.Name, err)
		}
	}
	for _, apply := range later {
		if err := apply(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) create(ctx context.Context, want jetstream.StreamConfig) error {
	if _, err := b.js.CreateStream(ctx, want); err != nil {
		return b.apiError("create", want.Name, err)
	}
	return nil
}

func (b *Bus) update(ctx context.Context, info *jetstream.StreamInfo, want jetstream.StreamConfig) error {
	next, notes, changed := merge(info, want)
	for _, n := range notes {
		b.log.Warn("stream setting left as it is", "stream", want.Name, "reason", n)
	}
	if !changed {
		return nil
	}
	if _, err := b.js.UpdateStream(ctx, next); err != nil {
		return b.apiError("update", want.Name, err)
	}
	b.log.Info("stream settings updated to the configuration", "stream", want.Name)
	return nil
}

// errNoRoom is the server's refusal of a byte limit that its store limit does
// not cover.
const errNoRoom = 10047

// shrinkStreams is for a store limit that has become smaller than what the
// streams reserve: the server then refuses every change, even a smaller limit.
// It runs without a store limit while the streams are changed.
func (b *Bus) shrinkStreams(ctx context.Context) error {
	limit := b.srv.max
	for _, b.srv.max = range []int64{math.MaxInt64 / 2, limit} {
		if err := b.restart(ctx); err != nil {
			return err
		}
		if err := b.ensureStreams(ctx); err != nil {
			return err
		}
	}
	return nil
}

// apiError adds the next step to the server's refusals an operator meets.
func (b *Bus) apiError(verb, stream string, err error) error {
	step := "see the server's log"
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		step = "switch JetStream on at the server (jetstream {}) and for this account"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		step = "check that the server is well and that this user may call $JS.API.STREAM.*"
	case errors.As(err, &api) && api.ErrorCode == 10074:
		step = "the server has no cluster for so many copies; set ASSAYBUS_REPLICAS=1 or name a cluster"
	case errors.As(err, &api) && (api.ErrorCode == errNoRoom || api.ErrorCode == 10028):
		step = "the streams' byte limits exceed the store's; raise ASSAYBUS_STORE_MAX or lower the streams' limits"
	case errors.As(err, &api) && api.ErrorCode == 10065:
		step = "another stream has these subjects; delete or narrow it: nats stream ls --subjects"
	}
	return fmt.Errorf("%s stream %s on %s: %w; %s", verb, stream, b.place(), err, step)
}

func (b *Bus) place() string {
	if b.srv != nil {
		return "store folder " + b.c.Data
	}
	return "nats " + redact(b.c.URL)
}

// orphans refuses a store folder with the data of a stream that the server did
// not recover: a damaged description or a wrong key. Creating the stream anew
// would put an empty one over the data. The link stream alone is put aside: it
// is not synced, so a power cut may leave it like that, and that must not keep
// instruments from being served.
func (b *Bus) orphans(ctx context.Context) error {
	if b.srv == nil {
		return nil
	}
	var aside string
	for _, folder := range b.srv.streamFolders() {
		name := filepath.Base(folder)
		_, err := b.js.Stream(ctx, name)
		switch {
		case err == nil:
		case errors.Is(err, jetstream.ErrStreamNotFound) && name == subjects.StreamLink:
			aside = folder
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return fmt.Errorf("store folder %s holds data of stream %s, but the server did not recover it (damaged, or encrypted with another key than that of ASSAYBUS_STORE_KEY_FILE); nothing was changed: set the right key, restore %s from a copy, or move it away to start that stream empty", b.c.Data, name, folder)
		default:
			return fmt.Errorf("stream %s in store folder %s: %w; a store written by a newer version needs that version", name, b.c.Data, err)
		}
	}
	if aside == "" {
		return nil
	}
	return b.putAside(aside)
}

// putAside moves what is left of the link stream out of the server's sight; an
// older rest gives way.
func (b *Bus) putAside(folder string) error {
	rest := filepath.Join(b.c.Data, filepath.Base(folder)+".unrecovered")
	if err := os.RemoveAll(rest); err != nil {
		return fmt.Errorf("store folder %s: %w; remove it by hand", b.c.Data, err)
	}
	if err := os.Rename(folder, rest); err != nil {
		return fmt.Errorf("store folder %s: %w; move it away by hand", b.c.Data, err)
	}
	b.log.Warn("link events were not recovered (a power cut, or a damaged disk) and begin anew; messages are not affected", "stream", subjects.StreamLink, "rest", rest)
	return nil
}
