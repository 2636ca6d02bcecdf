package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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
}

// feeds are the streams that hold raw messages, or what was derived from
// them and the links' events; of one instrument, or of all when it is empty.
func feeds(raw bool, instrument string) []feed {
	token := "*"
	if instrument != "" {
		token = subjects.Token(instrument)
	}
	if raw {
		return []feed{{subjects.StreamRaw, []string{"lab.raw.*." + token}}}
	}
	return []feed{
		{subjects.StreamParsed, []string{"lab.parsed.*." + token + ".>", "lab.failed.*." + token + ".>"}},
		{subjects.StreamLink, []string{"lab.link.*." + token + ".>"}},
	}
}

// follow gives put every event that is stored from now on, until ctx ends. It
// leaves nothing on the server. put is called by one goroutine at a time.
func follow(ctx context.Context, js jetstream.JetStream, from []feed, put func(event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	events := make(chan event)
	for _, f := range from {
		consumer, err := js.OrderedConsumer(ctx, f.stream, jetstream.OrderedConsumerConfig{
			FilterSubjects: f.filter,
			DeliverPolicy:  jetstream.DeliverNewPolicy,
		})
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

// connect opens the bus that c names.
func connect(c natsConfig) (*nats.Conn, error) {
	options := []nats.Option{nats.Name("assaybus tail"), nats.MaxReconnects(-1), nats.Timeout(5 * time.Second)}
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
