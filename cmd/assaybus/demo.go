package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/testdata"
)

// demo is what `assaybus demo` was asked for.
type demo struct {
	duration time.Duration
	rate     string
	nats     string
	http     string
	out      *lineWriter
}

// player is one simulated analyzer of the demo.
type player struct {
	id, name string
	calls    bool     // it calls us; otherwise we call it
	protocol string   // of its link
	files    []string // of testdata/simulator
	faults   simulator.Chances
	listener *simulator.Listener
	ledger   *simulator.Ledger
}

// The waits of the demo: for its listeners, for a reply when an analyzer
// misbehaves, and after a refusal.
const (
	demoReady    = 10 * time.Second
	demoPatience = 3 * time.Second
	demoPause    = time.Second
)

func newDemo() *cobra.Command {
	var d demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A bridge on the embedded bus and five simulated analyzers, live",
		Long: `Demo runs a bridge on the embedded bus in a temporary folder and plays five
simulated analyzers against it: ASTM and HL7, calling us and called by us, and
one that misbehaves. It prints every event as it is stored. At the end it checks
that every message the analyzers saw acknowledged is in the streams, and exactly
once for consumers; it exits 1 if not.`,
		Example: "  assaybus demo\n  assaybus demo --for 10s",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	f := cmd.Flags()
	f.DurationVar(&d.duration, "for", 0, "end after this long (default: run until Ctrl-C)")
	f.StringVar(&d.rate, "rate", "1/s", "messages of each analyzer per time")
	f.StringVar(&d.nats, "nats", "127.0.0.1:0", "where the embedded bus listens; port 0 = any free one")
	f.StringVar(&d.http, "http", "127.0.0.1:0", "where the page is; port 0 = any free one, none = nowhere")
	return cmd
}

// players are the five analyzers.
func players() []*player {
	return []*player{
		{id: "haema-1", name: "haematology, ASTM, calls us", calls: true, protocol: "astm", files: []string{"haematology.astm", "qc.astm"}},
		{id: "chem-2", name: "chemistry, ASTM, we call it", protocol: "astm", files: []string{"chemistry.astm"}},
		{id: "haema-3", name: "haematology, HL7, calls us", calls: true, protocol: "hl7", files: []string{"haematology.hl7", "qc.hl7"}},
		{id: "immuno-4", name: "immunoassay, HL7, we call it", protocol: "hl7", files: []string{"law.hl7"}},
		{id: "trouble-5", name: "misbehaves: bad checksums, repeats, cuts", calls: true, protocol: "astm", files: []string{"immunoassay.astm"}, faults: simulator.Chances{
			simulator.FaultBadChecksum: 0.3, simulator.FaultRepeat: 0.3, simulator.FaultCut: 0.3, simulator.FaultNoise: 0.2, simulator.FaultSplit: 0.3,
		}},
	}
}

// run holds the demo from the first port to the last count.
func (d *demo) run(cmd *cobra.Command) error {
	perSecond, err := parseRate(d.rate)
	if err != nil {
		return &usageError{err}
	}
	folder, err := os.MkdirTemp("", "assaybus-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	d.out = newLineWriter(cmd.OutOrStdout())
	cast := players()
	registry, hangUp, err := stage(cast)
	defer hangUp()
	if err != nil {
		return err
	}
	s, err := d.open(cmd.Context(), folder)
	if err != nil {
		return err
	}
	serving, stopServing := context.WithCancel(context.WithoutCancel(cmd.Context()))
	defer stopServing()
	over := make(chan error, 1)
	go func() { over <- s.run(serving, registry) }()
	playErr := d.play(cmd.Context(), s, cast, perSecond)
	verdictErr := d.verify(s, cast)
	stopServing()
	return errors.Join(playErr, verdictErr, <-over)
}

// open starts the bridge's service with settings of the demo's own.
func (d *demo) open(ctx context.Context, folder string) (*service, error) {
	c := config{
		Data: folder, Site: "demo", HTTP: d.http, Replicas: 1, StoreMax: 1 << 30,
		NATS: natsConfig{Listen: d.nats}, Patience: Duration(10 * time.Second), ShutdownGrace: Duration(5 * time.Second),
	}
	// warnings of the misbehaving analyzer are told by the live view
	return openService(ctx, c, slog.New(slog.NewTextHandler(d.out, &slog.HandlerOptions{Level: slog.LevelError})))
}

// stage opens the ports of the analyzers that we call and writes the
// instruments file of the demo.
func stage(cast []*player) (*bridge.Registry, func(), error) {
	var text strings.Builder
	text.WriteString("instruments:\n")
	hangUp := func() {
		for _, p := range cast {
			if p.listener != nil {
				_ = p.listener.Close()
			}
		}
	}
	for _, p := range cast {
		p.ledger = simulator.NewLedger()
		link := "listen: '127.0.0.1:0'"
		if !p.calls {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, hangUp, err
			}
			p.listener = simulator.Listen(l)
			link = fmt.Sprintf("dial: '%s'", l.Addr())
		}
		fmt.Fprintf(&text, "  - {id: %s, name: '%s', %s}\n", p.id, p.name, link)
	}
	registry, err := bridge.Load("demo", []byte(text.String()), all.Protocols)
	return registry, hangUp, err
}

// play lets the analyzers play until the time is over, with the live view.
func (d *demo) play(ctx context.Context, s *service, cast []*player, perSecond float64) error {
	defer d.view(s)()
	if err := awaitListeners(ctx, s, cast); err != nil {
		return err
	}
	d.introduce(s, cast)
	if d.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.duration)
		defer cancel()
	}
	var playing sync.WaitGroup
	failures := make(chan error, len(cast))
	for n, p := range cast {
		i, err := p.instrument(s, perSecond, uint64(n+1))
		if err != nil {
			return err
		}
		playing.Go(func() {
			if err := i.Run(ctx); err != nil && !errors.Is(err, simulator.ErrUnacknowledged) {
				failures <- fmt.Errorf("analyzer %s: %w", p.id, err)
			}
		})
	}
	playing.Wait()
	close(failures)
	var all []error
	for err := range failures {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// view prints every event from the moment it is stored, until the function
// that it returns is called.
func (d *demo) view(s *service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		err := follow(ctx, s.bus.JetStream(), feeds(false, ""), func(e event) error {
			_, err := fmt.Fprintln(d.out, humanLine(e))
			return err
		})
		if err != nil {
			fmt.Fprintf(d.out, "the live view is gone: %v\n", err)
		}
	}()
	return func() {
		cancel()
		<-over
	}
}

// instrument makes the simulated analyzer.
func (p *player) instrument(s *service, perSecond float64, seed uint64) (*simulator.Instrument, error) {
	protocol, err := all.Protocols.Build(p.protocol, codec.Options{Role: codec.RoleInstrument})
	if err != nil {
		return nil, err
	}
	var templates [][]byte
	for _, name := range p.files {
		data, err := testdata.Simulator.ReadFile(path.Join("simulator", name))
		if err != nil {
			return nil, err
		}
		some, err := simulator.Split(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		templates = append(templates, some...)
	}
	i := &simulator.Instrument{
		Name: p.id, Protocol: protocol, Next: simulator.NewSource(templates, 1, 0).Next, Rate: perSecond,
		Patience: demoPatience, Pause: demoPause, Faults: p.faults, Seed: seed, Ledger: p.ledger,
	}
	if p.calls {
		i.Connect = simulator.Dial(s.server.Addr(p.id).String())
	} else {
		i.Connect = p.listener.Connect
	}
	return i, nil
}

// awaitListeners waits until every analyzer that calls us can.
func awaitListeners(ctx context.Context, s *service, cast []*player) error {
	ctx, cancel := context.WithTimeout(ctx, demoReady)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, p := range cast {
		for p.calls && s.server.Addr(p.id) == nil {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("listener of %s: %w", p.id, ctx.Err())
			}
		}
	}
	return nil
}

// introduce says what is to be seen and how to look at it.
func (d *demo) introduce(s *service, cast []*player) {
	for _, p := range cast {
		where := "we call it"
		if p.calls {
			where = "calls " + s.server.Addr(p.id).String()
		}
		fmt.Fprintf(d.out, "%-10s %-42s %s\n", p.id, p.name, where)
	}
	if url := s.bus.URL(); url != "" {
		fmt.Fprintf(d.out, "\nlisten in:  assaybus tail --nats %s\n", url)
	}
	if url := s.page.url(); url != "" {
		fmt.Fprintf(d.out, "look:       %s/\n\n", url)
	}
}

// lineWriter lets several goroutines write whole lines to one writer.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func newLineWriter(w io.Writer) *lineWriter { return &lineWriter{w: w} }

// Write writes p while nobody else does.
func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
