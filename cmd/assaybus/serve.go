package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/all"
)

// lookEvery is how often the instruments file is looked at for a change.
const lookEvery = 2 * time.Second

func newServe() *cobra.Command {
	var withIngest bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the instruments of the instruments file",
		Long: `Serve listens for instruments and calls them, as the instruments file says, and
publishes what they send to JetStream: the embedded one, or the one that
ASSAYBUS_NATS_URL names. It reads the file again on SIGHUP and when it changes;
links whose instrument did not change are not touched. The first SIGTERM or
Ctrl-C lets transmissions in progress finish, the second ends at once.

With --ingest results also go into the database that ASSAYBUS_INGEST_DATABASE
names, as by assaybus ingest, in the same process. A database that is away holds
up no instrument.

Settings come from the environment:
` + configTable(),
		Example: "  assaybus serve\n  ASSAYBUS_INSTRUMENTS=lab.yaml ASSAYBUS_DATA=/var/lib/assaybus assaybus serve",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig()
			if err != nil {
				return &usageError{err}
			}
			log, err := newLogger(cmd.ErrOrStderr(), c.Log)
			if err != nil {
				return &usageError{err}
			}
			return serve(cmd.Context(), c, log, withIngest)
		},
	}
	cmd.Flags().BoolVar(&withIngest, "ingest", false, "take results into a database too")
	return cmd
}

// serve runs until ctx ends.
func serve(ctx context.Context, c config, log *slog.Logger, withIngest bool) error {
	registry, err := bridge.LoadFile(c.Instruments, all.Protocols)
	if err != nil {
		return err
	}
	s, err := openService(ctx, c, log)
	switch {
	case err != nil && ctx.Err() != nil: // SIGTERM while it was starting
		log.Info("stopped before it served")
		return nil
	case err != nil:
		return err
	}
	if withIngest {
		if err := s.openSink(ctx); err != nil {
			return err
		}
	}
	log.Info("serving", "instruments", len(registry.Instruments), "bus", s.bus.URL(), "data", c.Data, "http", s.page.url(), "version", thisBuild().Version)
	warnPayload(log, registry, s.bus.Conn().MaxPayload())
	w := watcher{path: c.Instruments, log: log, apply: func(r *bridge.Registry) error { return s.server.Apply(ctx, r) }}
	w.seen, _ = os.Stat(c.Instruments)
	watching, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.watch(watching)
	}()
	err = s.run(ctx, registry)
	stop()
	<-over
	if err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// warnPayload says which instruments may send more than the bus takes: their
// large messages would be refused.
func warnPayload(log *slog.Logger, registry *bridge.Registry, limit int64) {
	for _, i := range registry.Instruments {
		if int64(i.Options.MaxMessage) > limit {
			log.Warn("the bus takes less than the instrument's max_message: raise max_payload of the NATS server or lower max_message",
				"instrument", i.ID, "max_message", bridge.Size(i.Options.MaxMessage), "max_payload", bridge.Size(limit))
		}
	}
}

// watcher reads the instruments file again when it should.
type watcher struct {
	path  string
	log   *slog.Logger
	apply func(*bridge.Registry) error
	seen  os.FileInfo // nil when the file was not there
}

// watch ends when ctx does.
func (w *watcher) watch(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			w.reload("SIGHUP")
		case <-tick.C:
			if w.changed() {
				w.reload("file changed")
			}
		}
	}
}

// changed reports whether the file is another one than last time.
func (w *watcher) changed() bool {
	now, err := os.Stat(w.path)
	if err != nil {
		return false // an editor is replacing it, or it is gone: what is in force stays
	}
	same := w.seen != nil && os.SameFile(now, w.seen) && now.ModTime().Equal(w.seen.ModTime()) && now.Size() == w.seen.Size()
	w.seen = now
	return !same
}

// reload puts the file in force. A bad file changes nothing and says why.
func (w *watcher) reload(why string) {
	registry, err := bridge.LoadFile(w.path, all.Protocols)
	if err == nil {
		count := len(registry.Instruments)
		if err = w.apply(registry); err == nil {
			w.log.Info("instruments file in force", "why", why, "instruments", count)
			return
		}
	}
	w.log.Error("instruments file not taken; what was in force stays", "why", why, "error", err)
}
