// Package onbus hears what the streams of a test's bus hold.
package onbus

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

// most is how many of the newest messages of a stream are read.
const most = 2000

// limit is how long a bus may take that a test has damaged.
const limit = 10 * time.Second

// Hear reads the streams of js: what messages, raw and parsed, say must be heard nowhere;
// subjects, headers, link events and failures are heard. A test calls it
// before it closes its bus, in whatever state that is: what cannot be read any
// more is left out.
func Hear(js jetstream.JetStream) {
	if js == nil || !privacytest.On() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, name := range []string{subjects.StreamRaw, subjects.StreamParsed, subjects.StreamLink} {
		s, err := js.Stream(ctx, name)
		if err != nil {
			continue
		}
		state := s.CachedInfo().State
		first := state.FirstSeq
		if state.LastSeq > most {
			first = max(first, state.LastSeq-most+1)
		}
		for n := first; n <= state.LastSeq && ctx.Err() == nil; n++ {
			if m, err := s.GetMsg(ctx, n); err == nil {
				Message(m.Subject, m.Header, m.Data)
			}
		}
	}
}

// Message hears one message of a stream.
func Message(subject string, header nats.Header, body []byte) {
	privacytest.Text(privacytest.KindStored, fmt.Sprintf("%s %v", subject, header))
	if strings.HasPrefix(subject, "lab.raw.") || strings.HasPrefix(subject, "lab.parsed.") {
		privacytest.Message(body)
	} else {
		privacytest.Text(privacytest.KindStored, string(body))
	}
}
