package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/testdata"
)

// simulation is what `assaybus simulate` was asked for.
type simulation struct {
	to, listen  string
	protocol    string
	rate        string
	count       int
	start       int
	duration    time.Duration
	connections int
	loop        bool
	faults      []string
	seed        uint64
	attempts    int
	patience    time.Duration
	pause       time.Duration
	json        bool

	chances   simulator.Chances
	perSecond float64
}

// maxConnections keeps a slip of the finger from using up all ports.
const maxConnections = 20_000

func newSimulate() *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use:   "simulate [FILE...]",
		Short: "Play instruments: files over ASTM or HL7, at a rate, with faults",
		Long:  simulateHelp(),
		Example: `  assaybus simulate --to 127.0.0.1:5001 --protocol astm --rate 2/s --for 10s
  assaybus simulate --to 127.0.0.1:5002 --count 100 --connections 4 results.hl7
  assaybus simulate --listen 127.0.0.1:4000 --protocol astm --loop --fault bad-checksum=0.1,cut=0.02`,
		RunE: s.run,
	}
	f := cmd.Flags()
	f.StringVar(&s.to, "to", "", "HOST:PORT of the bridge, which the instrument calls")
	f.StringVar(&s.listen, "listen", "", "ADDRESS where the instrument waits for the bridge's call")
	f.StringVar(&s.protocol, "protocol", codec.Auto, "auto (each message in its own), "+strings.Join(all.Protocols.Names(), " or "))
	f.StringVar(&s.rate, "rate", "", "messages per time over all connections: 2/s, 90/m, 500/h (default: as fast as acknowledged)")
	f.IntVar(&s.count, "count", 0, "how many messages to play, the files in turn (default: each message once)")
	f.IntVar(&s.start, "start", 1, "the number of the first message: what {n} becomes")
	f.DurationVar(&s.duration, "for", 0, "play for this long, the files in turn")
	f.IntVar(&s.connections, "connections", 1, "how many connections at once")
	f.BoolVar(&s.loop, "loop", false, "play the files in turn until interrupted")
	f.StringArrayVar(&s.faults, "fault", nil, "NAME=PROBABILITY,... of misbehaving, per attempt at a message")
	f.Uint64Var(&s.seed, "seed", 1, "the same seed plays the same faults")
	f.IntVar(&s.attempts, "attempts", 0, "give a message up after this many attempts (default: never)")
	f.DurationVar(&s.patience, "patience", 0, "wait no longer than this for a reply (default: the protocol's timers)")
	f.DurationVar(&s.pause, "pause", simulator.DefaultPause, "wait after a refusal before the message is sent again")
	f.BoolVar(&s.json, "json", false, "one JSON object with the result")
	return cmd
}

func simulateHelp() string {
	var b strings.Builder
	b.WriteString(`Play instruments against any bridge. A message that is not acknowledged is sent
again, as an analyzer does. Exit code 0 means that every message was acknowledged.

FILE holds bare records (H to L, or MSH to the next MSH; lines end in CR or LF)
or a capture with its link framing; - is standard input. {n} in a message becomes
its running number and {time} the time as YYYYMMDDHHMMSS. Without FILE invented
messages of the protocol are played.

Faults (name "all" for every one):
`)
	for _, f := range simulator.Faults() {
		fmt.Fprintf(&b, "  %-13s %s\n", f, f.Help())
	}
	return strings.TrimRight(b.String(), "\n")
}

// run plays and reports.
func (s *simulation) run(cmd *cobra.Command, files []string) error {
	if err := s.check(); err != nil {
		return &usageError{err}
	}
	protocol, err := all.Protocols.Build(s.protocol, codec.Options{Role: codec.RoleInstrument})
	if err != nil {
		return &usageError{err}
	}
	templates, err := s.load(cmd.Context(), files, cmd.InOrStdin())
	if err != nil {
		return err
	}
	connect, hangUp, err := s.line(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer hangUp()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if s.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	ledger := simulator.NewLedger()
	next := simulator.NewSource(templates, s.start, s.plays(len(templates))).Next
	var playing sync.WaitGroup
	failures := make(chan error, s.connections)
	for n := range s.connections {
		i := &simulator.Instrument{
			Name: fmt.Sprint(n + 1), Connect: connect, Protocol: protocol, Next: next, Ledger: ledger,
			Rate: s.perSecond / float64(s.connections), Attempts: s.attempts, Patience: s.patience, Pause: s.pause,
			Faults: s.chances, Seed: s.seed + uint64(n),
		}
		playing.Go(func() {
			if err := i.Run(ctx); err != nil && !errors.Is(err, simulator.ErrUnacknowledged) {
				failures <- err
			}
		})
	}
	over := make(chan struct{})
	go func() { playing.Wait(); close(over) }()
	s.watch(cmd.ErrOrStderr(), ledger, over)
	select {
	case err := <-failures:
		return err
	default:
		return s.report(cmd.OutOrStdout(), ledger.Totals())
	}
}

// check finds what makes no sense.
func (s *simulation) check() (err error) {
	switch {
	case (s.to == "") == (s.listen == ""):
		return errors.New("say either --to HOST:PORT or --listen ADDRESS")
	case s.connections < 1 || s.connections > maxConnections:
		return fmt.Errorf("--connections: must be 1 to %d (got %d)", maxConnections, s.connections)
	case s.count < 0 || s.attempts < 0 || s.duration < 0 || s.patience < 0 || s.pause < 0:
		return errors.New("--count, --attempts, --for, --patience and --pause cannot be negative")
	case s.loop && s.count > 0:
		return errors.New("--loop has no end and --count is one: say one of them")
	}
	if s.perSecond, err = parseRate(s.rate); err != nil {
		return err
	}
	s.chances, err = simulator.ParseChances(s.faults...)
	return err
}

// plays is how many messages the source gives; 0 = no end.
func (s *simulation) plays(templates int) int {
	switch {
	case s.count > 0:
		return s.count
	case s.loop, s.duration > 0:
		return 0
	}
	return templates
}

// line is how instruments get their connections, and what ends that.
func (s *simulation) line(stderr io.Writer) (connect func(context.Context) (net.Conn, error), end func(), err error) {
	if s.to != "" {
		if _, _, err := net.SplitHostPort(s.to); err != nil {
			return nil, nil, usagef("--to: %w", err)
		}
		return simulator.Dial(s.to), func() {}, nil
	}
	inner, err := net.Listen("tcp", s.listen)
	if err != nil {
		return nil, nil, fmt.Errorf("--listen: %w", err)
	}
	l := simulator.Listen(inner)
	fmt.Fprintf(stderr, "waiting for the bridge's call on %s\n", l.Addr())
	return l.Connect, func() { l.Close() }, nil
}

// load reads the messages to play.
func (s *simulation) load(ctx context.Context, files []string, stdin io.Reader) ([][]byte, error) {
	if len(files) == 0 {
		return builtIn(s.protocol)
	}
	host, err := all.Protocols.Build(s.protocol, codec.Options{})
	if err != nil {
		return nil, err
	}
	var messages [][]byte
	for _, name := range files {
		data, err := readPlay(name, stdin)
		if err != nil {
			return nil, err
		}
		some, err := simulator.Split(data)
		if errors.Is(err, simulator.ErrCapture) {
			some, err = simulator.Capture(ctx, host, data)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		messages = append(messages, some...)
	}
	return messages, nil
}

// maxPlay bounds a file that is kept in memory to be played.
const maxPlay = 256 << 20

func readPlay(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxPlay+1))
	if err == nil && len(data) > maxPlay {
		err = fmt.Errorf("%s: over %v: play a part of it", name, Size(maxPlay))
	}
	return data, err
}

// builtIn are the embedded messages of the protocol.
func builtIn(protocol string) ([][]byte, error) {
	const folder = "simulator"
	entries, err := testdata.Simulator.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var messages [][]byte
	for _, e := range entries {
		if protocol != codec.Auto && path.Ext(e.Name()) != "."+protocol {
			continue
		}
		data, err := testdata.Simulator.ReadFile(path.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		some, err := simulator.Split(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		messages = append(messages, some...)
	}
	return messages, nil
}
