package broker

import (
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
