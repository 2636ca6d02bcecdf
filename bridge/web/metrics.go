package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/assaybus/assaybus/bridge"
)

// metric describes one metric; its labels follow the instrument's where it has
// one.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
}

// Collector turns a snapshot into metrics when it is scraped. The labels are
// instrument ids of the instruments file and words of fixed lists, so that
// their number is bounded.
type Collector struct {
	snapshot func() bridge.Snapshot
	descs    map[string]*prometheus.Desc
}

// NewCollector collects from snapshot.
func NewCollector(snapshot func() bridge.Snapshot) *Collector {
	c := &Collector{snapshot: snapshot, descs: make(map[string]*prometheus.Desc)}
	for _, m := range metrics() {
		c.descs[m.name] = prometheus.NewDesc(m.name, m.help, m.labels, nil)
	}
	return c
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// metrics are all there are, in the order of the snapshot.
func metrics() []metric {
	one := []string{"instrument"}
	by := func(label string) []string { return []string{"instrument", label} }
	return []metric{
		{"assaybus_build_info", "What the program was built from; always 1.", gauge, []string{"version", "revision", "goversion"}},
		{"assaybus_store_healthy", "1 when messages can be stored now; at 0 instruments are refused.", gauge, nil},
		{"assaybus_nats_connected", "1 when connected to NATS.", gauge, nil},
		{"assaybus_stream_messages", "Messages that a stream holds.", gauge, []string{"stream"}},
		{"assaybus_stream_bytes", "Bytes that a stream holds.", gauge, []string{"stream"}},
		{"assaybus_stream_limit_bytes", "Bytes that a stream may hold; absent without a limit.", gauge, []string{"stream"}},
		{"assaybus_stream_missing_messages", "Messages of a stream that are gone, unreadable or not what their digest says.", gauge, []string{"stream"}},
		{"assaybus_disk_free_bytes", "Bytes left on the disk of the embedded bus.", gauge, nil},
		{"assaybus_link_events_dropped_total", "Link events that could not be published.", counter, nil},
		{"assaybus_callers_refused_total", "Refused callers that belong to no instrument.", counter, []string{"reason"}},
		{"assaybus_instrument_state", "1 for the state that the instrument's link is in.", gauge, by("state")},
		{"assaybus_instrument_silent", "1 when no message came for longer than silent_after.", gauge, one},
		{"assaybus_instrument_attention", "1 when somebody should look at the instrument.", gauge, one},
		{"assaybus_instrument_connections", "Open connections of the instrument.", gauge, one},
		{"assaybus_instrument_last_message_timestamp_seconds", "When the last message was stored.", gauge, one},
		{"assaybus_instrument_last_contact_timestamp_seconds", "When anything last came or went.", gauge, one},
		{"assaybus_instrument_clock_skew_seconds", "How far the instrument's clock is ahead of ours, as its last message says.", gauge, one},
		{"assaybus_messages_total", "Messages stored, by kind.", counter, by("kind")},
		{"assaybus_message_repeats_total", "Messages that consumers had already.", counter, one},
		{"assaybus_messages_failed_total", "Messages stored as failed, by reason.", counter, by("reason")},
		{"assaybus_messages_refused_total", "What was refused to the instrument, by reason.", counter, by("reason")},
		{"assaybus_received_bytes_total", "Bytes of the messages stored.", counter, one},
		{"assaybus_link_observations_total", "What the link saw, by event: NAKs, checksums, retransmissions.", counter, by("event")},
		{"assaybus_quirks_used_total", "Tolerances that were needed, by quirk.", counter, by("quirk")},
		{"assaybus_warnings_total", "Tolerated oddities of messages, by code.", counter, by("code")},
		{"assaybus_acknowledgement_duration_seconds", "From a message's last byte to our positive answer.", 0, one},
		{"assaybus_store_duration_seconds", "Until a message and what was derived from it were on disk.", 0, one},
	}
}

// Describe is prometheus.Collector's.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect is prometheus.Collector's.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s := c.snapshot()
	kinds := make(map[string]prometheus.ValueType)
	for _, m := range metrics() {
		kinds[m.name] = m.kind
	}
	put := func(name string, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(c.descs[name], kinds[name], value, labels...)
	}
	process(s, put)
	for n := range s.Instruments {
		i := &s.Instruments[n]
		instrument(i, s.At, put)
		out <- c.histogram("assaybus_acknowledgement_duration_seconds", i.Ack, i.Instrument)
		out <- c.histogram("assaybus_store_duration_seconds", i.Stored, i.Instrument)
	}
}

type putter func(name string, value float64, labels ...string)

func process(s bridge.Snapshot, put putter) {
	put("assaybus_build_info", 1, s.Build.Version, s.Build.Revision, s.Build.Go)
	put("assaybus_store_healthy", truth(s.Store.Healthy))
	put("assaybus_nats_connected", truth(s.Bus.Connected))
	for _, st := range s.Streams {
		put("assaybus_stream_messages", float64(st.Messages), st.Name)
		put("assaybus_stream_bytes", float64(st.Bytes), st.Name)
		put("assaybus_stream_missing_messages", float64(st.Missing), st.Name)
		if st.MaxBytes > 0 {
			put("assaybus_stream_limit_bytes", float64(st.MaxBytes), st.Name)
		}
	}
	if s.Disk != nil {
		put("assaybus_disk_free_bytes", float64(s.Disk.Free))
	}
	put("assaybus_link_events_dropped_total", float64(s.Bus.LinksDropped))
	each(s.Callers, func(reason string, n uint64) { put("assaybus_callers_refused_total", float64(n), reason) })
}

func instrument(i *bridge.Counters, now time.Time, put putter) {
	id := i.Instrument
	for _, state := range bridge.States() {
		put("assaybus_instrument_state", truth(i.State == state), id, state)
	}
	put("assaybus_instrument_silent", truth(i.Silent(now)), id)
	put("assaybus_instrument_attention", truth(i.Attention(now) != ""), id)
	put("assaybus_instrument_connections", float64(i.Connections), id)
	if !i.LastMessage.IsZero() {
		put("assaybus_instrument_last_message_timestamp_seconds", seconds(i.LastMessage), id)
	}
	if !i.LastContact.IsZero() {
		put("assaybus_instrument_last_contact_timestamp_seconds", seconds(i.LastContact), id)
	}
	if i.Skew != nil {
		put("assaybus_instrument_clock_skew_seconds", *i.Skew, id)
	}
	each(i.Messages, func(kind string, n uint64) { put("assaybus_messages_total", float64(n), id, kind) })
	put("assaybus_message_repeats_total", float64(i.Repeats), id)
	each(i.Failed, func(reason string, n uint64) { put("assaybus_messages_failed_total", float64(n), id, reason) })
	each(i.Refused, func(reason string, n uint64) { put("assaybus_messages_refused_total", float64(n), id, reason) })
	put("assaybus_received_bytes_total", float64(i.Bytes), id)
	for event, n := range i.Events {
		put("assaybus_link_observations_total", float64(n), id, string(event))
	}
	each(i.Quirks, func(name string, n uint64) { put("assaybus_quirks_used_total", float64(n), id, name) })
	each(i.Warnings, func(code string, n uint64) { put("assaybus_warnings_total", float64(n), id, code) })
}

// histogram is l as Prometheus wants it: cumulative, in seconds.
func (c *Collector) histogram(name string, l bridge.Latency, labels ...string) prometheus.Metric {
	buckets, sum := make(map[float64]uint64), uint64(0)
	for n, bound := range bridge.LatencyBounds() {
		if n < len(l.Counts) {
			sum += l.Counts[n]
		}
		buckets[bound.Seconds()] = sum
	}
	return prometheus.MustNewConstHistogram(c.descs[name], l.Count, l.Sum.Seconds(), buckets, labels...)
}

func each(counts map[string]uint64, f func(name string, n uint64)) {
	for name, n := range counts {
		f(name, n)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
