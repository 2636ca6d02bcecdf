package bridge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/subjects"
)

// How a message was framed stands with its raw message and nowhere else, and
// replay derives the same with it.
func TestFramesTravelWithRaw(t *testing.T) {
	const text = "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: astm}\n  - {id: h1, listen: '127.0.0.1:0', protocol: hl7}\n"
	w := startAll(t, text)
	p := w.call("a1")
	say := func(bytes string, want byte) {
		t.Helper()
		if _, err := io.WriteString(p, bytes); err != nil {
			t.Fatal(err)
		}
		if got, err := p.r.ReadByte(); err != nil || got != want {
			t.Fatalf("%q is answered %q, %v; want %q", bytes, got, err, want)
		}
	}
	say("\x05", 0x06)
	say(astmFrame(1, "H|\\^&\rP|1\rO|1|S", 0x17), 0x06)
	say(astmFrame(1, "H|\\^&\rP|1\rO|1|S", 0x17), 0x06)
	say("\x0221\r\x0300\r\n", 0x15)
	say(astmFrame(2, "1\r", 0x03), 0x06)
	say(astmFrame(3, "L|1\r", 0x03), 0x06)
	say(astmFrame(4, "H|\\^&\rL|1\r", 0x03), 0x06)
	h := w.call("h1")
	if _, err := io.WriteString(h, "\x0bMSH|^~\\&|A||||20261123||ORU^R01|1|P|2.5\r\x1c\r"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.r.ReadBytes(0x1c); err != nil {
		t.Fatal(err)
	}
	raw, parsed := w.bus.in(subjects.StreamRaw), w.bus.in(subjects.StreamParsed)
	want := []string{"1:15Br1 2:2Xn1 3:4X", "4:10X", "40V"}
	if len(raw) != len(want) || len(parsed) != len(want) {
		t.Fatalf("stored %d raw and %d parsed", len(raw), len(parsed))
	}
	registry, err := bridge.Load("instruments.yaml", []byte(text), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	for n := range want {
		header := raw[n].Header
		header[subjects.HeaderMsgID] = raw[n].ID
		r := bridge.ReceptionOf(func(name string) string { return header[name] })
		if l, err := codec.ParseFrames(r.Frames); err != nil || r.Frames != want[n] || l.Size() != len(raw[n].Body) {
			t.Errorf("message %d: frames %q, %v, want %q", n+1, r.Frames, err, want[n])
		}
		if got, there := parsed[n].Header[subjects.HeaderFrames]; there {
			t.Errorf("the frames %q stand with the parsed message", got)
		}
		var m codec.Message
		if err := json.Unmarshal(parsed[n].Body, &m); err != nil {
			t.Fatal(err)
		}
		again := bridge.Derive(registry.Instruments[min(1, n/2)], r, raw[n].Body, m.RawSequence).Publication
		if !bytes.Equal(again.Body, parsed[n].Body) || fmt.Sprint(again.Header) != fmt.Sprint(parsed[n].Header) {
			t.Errorf("replay derives\n%s %v\nlive derived\n%s %v", again.Body, again.Header, parsed[n].Body, parsed[n].Header)
		}
	}
}

// A message that only the list of its frames makes too large for the bus is
// kept without the list.
func TestFramesAreNoReasonToRefuse(t *testing.T) {
	b := &bus{fail: func(_ int, p bridge.Publication) error {
		if p.Header[subjects.HeaderFrames] != "" {
			return bridge.ErrTooLarge
		}
		return nil
	}}
	r := bridge.Reception{Site: "main", Instrument: "a1", Protocol: "lines", Session: "s", N: 1, Digest: "d", Frames: "3U"}
	i := registry(t, oneInstrument).Instruments[0]
	if _, err := bridge.NewStore(b, time.Second).Receive(t.Context(), i, r, []byte("WBC")); err != nil {
		t.Fatal(err)
	}
	if raw := b.in(subjects.StreamRaw); len(raw) != 1 || string(raw[0].Body) != "WBC" {
		t.Errorf("kept %+v", raw)
	}
}
