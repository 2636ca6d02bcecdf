package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge/simulator"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func TestSimulateUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "say either --to HOST:PORT or --listen ADDRESS"},
		{[]string{"--to", "a:1", "--listen", ":0"}, "say either --to HOST:PORT or --listen ADDRESS"},
		{[]string{"--to", "nowhere"}, "--to: address nowhere: missing port in address"},
		{[]string{"--to", "a:1", "--rate", "fast"}, "--rate: write messages per time"},
		{[]string{"--to", "a:1", "--rate", "0"}, "--rate: write messages per time"},
		{[]string{"--to", "a:1", "--connections", "0"}, "--connections: must be 1 to"},
		{[]string{"--to", "a:1", "--count", "-1"}, "cannot be negative"},
		{[]string{"--to", "a:1", "--count", "1", "--loop"}, "--loop has no end"},
		{[]string{"--to", "a:1", "--fault", "rain=0.1"}, `fault "rain" is unknown`},
		{[]string{"--to", "a:1", "--protocol", "poct"}, `unknown protocol "poct": take auto, astm or hl7`},
	} {
		code, stdout, stderr := runText(t, "", append([]string{"simulate"}, tt.args...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit %d, %q, want %d and %q", tt.args, code, stderr, exitUsage, tt.want)
		}
	}
}

func TestSimulateFilesThatCannotBePlayed(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("Dear colleague,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{text, "-", filepath.Join(t.TempDir(), "missing")} {
		code, _, stderr := runText(t, "", "simulate", "--to", "127.0.0.1:1", name)
		if code != exitFailed || stderr == "" || strings.Contains(stderr, "Dear") {
			t.Errorf("%s: exit %d, %q, want %d", name, code, stderr, exitFailed)
		}
	}
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string]float64{"": 0, "2/s": 2, "90/m": 1.5, "90/min": 1.5, "1800/h": 0.5, "0.25": 0.25} {
		if got, err := parseRate(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"0/s", "-1", "x", "1/d", "/s", "NaN", "Inf", "2000000"} {
		if got, err := parseRate(s); !errors.Is(err, errRate) {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, errRate)
		}
	}
}

func TestSimulateReport(t *testing.T) {
	for _, tt := range []struct {
		name   string
		totals simulator.Totals
		want   string // of the error; "" = none
	}{
		{"all acknowledged", simulator.Totals{Sent: 3, Acknowledged: 3, Failure: "an old one"}, ""},
		{"one open", simulator.Totals{Sent: 3, Acknowledged: 2, Failure: "no reply in time"}, "1 messages without acknowledgement, last failure: no reply in time"},
		{"one rejected", simulator.Totals{Sent: 3, Acknowledged: 2, Rejected: 1}, "1 messages without acknowledgement"},
		{"nothing sent", simulator.Totals{Failure: "connection refused"}, "nothing was sent: connection refused"},
		{"nobody called", simulator.Totals{}, "nothing was sent: the bridge did not call in time"},
	} {
		var table, object strings.Builder
		err := (&simulation{}).report(&table, tt.totals)
		if again := (&simulation{json: true}).report(&object, tt.totals); (err == nil) != (tt.want == "") || err != nil && (privacytest.Error(err) != tt.want || again == nil) {
			t.Errorf("%s: got %v and %v, want %q", tt.name, err, again, tt.want)
		}
		var got struct{ Sent, Acknowledged, Unacknowledged int }
		if err := json.Unmarshal([]byte(object.String()), &got); err != nil || got.Sent != tt.totals.Sent || got.Unacknowledged != tt.totals.Open() {
			t.Errorf("%s: %s: %v", tt.name, object.String(), err)
		}
		if !strings.Contains(table.String(), "p99") {
			t.Errorf("%s: no latency in\n%s", tt.name, table.String())
		}
	}
}

func TestBuiltInMessages(t *testing.T) {
	count := map[string]int{}
	for _, protocol := range []string{"astm", "hl7", "auto"} {
		messages, err := builtIn(protocol)
		if err != nil {
			t.Fatal(err)
		}
		count[protocol] = len(messages)
	}
	if count["astm"] < 4 || count["hl7"] < 3 || count["auto"] != count["astm"]+count["hl7"] {
		t.Errorf("built-in messages: %v", count)
	}
}

// Nobody listens there: the command says so and ends when its time is over.
func TestSimulateWithoutBridge(t *testing.T) {
	begin := time.Now()
	code, stdout, stderr := runText(t, "", "simulate", "--to", "127.0.0.1:1", "--for", "200ms", "--json")
	if code != exitFailed || !strings.Contains(stderr, "nothing was sent: ") || !strings.Contains(stdout, `"sent":0`) {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
