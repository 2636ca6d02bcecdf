package broker

import (
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
