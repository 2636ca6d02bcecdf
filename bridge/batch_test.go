package bridge_test

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/subjects"
)

// Every message of a batch says which batch it came in, though the bytes of
// the second do not, and replay reads it from the raw message's headers.
func TestBatchOfEveryMessage(t *testing.T) {
	const text = "instruments:\n  - {id: h1, listen: '127.0.0.1:0', protocol: hl7}\n"
	const first = "BHS|^~\\&|A||||20261123||||B1\rMSH|^~\\&|A||||20261123||ORU^R01|1|P|2.5\rOBX|1|NM|X||1||||||F\r"
	const second = "MSH|^~\\&|A||||20261123||ORU^R01|2|P|2.5\rOBX|1|NM|X||2||||||F\rBTS|2\r"
	w := startAll(t, text)
	p := w.call("h1")
	if _, err := io.WriteString(p, "\x0b"+first+second+"\x1c\r"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := p.r.ReadBytes(0x1c); err != nil || !bytes.Contains(got, []byte("MSA|AA|")) {
			t.Fatalf("answered %q, %v; want AA", got, err)
		}
	}
	raw, parsed := w.bus.in(subjects.StreamRaw), w.bus.in(subjects.StreamParsed)
	if len(raw) != 2 || len(parsed) != 2 {
		t.Fatalf("stored %d raw and %d parsed, want two of each", len(raw), len(parsed))
	}
	registry, err := bridge.Load("instruments.yaml", []byte(text), all.Protocols)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{first, second} {
		if got := string(raw[n].Body); got != want {
			t.Errorf("raw %d is %q, want %q", n+1, got, want)
		}
		var m codec.Message
		if err := json.Unmarshal(parsed[n].Body, &m); err != nil {
			t.Fatal(err)
		}
		if m.Batch != "B1" {
			t.Errorf("message %d came in batch %q, want B1", n+1, m.Batch)
		}
		header := raw[n].Header
		header[subjects.HeaderMsgID] = raw[n].ID
		r := bridge.ReceptionOf(func(name string) string { return header[name] })
		if again := bridge.Derive(registry.Instruments[0], r, raw[n].Body, m.RawSequence).Publication; !bytes.Equal(again.Body, parsed[n].Body) {
			t.Errorf("replay derives\n%s\nlive derived\n%s", again.Body, parsed[n].Body)
		}
	}
}

// A tolerance that only the parser needed is in the message and counted like
// one of the link.
func TestQuirkOfTheParserIsCounted(t *testing.T) {
	w := startAll(t, "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: astm, quirks: [qc-after-result]}\n")
	p := w.call("a1")
	if _, err := io.WriteString(p, "H|\\^&\rP|1\rO|1|SPCB71\rR|1|^^^GLU|5\rQ|1|GLU^LOT^1|5.1\rL|1\r"); err != nil {
		t.Fatal(err)
	}
	if b, err := p.r.ReadByte(); err != nil || b != 0x06 {
		t.Fatalf("answered %q, %v; want ACK", b, err)
	}
	var m codec.Message
	if err := json.Unmarshal(w.bus.in(subjects.StreamParsed)[0].Body, &m); err != nil {
		t.Fatal(err)
	}
	got := w.counters("a1").Quirks
	for _, quirk := range []string{"qc-after-result", "unframed"} {
		n := 0
		for _, q := range m.Quirks {
			if q == quirk {
				n++
			}
		}
		if n != 1 || got[quirk] != 1 {
			t.Errorf("%s stands %d times in the message and was counted %d times, want once each", quirk, n, got[quirk])
		}
	}
}
