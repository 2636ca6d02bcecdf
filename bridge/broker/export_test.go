package broker

import "github.com/nats-io/nats-server/v2/server"

// Server is the embedded server of the moment, for tests that look inside.
func (b *Bus) Server() *server.Server { return b.srv.current() }

// CheckSubject is the guard of Publish.
func CheckSubject(s string) error { return checkSubject(s) }

// Redact is what errors show of a URL.
func Redact(s string) string { return redact(s) }

// CheckVersion is the test of an external server's version.
func CheckVersion(v string) error { return checkVersion(v) }
