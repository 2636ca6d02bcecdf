package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge/broker"
)

// tailFlags are the flags of tail.
type tailFlags struct {
	bus               busFlag
	json, raw         bool
	instrument, since string
}

func newTail() *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show what is stored, live",
		Long: `Tail shows every message and link event from the moment it is stored, until
Ctrl-C: time, instrument, what it is and how much. With --since it begins with
what is stored already. These lines hold no patient and no specimen.

--json and --raw show patient data: the content itself.

--json prints one object per event: stream, sequence, subject, headers, and the
payload as data (or raw, in base64). --raw shows raw messages instead of what
was decoded from them, with control characters made visible.

` + busHelp + ` It leaves no consumer behind.`,
		Example: `  assaybus tail
  assaybus tail --since 1h
  assaybus tail --instrument xn1000 --raw
  assaybus tail --json --nats nats://bus:4222 | jq -c 'select(.subject | startswith("lab.failed"))'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "one JSON object per line; shows patient data")
	flags.BoolVar(&f.raw, "raw", false, "raw messages as sent, control characters visible; shows patient data")
	flags.StringVar(&f.instrument, "instrument", "", "only this instrument's id")
	flags.StringVar(&f.since, "since", "", "begin with what was stored since: "+momentHelp)
	f.bus.add(flags)
	return cmd
}

func (f *tailFlags) run(cmd *cobra.Command) error {
	since, err := moment(f.since, time.Now())
	if err != nil {
		return usagef("--since: %w", err)
	}
	c, nc, err := f.bus.open("assaybus tail")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("bus %s: %w", redacted(c.NATS.URL), err)
	}
	put := func(e event) error { return f.put(cmd.OutOrStdout(), e) }
	from := feeds(f.raw, f.instrument)
	if f.since != "" {
		archive, err := broker.NewArchive(nc)
		if err != nil {
			return fmt.Errorf("bus %s: %w", redacted(c.NATS.URL), err)
		}
		if err := history(cmd.Context(), archive, from, since, put); err != nil || cmd.Context().Err() != nil {
			return unlessInterrupted(cmd.Context(), err)
		}
	}
	return follow(cmd.Context(), js, from, put)
}

// unlessInterrupted is err, but nil when it only says that ctx ended.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (f *tailFlags) put(w io.Writer, e event) error {
	var line string
	switch {
	case f.json:
		object, err := eventJSON(e)
		if err != nil {
			return fmt.Errorf("%s %d: %w", e.stream, e.sequence, err)
		}
		line = string(object)
	case f.raw:
		line = rawLines(e)
	default:
		line = humanLine(e)
	}
	if f.since != "" && !f.json { // the lines have the time of day
		line = e.stored.Local().Format("2006-01-02 ") + line
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
