package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func stored(t *testing.T) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateTime, "2026-11-23 08:36:00", time.Local)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestHumanLine(t *testing.T) {
	result := codec.Message{
		Kind: codec.KindResult, Instrument: "bench 2", RawSequence: 42, Patients: []codec.Patient{{ID: "SECRET"}},
		Orders: []codec.Order{{Specimen: "SECRET"}}, Results: []codec.Result{{Value: "SECRET"}, {}}, Warnings: []codec.Warning{{Code: "SECRET"}},
	}
	for _, tt := range []struct {
		name    string
		subject string
		body    []byte
		want    string
	}{
		{"result", subjects.Parsed("main", "bench 2", "result"), marshal(t, result), "08:36:00.000  bench 2          result        2 results, 1 order, 1 warning, raw 42"},
		{"query", subjects.Parsed("main", "xn", "query"), marshal(t, codec.Message{Queries: make([]codec.Query, 2)}), "08:36:00.000  xn               query         2 queries, raw 0"},
		{"ack", subjects.Parsed("main", "xn", "ack"), marshal(t, codec.Message{Ack: &codec.Ack{Code: "AA"}}), "08:36:00.000  xn               ack           acknowledges AA, raw 0"},
		{"records only", subjects.Parsed("main", "xn", "other"), marshal(t, codec.Message{Records: [][]string{{"H"}}}), "08:36:00.000  xn               other         1 record, raw 0"},
		{"failed", subjects.Failed("main", "xn", "incomplete"), marshal(t, bridge.Failure{Error: "incomplete message", Bytes: 17, RawSequence: 3}),
			"08:36:00.000  xn               failed        incomplete: incomplete message, 17 bytes, raw 3"},
		{"link", subjects.Link("main", "xn", "disconnected"), marshal(t, bridge.LinkEvent{Peer: "127.0.0.1:5", Reason: "hung up", Messages: 3}),
			"08:36:00.000  xn               disconnected  127.0.0.1:5, hung up, 3 messages"},
		{"raw", subjects.Raw("main", "xn"), []byte("H|SECRET"), "08:36:00.000  xn               raw           8 bytes"},
		{"not ours", "lab.parsed.main.xn.result", []byte("not JSON"), "08:36:00.000  xn               result"},
		{"terminal escape", subjects.Parsed("main", "x", "result"), marshal(t, codec.Message{Instrument: "\x1b[2J"}), "08:36:00.000  ␛[2J             result        0 records, raw 0"},
		{"strange subject", "lab", nil, "08:36:00.000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := humanLine(event{subject: tt.subject, body: tt.body, stored: stored(t)})
			if got != tt.want {
				t.Errorf("line\n got %q\nwant %q", got, tt.want)
			}
			if strings.Contains(got, "SECRET") {
				t.Errorf("the line shows content: %s", got)
			}
		})
	}
}

func TestRawLines(t *testing.T) {
	got := rawLines(event{subject: subjects.Raw("main", "xn"), body: []byte("H|\\^&\rR|1|\xe4\r\nL|1\r"), stored: stored(t)})
	want := "08:36:00.000  xn               raw           17 bytes\n  H|\\^&␍\n  R|1|\\xE4␍␊\n  L|1␍"
	if got != want {
		t.Errorf("raw\n got %q\nwant %q", got, want)
	}
}

func TestEventJSON(t *testing.T) {
	header := nats.Header{subjects.HeaderDigest: {"d"}}
	for _, tt := range []struct {
		e    event
		want map[string]any
	}{
		{
			event{stream: "LAB_PARSED", sequence: 7, subject: "lab.parsed.main.xn.result", header: header, body: []byte(`{"kind":"result"}`)},
			map[string]any{"stream": "LAB_PARSED", "sequence": 7.0, "subject": "lab.parsed.main.xn.result", "storedAt": "0001-01-01T00:00:00Z",
				"header": map[string]any{"Assaybus-Digest": "d"}, "data": map[string]any{"kind": "result"}},
		},
		{
			event{stream: "LAB_RAW", sequence: 8, subject: "lab.raw.main.xn", body: []byte{2, 0xff}},
			map[string]any{"stream": "LAB_RAW", "sequence": 8.0, "subject": "lab.raw.main.xn", "storedAt": "0001-01-01T00:00:00Z", "raw": "Av8="},
		},
		{
			event{stream: "LAB_PARSED", subject: "lab.parsed.main.xn.result", body: []byte(`{`)},
			map[string]any{"stream": "LAB_PARSED", "sequence": 0.0, "subject": "lab.parsed.main.xn.result", "storedAt": "0001-01-01T00:00:00Z", "raw": "ew=="},
		},
	} {
		b, err := eventJSON(tt.e)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("object (-want +got):\n%s", diff)
		}
	}
}
