package main

import (
	"fmt"
	"io"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
)

// tailFlags are the flags of tail.
type tailFlags struct {
	json, raw        bool
	instrument, nats string
}

func newTail() *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show what is stored, live",
		Long: `Tail shows every message and link event from the moment it is stored, until
Ctrl-C: time, instrument, what it is and how much. These lines hold no patient
and no specimen; --json and --raw show the content itself.

--json prints one object per event: stream, sequence, subject, headers, and the
payload as data (or raw, in base64). --raw shows raw messages instead of what
was decoded from them, with control characters made visible.

The bus is ` + nats.DefaultURL + `, ASSAYBUS_NATS_URL or --nats; ASSAYBUS_NATS_TOKEN,
_CREDS and _TLS_... are used as by serve. It leaves no consumer behind.`,
		Example: `  assaybus tail
  assaybus tail --instrument xn1000 --raw
  assaybus tail --json --nats nats://bus:4222 | jq -c 'select(.subject | startswith("lab.failed"))'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "one JSON object per line, with content")
	flags.BoolVar(&f.raw, "raw", false, "raw messages as sent, control characters visible")
	flags.StringVar(&f.instrument, "instrument", "", "only this instrument's id")
	flags.StringVar(&f.nats, "nats", "", "URL of the bus")
	return cmd
}

func (f *tailFlags) run(cmd *cobra.Command) error {
	c, err := loadConfig()
	if err != nil {
		return &usageError{err}
	}
	switch {
	case f.nats != "":
		if err := busURL(f.nats); err != nil {
			return usagef("--nats: %w", err)
		}
		c.NATS.URL = f.nats
	case c.NATS.URL == "" && c.NATS.Listen == none:
		return usagef("the embedded bus has no listener (ASSAYBUS_NATS_LISTEN is none): set it to 127.0.0.1:4222 where serve runs, or name a bus with --nats")
	case c.NATS.URL == "":
		c.NATS.URL = "nats://" + c.NATS.Listen
	}
	nc, err := connect(c.NATS)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("bus %s: %w", redacted(c.NATS.URL), err)
	}
	return follow(cmd.Context(), js, feeds(f.raw, f.instrument), func(e event) error {
		return f.put(cmd.OutOrStdout(), e)
	})
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
	_, err := fmt.Fprintln(w, line)
	return err
}
