package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/pflag"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// event is one stored message of a stream.
type event struct {
	stream   string
	subject  string
	sequence uint64
	stored   time.Time
	header   nats.Header
	body     []byte
}

// feed is a stream and the subjects of it that are wanted.
type feed struct {
	stream string
	filter []string
	next   uint64 // the first sequence wanted; 0 = what is stored from now on
}

// feeds are the streams that hold raw messages, or what was derived from
// them and the links' events; of one instrument, or of all when it is empty.
func feeds(raw bool, instrument string) []feed {
	token := "*"
	if instrument != "" {
		token = subjects.Token(instrument)
	}
	if raw {
		return []feed{{stream: subjects.StreamRaw, filter: []string{"lab.raw.*." + token}}}
	}
	return []feed{
		{stream: subjects.StreamParsed, filter: []string{"lab.parsed.*." + token + ".>", "lab.failed.*." + token + ".>"}},
		{stream: subjects.StreamLink, filter: []string{"lab.link.*." + token + ".>"}},
	}
}

// follow gives put every event of the feeds as it is stored, until ctx ends. It
// leaves nothing on the server. put is called by one goroutine at a time.
func follow(ctx context.Context, js jetstream.JetStream, from []feed, put func(event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	events := make(chan event)
	for _, f := range from {
		start := jetstream.OrderedConsumerConfig{FilterSubjects: f.filter, DeliverPolicy: jetstream.DeliverNewPolicy}
		if f.next > 0 {
			start.DeliverPolicy, start.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.next
		}
		consumer, err := js.OrderedConsumer(ctx, f.stream, start)
		if err != nil {
			return fmt.Errorf("stream %s: %w; is this the bus of a running assaybus serve?", f.stream, err)
		}
		consuming, err := consumer.Consume(func(m jetstream.Msg) {
			e := event{subject: m.Subject(), header: m.Headers(), body: m.Data()}
			if at, err := m.Metadata(); err == nil {
				e.stream, e.sequence, e.stored = at.Stream, at.Sequence.Stream, at.Timestamp
			}
			select {
			case events <- e:
			case <-ctx.Done():
			}
		}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, nats.ErrConnectionClosed) {
				cancel(fmt.Errorf("stream %s: %w", f.stream, err))
			}
		}))
		if err != nil {
			return fmt.Errorf("stream %s: %w", f.stream, err)
		}
		defer consuming.Stop()
	}
	for {
		select {
		case e := <-events:
			if err := put(e); err != nil {
				return err
			}
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return nil
		}
	}
}

// history gives put what the feeds hold since a moment, in the order of time,
// and leaves each feed at the first event behind it.
func history(ctx context.Context, archive *broker.Archive, from []feed, since time.Time, put func(event) error) error {
	var heads []*head
	for n, f := range from {
		span, err := archive.Span(ctx, f.stream)
		if err != nil {
			return err
		}
		from[n].next = span.Last + 1
		next, stop := iter.Pull2(archive.Scan(ctx, bridge.Query{Stream: f.stream, Subjects: f.filter, Since: since, To: span.Last}))
		defer stop()
		heads = append(heads, &head{next: next})
	}
	for {
		var first *head
		for _, h := range heads {
			if err := h.fill(); err != nil {
				return err
			}
			if h.waits && (first == nil || h.event.stored.Before(first.event.stored)) {
				first = h
			}
		}
		if first == nil {
			return nil
		}
		first.waits = false
		if err := put(first.event); err != nil {
			return err
		}
	}
}

// head is the first event of a feed that was not shown yet.
type head struct {
	next  func() (bridge.Stored, error, bool)
	event event
	waits bool // event is there
}

func (h *head) fill() error {
	if h.waits {
		return nil
	}
	m, err, ok := h.next()
	if err != nil {
		return err
	}
	h.event, h.waits = eventOf(m), ok
	return nil
}

func eventOf(m bridge.Stored) event {
	return event{stream: m.Stream, subject: m.Subject, sequence: m.Sequence, stored: m.At, header: m.Header, body: m.Body}
}

// busFlag is the bus that a command reads: --nats, or as serve has it.
type busFlag struct{ url string }

func (b *busFlag) add(flags *pflag.FlagSet) { flags.StringVar(&b.url, "nats", "", "URL of the bus") }

// busHelp ends the help of a command with [busFlag].
const busHelp = `The bus is ` + nats.DefaultURL + `, ASSAYBUS_NATS_URL or --nats; ASSAYBUS_NATS_TOKEN,
_CREDS and _TLS_... are used as by serve.`

// open connects to the bus under a name. The connection is the caller's to
// close.
func (b *busFlag) open(name string, more ...nats.Option) (config, *nats.Conn, error) {
	c, err := loadConfig()
	if err != nil {
		return c, nil, &usageError{err}
	}
	switch {
	case b.url != "":
		if err := busURL(b.url); err != nil {
			return c, nil, usagef("--nats: %w", err)
		}
		c.NATS.URL = b.url
	case c.NATS.URL == "" && c.NATS.Listen == none:
		return c, nil, usagef("the embedded bus has no listener (ASSAYBUS_NATS_LISTEN is none): set it to 127.0.0.1:4222 where serve runs, or name a bus with --nats")
	case c.NATS.URL == "":
		c.NATS.URL = "nats://" + c.NATS.Listen
	}
	nc, err := connect(c.NATS, name, more...)
	return c, nc, err
}

// connect opens the bus that c names.
func connect(c natsConfig, name string, more ...nats.Option) (*nats.Conn, error) {
	options := append([]nats.Option{nats.Name(name), nats.MaxReconnects(-1), nats.Timeout(5 * time.Second)}, more...)
	if c.Token != "" {
		options = append(options, nats.Token(c.Token))
	}
	if c.Creds != "" {
		options = append(options, nats.UserCredentials(c.Creds))
	}
	if c.TLS.CA != "" {
		options = append(options, nats.RootCAs(c.TLS.CA))
	}
	if c.TLS.Cert != "" {
		options = append(options, nats.ClientCert(c.TLS.Cert, c.TLS.Key))
	}
	nc, err := nats.Connect(c.URL, options...)
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("bus %s: %w; set ASSAYBUS_NATS_TOKEN or ASSAYBUS_NATS_CREDS", redacted(c.URL), err)
	case err != nil:
		return nil, fmt.Errorf("bus %s: %w; start assaybus serve or name the bus with --nats", redacted(c.URL), err)
	}
	return nc, nil
}

// redacted is a list of URLs without what may be secret in them.
func redacted(urls string) string {
	var hosts []string
	for one := range strings.SplitSeq(urls, ",") {
		if at := strings.LastIndex(one, "@"); at >= 0 {
			scheme, _, ok := strings.Cut(one, "://")
			if !ok {
				scheme = "nats"
			}
			one = scheme + "://" + one[at+1:]
		}
		hosts = append(hosts, strings.TrimSpace(one))
	}
	return strings.Join(hosts, ",")
}
