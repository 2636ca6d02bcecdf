package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge/ingest"
)

// ingestFlags are the flags of ingest.
type ingestFlags struct {
	bus               busFlag
	database, durable string
	untilEmpty        bool
}

// How long ingest waits for a bus that is still starting.
const (
	busPatience = 10 * time.Second
	busPause    = 250 * time.Millisecond
)

func newIngest() *cobra.Command {
	var f ingestFlags
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Take results from the bus into a database",
		Long: `Ingest writes what the bridge has published (lab.parsed and lab.failed) to the
tables messages, results, orders, queries and failures of an SQLite file or a
PostgreSQL database, and acknowledges it on the bus after the commit. Redelivery,
a crash, a restart and repeats of the instrument leave one row per result. What
a replay decodes otherwise, and what a result of status C corrects, is kept and
no longer current. A database that is away is waited for. Run one process for
each durable name. On a terminal it shows how far it is.

` + busHelp + `

The bus user needs no more than this, when the consumer exists (DURABLE is its
name; ingest creates it when it is missing and the user may also publish to
$JS.API.CONSUMER.CREATE.LAB_PARSED.DURABLE):
  publish    $JS.API.CONSUMER.INFO.LAB_PARSED.DURABLE
             $JS.API.CONSUMER.MSG.NEXT.LAB_PARSED.DURABLE
             $JS.ACK.LAB_PARSED.DURABLE.>
  subscribe  _INBOX_USER.>
where USER is the user of the bus URL, or DURABLE when the URL has none.`,
		Example: `  assaybus ingest
  assaybus ingest --database lab.db --until-empty
  assaybus ingest --database postgres://lab@db/results --nats nats://lis:secret@bus:4222 --durable lis`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.database, "database", "", "SQLite file or postgres:// URL (default: ASSAYBUS_INGEST_DATABASE)")
	flags.StringVar(&f.durable, "durable", "", "name of the consumer on the bus (default: ASSAYBUS_INGEST_DURABLE)")
	flags.BoolVar(&f.untilEmpty, "until-empty", false, "end when everything that is there was stored")
	f.bus.add(flags)
	return cmd
}

func (f *ingestFlags) run(cmd *cobra.Command) error {
	c, err := loadConfig()
	if err != nil {
		return &usageError{err}
	}
	if f.database == "" {
		f.database = c.Ingest.Database
	}
	if f.durable == "" {
		f.durable = c.Ingest.Durable
	}
	if err := ingest.CheckDurable(f.durable); err != nil {
		return usagef("--durable: %w", err)
	}
	log, err := newLogger(cmd.ErrOrStderr(), c.Log)
	if err != nil {
		return &usageError{err}
	}
	bar := newIngestBar(cmd.ErrOrStderr())
	log = slog.New(bar.handler(log.Handler()))
	nc, err := f.connect(cmd.Context(), c, log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	sink, err := ingest.Open(cmd.Context(), f.database)
	if err != nil {
		return err
	}
	log.Info("ingesting", "database", ingest.Redacted(f.database), "bus", nc.ConnectedUrlRedacted(), "durable", f.durable)
	i := ingest.New(ingest.Config{JetStream: js, Sink: sink, Durable: f.durable, UntilEmpty: f.untilEmpty, Progress: bar.show, Log: log})
	err = i.Run(cmd.Context())
	bar.end()
	if err := errors.Join(err, sink.Close()); err != nil {
		return err
	}
	log.Info("stopped", "messages", bar.at.Messages, "results", bar.at.Results, "failures", bar.at.Failures)
	return nil
}

// connect waits a little for a bus that is still starting. Once connected, a
// bus that goes away is waited for without end, and said once.
func (f *ingestFlags) connect(ctx context.Context, c config, log *slog.Logger) (*nats.Conn, error) {
	var refused sync.Map // what the bus forbids, each said once
	options := []nats.Option{
		nats.CustomInboxPrefix(f.inbox(c)),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("bus disconnected; ingest goes on when it is back", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("bus connected again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if _, said := refused.LoadOrStore(err.Error(), true); !said {
				log.Error("bus", "error", err)
			}
		}),
	}
	ctx, cancel := context.WithTimeout(ctx, busPatience)
	defer cancel()
	for {
		_, nc, err := f.bus.open("assaybus ingest", options...)
		var usage *usageError
		if err == nil || errors.As(err, &usage) || errors.Is(err, nats.ErrAuthorization) {
			return nc, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(busPause):
		}
	}
}

// inbox is the prefix of the inbox: that of the user, so that no other one
// hears what it is told.
func (f *ingestFlags) inbox(c config) string {
	name := f.durable
	first, _, _ := strings.Cut(cmp.Or(f.bus.url, c.NATS.URL), ",")
	if u, err := url.Parse(first); err == nil && ingest.CheckDurable(u.User.Username()) == nil {
		name = u.User.Username()
	}
	return "_INBOX_" + name
}
