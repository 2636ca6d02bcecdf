package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/all"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	bus          busFlag
	sel          bridge.Selection
	since, until string
	publish, all bool
	run          string
	rate         string
	to           string
	out          string
	force        bool
	json, values bool
	samples      int

	perSecond float64
}

// errDiffer makes the exit code 3.
var errDiffer = errors.New("would be published differently now")

func newReplay() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Decode stored raw messages again; compare, publish or export",
		Long: `Replay reads raw messages from LAB_RAW and decodes them with this program and
the options that the instruments file has now, exactly as a live session would.
Messages of instruments that are not in the file are counted and left out: with
which options to decode them is not known.

Without --publish, --to or --out it changes nothing: it compares with what was
published last for each message and prints the differences, per field and kind
of change, with samples: raw sequence and path, no content. --values adds the
values: it shows patient data. Exit code 3 means that something differs.

  changed  what would be published now differs
  missing  nothing was published (the instrument was refused, or LAB_PARSED is younger)
  fresh    nothing is published yet of a message that came in this moment
  gone     what was published has been removed by age; it is not compared
  repeat   byte for byte a message that was published from another reception

--publish publishes what is changed or missing as the next revision, with the
headers Assaybus-Replay (the run) and Assaybus-Revision; --all also what is the
same or gone. The same --run again publishes only what it has not published yet:
that is how a run that was interrupted is continued. What is fresh or a repeat is
never published.

--to publishes everything else that is selected under another prefix, as
PREFIX.<site>.<instrument>.<kind> or ….failed, into the stream that takes it.
--out writes everything selected to files, raw bytes as <sequence>.raw and what
is derived as <sequence>.json: patient data, readable by you alone.

The digest of every raw message is verified; one that does not match is named,
never published, and makes the exit code 1.

` + busHelp + ` The instruments file is
ASSAYBUS_INSTRUMENTS.

Exit codes: 0 nothing differs, or it was published; 1 something went wrong;
2 usage; 3 something differs.`,
		Example: `  assaybus replay --since 7d
  assaybus replay --instrument xn1000 --failed --publish --run parser-fix
  assaybus replay --from-seq 100 --to-seq 200 --out /tmp/export
  assaybus replay --since 30d --to test.parsed --rate 200/s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.start(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.sel.Instrument, "instrument", "", "only this instrument's id")
	flags.StringVar(&f.sel.Site, "site", "", "of this site (default: ASSAYBUS_SITE, whose instruments the file lists)")
	flags.StringVar(&f.sel.Protocol, "protocol", "", "only links of "+strings.Join(all.Protocols.Names(), " or "))
	flags.StringVar(&f.since, "since", "", "stored since: "+momentHelp)
	flags.StringVar(&f.until, "until", "", "stored before: likewise")
	flags.Uint64Var(&f.sel.From, "from-seq", 0, "from this raw sequence")
	flags.Uint64Var(&f.sel.To, "to-seq", 0, "up to this raw sequence")
	flags.BoolVar(&f.sel.Failed, "failed", false, "only what failed at least once")
	flags.StringVar(&f.sel.Specimen, "specimen", "", "only messages that hold this specimen id")
	flags.BoolVar(&f.publish, "publish", false, "publish what is changed or missing to lab.parsed and lab.failed")
	flags.BoolVar(&f.all, "all", false, "with --publish: also what is the same or gone")
	flags.StringVar(&f.run, "run", "", "id of the run; the same one continues it (default: a new one)")
	flags.StringVar(&f.rate, "rate", "", "most messages to publish per time: 200/s, 90/m (default: as fast as they are confirmed)")
	flags.StringVar(&f.to, "to", "", "publish under this prefix instead, such as test.parsed")
	flags.StringVar(&f.out, "out", "", "write to this folder instead; the files hold patient data")
	flags.BoolVar(&f.force, "force", false, "with --out: overwrite")
	flags.IntVar(&f.samples, "samples", 3, "samples per kind of change")
	flags.BoolVar(&f.values, "values", false, "print values then and now: shows patient data")
	flags.BoolVar(&f.json, "json", false, "JSON lines: every difference and error, then a summary")
	f.bus.add(flags)
	return cmd
}

// start checks what was asked for, connects and runs.
func (f *replayFlags) start(cmd *cobra.Command) error {
	// The other half of the processors is for the live links of this machine.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2)))
	if err := f.check(time.Now()); err != nil {
		return &usageError{err}
	}
	c, nc, err := f.bus.open("assaybus replay")
	if err != nil {
		return err
	}
	defer nc.Close()
	if f.sel.Site == "" {
		f.sel.Site = c.Site
	}
	archive, err := broker.NewArchive(nc)
	if err != nil {
		return err
	}
	r := &bridge.Replay{Archive: archive, Selection: f.sel}
	if r.Registry, err = bridge.LoadFile(c.Instruments, all.Protocols); err != nil {
		return err
	}
	if f.to != "" {
		r.Target = &bridge.Target{Prefix: f.to}
		if r.Target.Stream, err = archive.StreamOf(cmd.Context(), f.to); err != nil {
			return err
		}
	}
	var use user
	switch {
	case f.out != "":
		e, err := newExporter(f.out, f.force)
		if err != nil {
			return err
		}
		defer e.close()
		use = e.use
	case f.publish || f.to != "":
		r.Run = f.run
		if f.run == "" {
			r.Run = newRun(time.Now())
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "run %s: the same command with --run %s continues it\n", r.Run, r.Run)
		p := bridge.NewRepublisher(archive, r.Run, r.Target, f.perSecond)
		use = func(ctx context.Context, t *tally, m bridge.Replayed) error { return f.republish(ctx, p, t, m) }
	}
	return f.replay(cmd, r, use)
}

// user does something with one message that was derived again; nil is content
// with the comparison.
type user func(context.Context, *tally, bridge.Replayed) error

// replay reads, uses and reports.
func (f *replayFlags) replay(cmd *cobra.Command, r *bridge.Replay, use user) error {
	t := newTally(cmd.OutOrStdout(), f)
	t.Run = r.Run
	p := newProgress(cmd.ErrOrStderr(), f.sel.Until)
	r.Progress = p.show
	var failure error
	for m, err := range r.Messages(cmd.Context()) {
		if err == nil {
			err = t.count(m)
		}
		if err == nil && use != nil && m.Err == nil && m.Verdict != bridge.Unknown {
			err = use(cmd.Context(), t, m)
		}
		if err != nil {
			failure = err
			break
		}
	}
	p.clear()
	if err := t.report(); err != nil {
		return err
	}
	switch {
	case cmd.Context().Err() != nil && r.Run != "":
		return fmt.Errorf("interrupted at raw %d; --run %s continues", t.Last, r.Run)
	case cmd.Context().Err() != nil:
		return fmt.Errorf("interrupted at raw %d", t.Last)
	case failure != nil && r.Run != "":
		return fmt.Errorf("%w; --run %s continues", failure, r.Run)
	case failure != nil:
		return failure
	case t.Damaged > 0:
		return fmt.Errorf("%s damaged: restore LAB_RAW from a copy", count(t.Damaged, "raw message"))
	case t.comparing && t.Changed+t.Missing > 0:
		return fmt.Errorf("%s %w", count(t.Changed+t.Missing, "message"), errDiffer)
	}
	return nil
}

// republish publishes m if the run has to.
func (f *replayFlags) republish(ctx context.Context, p *bridge.Republisher, t *tally, m bridge.Replayed) error {
	wanted := m.Verdict == bridge.Changed || m.Verdict == bridge.Missing || f.all || f.to != ""
	switch {
	case m.Verdict == bridge.Repeat, m.Verdict == bridge.Fresh:
		return nil
	case m.Done:
		t.Already++
		return nil
	case !wanted:
		return nil
	}
	took, err := p.Publish(ctx, m)
	switch {
	case err != nil:
		return fmt.Errorf("raw %d: %w", m.Stored.Sequence, err)
	case took:
		t.Published++
	default:
		t.Already++
	}
	return nil
}

// check finds what makes no sense.
func (f *replayFlags) check(now time.Time) (err error) {
	if f.sel.Since, err = moment(f.since, now); err != nil {
		return fmt.Errorf("--since: %w (got %q)", err, f.since)
	}
	if f.sel.Until, err = moment(f.until, now); err != nil {
		return fmt.Errorf("--until: %w (got %q)", err, f.until)
	}
	if f.perSecond, err = parseRate(f.rate); err != nil {
		return err
	}
	if f.sel.Protocol != "" {
		if _, err := all.Protocols.Kind(f.sel.Protocol); err != nil {
			return fmt.Errorf("--protocol: %w", err)
		}
	}
	publishes := f.publish || f.to != ""
	switch {
	case f.out != "" && publishes, f.publish && f.to != "":
		return errors.New("--publish, --to and --out: say one of them")
	case f.all && !f.publish:
		return errors.New("--all goes with --publish")
	case (f.run != "" || f.rate != "") && !publishes:
		return errors.New("--run and --rate go with --publish or --to")
	case f.force && f.out == "":
		return errors.New("--force goes with --out")
	case f.run != "" && !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(f.run):
		return fmt.Errorf("--run: 1 to 64 letters, digits, - and _ (got %q)", f.run)
	case f.sel.To > 0 && f.sel.To < f.sel.From:
		return fmt.Errorf("--to-seq %d is before --from-seq %d", f.sel.To, f.sel.From)
	case !f.sel.Until.IsZero() && !f.sel.Until.After(f.sel.Since):
		return errors.New("--until is before --since")
	case f.samples < 0:
		return errors.New("--samples cannot be negative")
	}
	return checkPrefix(f.to)
}

// checkPrefix keeps --to out of our own subjects and the server's.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	root, _, _ := strings.Cut(prefix, ".")
	switch {
	case root == "lab" || root == "labsvc":
		return fmt.Errorf("--to: %s. holds live messages and services; choose another prefix, such as test.parsed, or --publish", root)
	case !regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`).MatchString(prefix) || strings.HasPrefix(prefix, "_"):
		return fmt.Errorf("--to: letters, digits, - and _ with dots between (got %q)", prefix)
	case len(prefix) > 200:
		return errors.New("--to: at most 200 bytes")
	}
	return nil
}

// newRun is a run's id: when it began, and something that no other has.
func newRun(now time.Time) string {
	return now.UTC().Format("20060102T150405Z") + "-" + strings.ToLower(rand.Text()[:6])
}
