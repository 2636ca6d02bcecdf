package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/all"
)

func newInstruments() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "instruments",
		Short:   "Check and list the instruments file",
		Example: "  assaybus instruments check\n  assaybus instruments list --json lab.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newInstrumentsCheck(), newInstrumentsList())
	return cmd
}

func newInstrumentsCheck() *cobra.Command {
	return &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Say whether the instruments file can be served",
		Example: "  assaybus instruments check\n  assaybus instruments check lab.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, registry, err := instrumentsFile(args)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d instruments, no mistakes found\n", path, len(registry.Instruments))
			return err
		},
	}
}

// listed is one instrument as `instruments list --json` prints it.
type listed struct {
	ID             string   `json:"id"`
	Name           string   `json:"name,omitempty"`
	Listen         string   `json:"listen,omitempty"`
	Dial           string   `json:"dial,omitempty"`
	From           []string `json:"from,omitempty"`
	TLS            string   `json:"tls,omitempty"` // mutual, on, off; nothing inside this machine
	Protocol       string   `json:"protocol"`
	Timezone       string   `json:"timezone"`
	Quirks         []string `json:"quirks,omitempty"`
	MaxMessage     string   `json:"maxMessage"`
	MessageTimeout string   `json:"messageTimeout"`
	MaxConnections int      `json:"maxConnections"`
}

func newInstrumentsList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list [FILE]",
		Short:   "List the instruments with what is in force for each",
		Example: "  assaybus instruments list\n  assaybus instruments list --json lab.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, registry, err := instrumentsFile(args)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			if !asJSON {
				fmt.Fprintln(w, "ID\tLINK\tFROM\tTLS\tPROTOCOL\tTIME ZONE\tQUIRKS\tNAME")
			}
			for _, i := range registry.Instruments {
				l := list(i)
				if asJSON {
					if err := json.NewEncoder(cmd.OutOrStdout()).Encode(l); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, link(i), orDash(l.From), cmp.Or(l.TLS, "-"), l.Protocol, l.Timezone, orDash(l.Quirks), l.Name)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each instrument")
	return cmd
}

func list(i *bridge.Instrument) listed {
	l := listed{
		ID: i.ID, Name: i.Name, Listen: i.Listen, Dial: i.Dial, TLS: i.TLS(), Protocol: i.Protocol.Name(), Timezone: i.Options.Location.String(),
		Quirks: i.Options.Quirks, MaxMessage: bridge.Size(i.Options.MaxMessage).String(), MessageTimeout: i.Options.MessageTimeout.String(), MaxConnections: i.MaxConnections,
	}
	for _, p := range i.From {
		l.From = append(l.From, p.String())
	}
	return l
}

func link(i *bridge.Instrument) string {
	if i.Dial != "" {
		return "we call " + i.Dial
	}
	return "calls " + i.Listen
}

func orDash(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ",")
}

// instrumentsFile reads the file named on the command line or by the setting.
func instrumentsFile(args []string) (path string, r *bridge.Registry, err error) {
	if len(args) == 1 {
		path = args[0]
	} else {
		c, err := loadConfig()
		if err != nil {
			return "", nil, &usageError{err}
		}
		path = c.Instruments
	}
	r, err = bridge.LoadFile(path, all.Protocols)
	return path, r, err
}
