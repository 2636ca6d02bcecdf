package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/web"
)

func TestMetricsAreLinted(t *testing.T) {
	now := time.Now()
	c := web.NewCollector(func() bridge.Snapshot { return snapshot(now) })
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Gather(); err != nil {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	l := newLab(t)
	body := l.see("/metrics",
		`assaybus_build_info{goversion="go1.26",revision="",version="v1.2.3"} 1`,
		`assaybus_store_healthy 1`, `assaybus_nats_connected 1`, `assaybus_disk_free_bytes 5.36870912e+09`,
		`assaybus_stream_bytes{stream="LAB_RAW"} 900`, `assaybus_stream_limit_bytes{stream="LAB_RAW"} 1000`,
		`assaybus_callers_refused_total{reason="address"} 2`,
		`assaybus_instrument_state{instrument="silent",state="silent"} 1`, `assaybus_instrument_state{instrument="silent",state="connected"} 0`,
		`assaybus_instrument_silent{instrument="silent"} 1`, `assaybus_instrument_silent{instrument="xn1000"} 0`,
		`assaybus_instrument_attention{instrument="xn1000"} 1`, `assaybus_instrument_attention{instrument="a/b c"} 0`,
		`assaybus_instrument_clock_skew_seconds{instrument="xn1000"} -42`,
		`assaybus_messages_total{instrument="xn1000",kind="result"} 120`, `assaybus_message_repeats_total{instrument="xn1000"} 5`,
		`assaybus_messages_failed_total{instrument="xn1000",reason="unparsable"} 2`, `assaybus_messages_refused_total{instrument="xn1000",reason="store"} 1`,
		`assaybus_link_observations_total{event="checksum",instrument="xn1000"} 7`, `assaybus_quirks_used_total{instrument="xn1000",quirk="no-lf"} 3`,
		`assaybus_acknowledgement_duration_seconds_bucket{instrument="xn1000",le="0.005"} 0`, `assaybus_acknowledgement_duration_seconds_bucket{instrument="xn1000",le="0.01"} 100`,
		`assaybus_acknowledgement_duration_seconds_sum{instrument="xn1000"} 1`, `go_goroutines`)
	if strings.Contains(body, `last_message_timestamp_seconds{instrument="a/b c"}`) {
		t.Error("a message that never came has a time")
	}
}

// Labels are bounded: none but these, and their values come from fixed lists
// or the instruments file.
func TestMetricLabels(t *testing.T) {
	l := newLab(t)
	_, body, _ := l.ask(http.MethodGet, "/metrics")
	allowed := map[string]bool{"instrument": true, "stream": true, "reason": true, "state": true, "kind": true, "event": true, "quirk": true, "code": true, "le": true, "version": true, "revision": true, "goversion": true}
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "assaybus_") {
			continue
		}
		for _, m := range regexp.MustCompile(`[{,]([a-z]+)="`).FindAllStringSubmatch(line, -1) {
			if !allowed[m[1]] {
				t.Errorf("label %s in %s", m[1], line)
			}
		}
	}
}
