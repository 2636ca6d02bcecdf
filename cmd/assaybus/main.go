// Command assaybus stands between clinical analyzers and NATS JetStream. This
// package is wiring: one file per command, nothing that another program could
// want.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // instruments name time zones; containers and Windows have none

	"github.com/spf13/cobra"
)

// The exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for did not work out
	exitUsage  = 2 // what was asked for makes no sense
	exitDiffer = 3 // replay: something would be published differently
)

// commands are the constructors of the commands: a new one is a line here.
func commands() []func() *cobra.Command {
	return []func() *cobra.Command{
		newServe,
		newDemo,
		newInstruments,
		newDecode,
		newStatus,
		newTail,
		newShow,
		newReplay,
		newIngest,
		newSimulate,
		newVersion,
	}
}

func main() {
	ctx, stop := interruptible(context.Background())
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// interruptible is a context that the first SIGINT or SIGTERM ends. By then
// nothing listens for signals any more: the second one ends the process.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer cancel()
		defer signal.Stop(signals)
		select {
		case <-signals:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// run is the program without the process around it. Settings come from the
// environment; the result is the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root, started := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var usage *usageError
	if *started && !errors.As(err, &usage) {
		fmt.Fprintf(stderr, "assaybus: %v\n", err)
		if errors.Is(err, errDiffer) {
			return exitDiffer
		}
		return exitFailed
	}
	fmt.Fprintf(stderr, "assaybus: %v; see %s --help\n", err, command.CommandPath())
	return exitUsage
}

// newRoot builds the command tree. started becomes true when a command's own
// code begins: every error before that is one of usage.
func newRoot() (root *cobra.Command, started *bool) {
	started = new(bool)
	root = &cobra.Command{
		Use:   "assaybus",
		Short: "Clinical analyzers in, NATS JetStream out, acknowledged only from disk",
		Long: `assaybus stands between clinical analyzers (ASTM, HL7) and NATS JetStream.
An analyzer hears a positive acknowledgement only after JetStream has confirmed
the message and what was decoded from it on disk.`,
		Example:           "  assaybus decode capture.astm\n  assaybus tail",
		Args:              cobra.ArbitraryArgs,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	for _, construct := range commands() {
		root.AddCommand(construct())
	}
	mark(root, started)
	return root, started
}

// mark notes in started that a command's own code began.
func mark(cmd *cobra.Command, started *bool) {
	if own := cmd.RunE; own != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return own(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		mark(sub, started)
	}
}

// usageError is a complaint about what was asked for: exit code 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef is a [usageError] with a text.
func usagef(format string, a ...any) error {
	return &usageError{fmt.Errorf(format, a...)}
}

func unknownCommand(root *cobra.Command, name string) error {
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return usagef("unknown command %q, did you mean %s?", name, strings.Join(near, " or "))
	}
	return usagef("unknown command %q", name)
}
