package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/assaybus/assaybus/bridge/simulator"
)

var errRate = errors.New("--rate: write messages per time, for example 2/s, 90/m or 500/h")

// parseRate reads 2/s, 90/m, 500/h or a number per second; empty is 0.
func parseRate(s string) (perSecond float64, err error) {
	if s == "" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(s, "/")
	per, ok := map[string]float64{"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || !(n > 0 && n <= 1e6) {
		return 0, fmt.Errorf("%w (got %q)", errRate, s)
	}
	return n / per, nil
}

// watch waits for the end of the play and on a terminal says every second how
// it goes.
func (s *simulation) watch(stderr io.Writer, ledger *simulator.Ledger, over <-chan struct{}) {
	if s.json || !isTerminal(stderr) {
		<-over
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			t := ledger.Totals()
			fmt.Fprintf(stderr, "%4.0fs  sent %d  acknowledged %d  repeats %d  connected %d  p99 %v%s\n",
				t.Elapsed.Seconds(), t.Sent, t.Acknowledged, t.Repeats, t.Connected, short(t.P99), lately(t))
		}
	}
}

// lately is the last failure while something waits for its acknowledgement.
func lately(t simulator.Totals) string {
	if t.Failure == "" || t.Open() == 0 && t.Connected > 0 {
		return ""
	}
	return "  " + t.Failure
}

// report prints the result; its error is what makes the exit code 1.
func (s *simulation) report(stdout io.Writer, t simulator.Totals) error {
	write := writeTable
	if s.json {
		write = writeJSON
	}
	if err := write(stdout, t); err != nil {
		return err
	}
	left := t.Open() + t.Rejected
	switch {
	case t.Sent == 0 && t.Failure != "":
		return fmt.Errorf("nothing was sent: %s", t.Failure)
	case t.Sent == 0:
		return errors.New("nothing was sent: the bridge did not call in time")
	case left > 0 && t.Failure != "":
		return fmt.Errorf("%d %w, last failure: %s", left, simulator.ErrUnacknowledged, t.Failure)
	case left > 0:
		return fmt.Errorf("%d %w", left, simulator.ErrUnacknowledged)
	}
	return nil
}

func writeTable(w io.Writer, t simulator.Totals) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "sent\t%d\nacknowledged\t%d\nrejected\t%d\nunacknowledged\t%d\nrepeats\t%d\n",
		t.Sent, t.Acknowledged, t.Rejected, t.Open(), t.Repeats)
	if t.Refused > 0 {
		fmt.Fprintf(tw, "refused\t%d attempts\n", t.Refused)
	}
	if t.Unanswered > 0 {
		fmt.Fprintf(tw, "unanswered\t%d (they ask for no acknowledgement)\n", t.Unanswered)
	}
	fmt.Fprintf(tw, "connections\t%d\nreceived\t%d\n", t.Connections, t.Received)
	fmt.Fprintf(tw, "rate\t%.1f/s over %v\n", t.Rate, t.Elapsed.Round(10*time.Millisecond))
	fmt.Fprintf(tw, "acknowledgement\tp50 %v  p90 %v  p99 %v  max %v\n", short(t.P50), short(t.P90), short(t.P99), short(t.Max))
	for _, f := range slices.Sorted(maps.Keys(t.Faults)) {
		fmt.Fprintf(tw, "%s\t%d\n", f, t.Faults[f])
	}
	return tw.Flush()
}

func writeJSON(w io.Writer, t simulator.Totals) error {
	seconds := func(d time.Duration) float64 { return d.Seconds() }
	return json.NewEncoder(w).Encode(struct {
		simulator.Totals
		Unacknowledged int     `json:"unacknowledged"`
		Seconds        float64 `json:"seconds"`
		P50            float64 `json:"p50Seconds"`
		P90            float64 `json:"p90Seconds"`
		P99            float64 `json:"p99Seconds"`
		Max            float64 `json:"maxSeconds"`
	}{t, t.Open(), seconds(t.Elapsed), seconds(t.P50), seconds(t.P90), seconds(t.P99), seconds(t.Max)})
}

// short is d to three digits or so.
func short(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
