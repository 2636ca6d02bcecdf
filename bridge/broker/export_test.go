package broker

import (
	"context"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// Server is the embedded server of the moment, for tests that look inside.
func (b *Bus) Server() *server.Server { return b.srv.current() }

// CheckSubject is the guard of Publish.
func CheckSubject(s string) error { return checkSubject(s) }

// Redact is what errors show of a URL.
func Redact(s string) string { return redact(s) }

// CheckVersion is the test of an external server's version.
func CheckVersion(v string) error { return checkVersion(v) }

// Merge is how limits follow the configuration.
func Merge(info *jetstream.StreamInfo, want jetstream.StreamConfig) (jetstream.StreamConfig, []string, bool) {
	return merge(info, want)
}

// Restart replaces the embedded server, as the watcher does when it is ill.
func (b *Bus) Restart(ctx context.Context) error { return b.restart(ctx) }

// Hold has publications to a stream queue up until release is called.
func (b *Bus) Hold(stream string) (release func()) {
	c := b.committers[stream]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batch = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.batch = false
		c.dispatch()
	}
}

// Queued is how many publications wait for a batch.
func (b *Bus) Queued(stream string) int {
	c := b.committers[stream]
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

// Batches is how many batches were committed.
func (b *Bus) Batches(stream string) uint64 {
	c := b.committers[stream]
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.batches
}

// Cost is the estimate of the committer.
type Cost struct{ c cost }

func (c *Cost) Single(took time.Duration, flying int) { c.c.single(took, flying) }
func (c *Cost) Batch(took time.Duration, n, flying int, now time.Time) {
	c.c.batch(took, n, flying, now)
}
func (c *Cost) Crossover(now time.Time) int { return c.c.crossover(now) }

// Restarts is the back-off of the watcher.
type Restarts struct{ r restarts }

func (r *Restarts) Healthy(now time.Time)  { r.r.healthy(now) }
func (r *Restarts) Ill(now time.Time) bool { return r.r.ill(now) }
func (r *Restarts) Spent(now time.Time)    { r.r.spent(now) }

// Seldom is the limit on repeated log texts.
type Seldom struct{ s seldom }

func (s *Seldom) Allow(text string, now time.Time) bool { return s.s.allow(text, now) }

// Note is what the watcher does with what a stream says of itself.
func (b *Bus) Note(info *jetstream.StreamInfo) { b.note(info) }

// Unhealthy is what the watcher hears of the embedded server, and how often
// and how long it asks.
func (b *Bus) Unhealthy(ctx context.Context) error { return b.srv.unhealthy(ctx) }

const (
	AskAgain  = askAgain
	BelieveIn = believeIn
)

// Believed is what the watcher makes of answers.
func Believed(ctx context.Context, ask func() (ill error, sure bool)) error {
	return believed(ctx, ask)
}
