package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// report is bench.json.
type report struct {
	At     time.Time `json:"at"`
	System string    `json:"system"`
	Go     string    `json:"go"`
	CPUs   int       `json:"cpus"`
	Fsync  seconds   `json:"fsyncSeconds"`
	Rates  []rate    `json:"rates,omitempty"`
	Half   load      `json:"half,omitzero"` // 100 connections at half their maximum
	Idle   *idle     `json:"idle,omitempty"`
	Large  []large1  `json:"large,omitempty"`
	Starts []start   `json:"starts,omitempty"`
	Slow   []rate    `json:"slowDisk,omitempty"` // every fsync delayed by 5 ms
	Goals  []goal    `json:"goals"`
}

// rate is one number of connections, as fast as acknowledged.
type rate struct {
	Protocol    string  `json:"protocol"`
	Connections int     `json:"connections"`
	Bare        load    `json:"bare,omitzero"`
	Durable     load    `json:"durable"`
	Ratio       float64 `json:"ratio,omitempty"`
}

// idle is what connections cost that said one message.
type idle struct {
	Connections int     `json:"connections"`
	Before      int     `json:"rssBefore"`
	After       int     `json:"rssAfter"`
	Each        float64 `json:"bytesEach"`
}

// large1 is what messages of one size cost while they are received.
type large1 struct {
	Size        int     `json:"size"`
	Connections int     `json:"connections"`
	Before      int     `json:"rssBefore"`
	Peak        int     `json:"rssPeak"`
	Factor      float64 `json:"factor"` // of the sum of their sizes
}

// start is one start-up with messages stored.
type start struct {
	Stored  int     `json:"stored"`
	Took    seconds `json:"seconds"`
	Durable load    `json:"durable"` // 100 connections, after it
}

// goal is one figure and what it should be.
type goal struct {
	Name string  `json:"name"`
	Want string  `json:"want"`
	Got  float64 `json:"got"`
	Met  bool    `json:"met"`
}

// goals compares with what the project wants, as far as it was measured.
func (r *report) goals(w io.Writer) {
	atLeast := func(name string, got, want float64) {
		r.Goals = append(r.Goals, goal{name, fmt.Sprintf(">= %g", want), got, got >= want})
	}
	atMost := func(name string, got, want float64) {
		r.Goals = append(r.Goals, goal{name, fmt.Sprintf("<= %g", want), got, got <= want})
	}
	for _, x := range r.Rates {
		switch {
		case x.Protocol == "hl7" && x.Connections >= 100:
			atLeast(fmt.Sprintf("hl7, %d connections: durable to bare", x.Connections), x.Ratio, 0.20)
		case x.Protocol == "hl7" && x.Connections == 1:
			atMost("hl7, one connection: p50 in fsyncs", x.Durable.P50/time.Duration(r.Fsync).Seconds(), 4)
		case x.Protocol == "astm" && x.Connections == 100:
			atLeast("astm, 100 connections: durable to bare", x.Ratio, 0.75)
		}
	}
	if r.Half.Rate > 0 {
		atMost("p99 at half the maximum, 100 connections, ms", r.Half.P99*1000, 20)
	}
	if r.Idle != nil {
		atMost("idle connection, KiB", r.Idle.Each/1024, 6)
	}
	for _, x := range r.Large {
		if x.Connections == 1 {
			atMost("peak of a 10 MiB message, times its size", x.Factor, 4)
		}
	}
	for _, x := range r.Starts {
		atMost(fmt.Sprintf("start with %d messages stored, s", x.Stored), time.Duration(x.Took).Seconds(), 5)
	}
	for _, x := range r.Slow {
		if x.Connections == 100 {
			atLeast("fsync 5 ms slower, 100 connections, messages/s", x.Durable.Rate, 1000)
		}
	}
	for _, g := range r.Goals {
		fmt.Fprintf(w, "%-52s %10.2f   goal %s%s\n", g.Name, g.Got, g.Want, map[bool]string{false: "   NOT MET"}[g.Met])
	}
}

// latencies are p50 p90 p99 max.
func (l load) latencies() string {
	var text strings.Builder
	for _, s := range []float64{l.P50, l.P90, l.P99, l.Max} {
		fmt.Fprint(&text, seconds(s*float64(time.Second)).round(), " ")
	}
	if l.Refused > 0 {
		fmt.Fprint(&text, " refused ", l.Refused)
	}
	return text.String()
}

// seconds is a duration that JSON has as a number.
type seconds time.Duration

// MarshalJSON writes seconds.
func (s seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

func (s seconds) round() time.Duration {
	d := time.Duration(s)
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
