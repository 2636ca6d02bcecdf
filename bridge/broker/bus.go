// Package broker is the bus of the bridge: an embedded nats-server or a
// connection to an external one, and the three streams on it. It is the only
// package that imports nats-server.
//
// The promise rests on two settings that are tested here: the embedded server
// runs with SyncAlways, so a PubAck means fsync; and the streams of raw and
// parsed refuse what they cannot keep (DiscardNew) instead of dropping what
// they have. An external server must be configured with
// `jetstream { sync_interval: always }` by its operator: NATS does not tell a
// client, so this cannot be checked from here.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
)

// MaxPayload is the largest message, headers included, the embedded server
// takes: 16 MiB. An external server says its own limit.
const MaxPayload = 16 << 20

// ErrFull is a publication that a stream or the server has no room for. It is
// not permanent: the instrument keeps its message and repeats.
var ErrFull = errors.New("stream full")

// ErrSubject is a publication whose subject must not reach a connection.
var ErrSubject = errors.New("unusable subject")

// ErrClosed is what a closed Bus answers.
var ErrClosed = errors.New("bus closed")

// Bus is a connection to JetStream with the streams in place. All methods may
// be called from any goroutine.
type Bus struct {
	c    Config
	log  *slog.Logger
	srv  *embedded // nil when external
	nc   *nats.Conn
	js   jetstream.JetStream
	want []jetstream.StreamConfig

	committers map[string]*committer // by stream; not changed after open

	links   chan *nats.Msg
	dropped atomic.Uint64

	restarting sync.Mutex // of the embedded server, one at a time

	stop   context.CancelFunc // ends the watcher and the link writer
	wg     sync.WaitGroup
	kick   chan struct{} // a publish got no answer: look now
	gone   chan struct{} // closed by the connection's ClosedHandler
	once   sync.Once
	closed error

	mu    sync.Mutex // guards what follows
	sick  error      // why messages cannot be stored now; nil = healthy
	epoch context.Context
	end   context.CancelCauseFunc // ends the publications of this epoch
	stats map[string]StreamStats
	over  map[string]bool // streams whose fill alarm was said

	damage   map[string]Damage
	marks    map[string]mark
	unmarked bool // marks have not been written

	scrub *scrubber
}

var _ bridge.Publisher = (*Bus)(nil)

// Open starts the embedded server, or connects to the external one, creates or
// checks the streams and watches their health until Close. ctx bounds the
// opening only. An error names what is wrong and the operator's next step;
// nothing is left running or locked after it.
func Open(ctx context.Context, c Config) (*Bus, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	b := &Bus{
		c: c, log: c.Log,
		links: make(chan *nats.Msg, linkQueue),
		kick:  make(chan struct{}, 1),
		gone:  make(chan struct{}),
		stats: map[string]StreamStats{},
		over:  map[string]bool{},

		damage: map[string]Damage{},
		want:   c.streams(),
	}
	b.epoch, b.end = context.WithCancelCause(context.Background())
	if err := b.open(ctx); err != nil {
		_ = b.release(ctx)
		return nil, err
	}
	watch, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.wg.Go(func() { b.watch(watch) })
	b.wg.Go(func() { b.writeLinks(watch) })
	b.wg.Go(func() { b.scrub.run(watch) })
	return b, nil
}

func (b *Bus) open(ctx context.Context) error {
	var err error
	if b.c.URL == "" {
		if b.srv, err = startEmbedded(b.c); err != nil {
			return err
		}
		b.nc, err = b.connectEmbedded()
	} else {
		b.nc, err = b.connectExternal(ctx)
	}
	if err != nil {
		return err
	}
	if b.js, err = jetstream.New(b.nc); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	if err := b.limits(); err != nil {
		return err
	}
	err = b.settled(ctx, b.ensureStreams)
	var api *jetstream.APIError
	if b.srv != nil && errors.As(err, &api) && api.ErrorCode == errNoRoom {
		err = b.shrinkStreams(ctx)
	}
	if err != nil {
		return err
	}
	if err := b.ensureDurables(ctx); err != nil {
		return err
	}
	if b.srv != nil {
		if reason := b.srv.unhealthy(ctx); reason != nil {
			return fmt.Errorf("store folder %s: %w; restore the folder from a copy, or name an empty one, before instruments are connected", b.c.Data, reason)
		}
	}
	b.committers = map[string]*committer{}
	for _, s := range b.want {
		if s.AllowAtomicPublish {
			b.committers[s.Name] = &committer{bus: b, stream: s.Name, atomic: true}
		}
	}
	b.stage()
	if err := b.scrubNewest(ctx); err != nil {
		return err
	}
	_ = b.readStreams(ctx) // so that Stats has them from the beginning; the watcher says what is wrong
	return nil
}

// stage has batches collected in memory, see [embedded.stage].
func (b *Bus) stage() {
	if b.srv != nil {
		b.srv.stage(slices.Collect(maps.Keys(b.committers)))
	}
}

// Conn is the bus's connection, for core NATS: services, live views. It belongs
// to the Bus; nobody else closes it.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// JetStream is the bus's JetStream context, for consumers and reads.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// URL is where other programs reach the bus: the external URL without
// credentials, the embedded listener, or empty when it is in-process only.
func (b *Bus) URL() string {
	if b.srv == nil {
		return redact(b.c.URL)
	}
	return b.srv.url()
}

// Close ends the watcher, writes link events that wait, drains the connection
// and shuts the embedded server down. It returns when all of that has ended,
// or when ctx ends, which skips the draining but not the shut-down. Calling it
// again returns the first result.
func (b *Bus) Close(ctx context.Context) error {
	b.once.Do(func() {
		b.stop()
		b.wg.Wait()
		b.writeMarks()
		b.setSick(ErrClosed)
		for _, c := range b.committers {
			c.close()
		}
		b.closed = b.release(ctx)
	})
	return b.closed
}

// release gives back what open took, in whatever state open ended.
func (b *Bus) release(ctx context.Context) error {
	var err error
	if b.nc != nil {
		err = b.drain(ctx)
	}
	if b.srv != nil {
		b.srv.close()
	}
	b.end(ErrClosed)
	return err
}

func (b *Bus) drain(ctx context.Context) error {
	if b.nc.Drain() != nil { // not connected: nothing to drain
		b.nc.Close()
	}
	select {
	case <-b.gone:
		return nil
	case <-ctx.Done():
		b.nc.Close()
		<-b.gone
		return fmt.Errorf("drain the bus connection: %w", context.Cause(ctx))
	}
}

// drainTimeout ends a drain that subscribers hold up.
const drainTimeout = 5 * time.Second
