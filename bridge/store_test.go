package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

func receive(t *testing.T, b *bus, text string, raw string, n int) (bridge.Outcome, error) {
	t.Helper()
	i := registry(t, text).Instruments[0]
	s := bridge.NewStore(b, 10*time.Second)
	r := bridge.Reception{Site: "main", Instrument: i.ID, Protocol: "lines", Session: "s1", N: n, Digest: bridge.Digest([]byte(raw)), ReceivedAt: time.Date(2026, 11, 23, 6, 36, 1, 0, time.UTC)}
	return s.Receive(t.Context(), i, r, []byte(raw))
}

const oneInstrument = "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines}\n"

func TestReceiveKeepsRawThenParsed(t *testing.T) {
	b := &bus{}
	o, err := receive(t, b, oneInstrument, "WBC 5.9", 1)
	if err != nil {
		t.Fatal(err)
	}
	raw, parsed := b.in(subjects.StreamRaw), b.in(subjects.StreamParsed)
	if len(raw) != 1 || len(parsed) != 1 {
		t.Fatalf("stored %d raw and %d parsed, want one of each", len(raw), len(parsed))
	}
	if got, want := string(raw[0].Body), "WBC 5.9"; got != want {
		t.Errorf("raw is %q, want %q byte for byte", got, want)
	}
	if got, want := raw[0].ID, "s1.1."+bridge.Digest([]byte("WBC 5.9")); got != want {
		t.Errorf("raw id %q, want %q", got, want)
	}
	if got, want := parsed[0].Subject, "lab.parsed.main.a1.result"; got != want {
		t.Errorf("parsed subject %q, want %q", got, want)
	}
	if got := parsed[0].Header[subjects.HeaderRawSequence]; got != "1" {
		t.Errorf("parsed carries raw sequence %q, want 1", got)
	}
	var m codec.Message
	if err := json.Unmarshal(parsed[0].Body, &m); err != nil {
		t.Fatal(err)
	}
	if m.RawSequence != 1 || m.ID != parsed[0].ID || m.Site != "main" || m.Instrument != "a1" || m.ReceivedAt != "2026-11-23T06:36:01Z" {
		t.Errorf("parsed message does not say where it comes from: %+v", m)
	}
	if o.Repeat || o.Derived.Kind != codec.KindResult {
		t.Errorf("outcome %+v, want a new result", o)
	}
}

// The reception in the raw message's headers is all that replay needs to
// derive what the live session derived.
func TestReceptionRoundTrip(t *testing.T) {
	b := &bus{}
	if _, err := receive(t, b, oneInstrument, "WBC 5.9", 7); err != nil {
		t.Fatal(err)
	}
	raw, live := b.in(subjects.StreamRaw)[0], b.in(subjects.StreamParsed)[0]
	header := raw.Header
	header[subjects.HeaderMsgID] = raw.ID
	r := bridge.ReceptionOf(func(name string) string { return header[name] })
	again := bridge.Derive(registry(t, oneInstrument).Instruments[0], r, raw.Body, 1).Publication
	if again.ID != live.ID || again.Subject != live.Subject || string(again.Body) != string(live.Body) {
		t.Errorf("replay derives\n%s %s\n%s\nlive derived\n%s %s\n%s", again.Subject, again.ID, again.Body, live.Subject, live.ID, live.Body)
	}
}

func TestRepeatIsStoredOnceForConsumers(t *testing.T) {
	b := &bus{}
	for n := 1; n <= 2; n++ {
		o, err := receive(t, b, oneInstrument, "WBC 5.9", n)
		if err != nil {
			t.Fatal(err)
		}
		if want := n == 2; o.Repeat != want {
			t.Errorf("reception %d: repeat %v, want %v", n, o.Repeat, want)
		}
	}
	if raw, parsed := len(b.in(subjects.StreamRaw)), len(b.in(subjects.StreamParsed)); raw != 2 || parsed != 1 {
		t.Errorf("%d raw and %d parsed, want every reception archived and one message for consumers", raw, parsed)
	}
}

func TestDedupeOff(t *testing.T) {
	b := &bus{}
	text := "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: lines, dedupe: false}\n"
	for n := 1; n <= 2; n++ {
		if o, err := receive(t, b, text, "WBC 5.9", n); err != nil || o.Repeat {
			t.Fatalf("reception %d: %+v, %v; want a message of its own", n, o, err)
		}
	}
}

// A message that failed once and parses after a change of options within the
// window must not be taken for a repeat of its own failure.
func TestFailedIsNoRepeatOfParsed(t *testing.T) {
	b := &bus{}
	if o, err := receive(t, b, oneInstrument, "bad", 1); err != nil || o.Derived.Reason != subjects.ReasonUnparsable {
		t.Fatalf("%+v, %v; want it stored as unparsable", o.Derived.Reason, err)
	}
	failed := b.in(subjects.StreamParsed)[0]
	if failed.ID == subjects.ParsedID("main", "a1", bridge.Digest([]byte("bad"))) {
		t.Error("the failure has the id of the parsed message")
	}
}

func TestFailureHoldsPositionAndNoContent(t *testing.T) {
	for _, raw := range []string{"bad", "panic"} {
		b := &bus{}
		o, err := receive(t, b, oneInstrument, raw, 1)
		if err != nil {
			t.Fatalf("%s: %v; want it kept as failed", raw, err)
		}
		p := b.in(subjects.StreamParsed)[0]
		var f bridge.Failure
		if err := json.Unmarshal(p.Body, &f); err != nil {
			t.Fatal(err)
		}
		if f.Reason != "unparsable" || f.RawSequence != 1 || f.Bytes != len(raw) {
			t.Errorf("%s: failure %+v", raw, f)
		}
		if raw == "bad" && (f.Record != 3 || f.Field != 4) {
			t.Errorf("failure at record %d field %d, want 3 and 4", f.Record, f.Field)
		}
		if text := string(p.Body) + privacytest.Error(o.Derived.Err); strings.Contains(text, "Doe") {
			t.Errorf("%s: failure holds content: %s", raw, text)
		}
		if raw == "panic" && len(o.Derived.Stack) == 0 {
			t.Error("a panic without its stack")
		}
	}
}

func TestPublishIsRetriedWithTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		b := &bus{}
		b.fail = func(try int, p bridge.Publication) error {
			ids = append(ids, p.ID)
			if try <= 3 {
				return errors.New("no responders")
			}
			return nil
		}
		if _, err := receive(t, b, oneInstrument, "WBC", 1); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids[:4] {
			if id != ids[0] {
				t.Fatalf("ids of the tries differ: %v", ids)
			}
		}
	})
}

// The confirmation of the first try is lost: the second is a duplicate for the
// stream, which means stored, and the message is there once.
func TestLostConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{lostAck: func(try int, p bridge.Publication) bool { return try == 1 }}
		if _, err := receive(t, b, oneInstrument, "WBC", 1); err != nil {
			t.Fatal(err)
		}
		if n := len(b.in(subjects.StreamRaw)); n != 1 {
			t.Errorf("%d raw messages, want 1", n)
		}
	})
}

// The lost confirmation of what was derived is no repeat of the instrument.
func TestOwnRetryIsNoRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{lostAck: func(try int, p bridge.Publication) bool { return try == 2 }}
		o, err := receive(t, b, oneInstrument, "WBC", 1)
		if err != nil || o.Repeat {
			t.Errorf("repeat %v, %v; want a new message", o.Repeat, err)
		}
		if n := len(b.in(subjects.StreamParsed)); n != 1 {
			t.Errorf("%d parsed messages, want 1", n)
		}
	})
}

func TestPatienceBoundsEverything(t *testing.T) {
	for _, stream := range []string{subjects.StreamRaw, subjects.StreamParsed} {
		synctest.Test(t, func(t *testing.T) {
			b := &bus{fail: func(_ int, p bridge.Publication) error {
				if p.Stream == stream {
					return errors.New("503")
				}
				return nil
			}}
			began := time.Now()
			_, err := receive(t, b, oneInstrument, "WBC", 1)
			if err == nil {
				t.Fatalf("stored although %s refuses", stream)
			}
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("gave up after %v, want the patience of 10s", took)
			}
		})
	}
}

// A hanging publish does not use up the patience: there is time for a second
// try after the first has timed out.
func TestHangingPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hangOnce{bus: &bus{}}
		i := registry(t, oneInstrument).Instruments[0]
		r := bridge.Reception{Site: "main", Instrument: "a1", Session: "s", N: 1, Digest: "d"}
		if _, err := bridge.NewStore(h, 10*time.Second).Receive(t.Context(), i, r, []byte("WBC")); err != nil {
			t.Fatal(err)
		}
	})
}

type hangOnce struct {
	*bus
	done bool
}

func (h *hangOnce) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	if !h.done {
		h.done = true
		<-ctx.Done()
		return bridge.Receipt{}, ctx.Err()
	}
	return h.bus.Publish(ctx, p)
}

func TestTooLargeForTheBus(t *testing.T) {
	b := &bus{fail: func(_ int, p bridge.Publication) error { return bridge.ErrTooLarge }}
	if _, err := receive(t, b, oneInstrument, "WBC", 1); !errors.Is(err, bridge.ErrTooLarge) || b.tries != 1 {
		t.Errorf("%v after %d tries, want ErrTooLarge at once", err, b.tries)
	}
}

// A parsed message that does not fit goes without its records, and as a
// failure if it still does not fit; the raw message is there in both cases.
func TestParsedTooLarge(t *testing.T) {
	b := &bus{fail: func(_ int, p bridge.Publication) error {
		if strings.Contains(string(p.Body), `"records":`) {
			return bridge.ErrTooLarge
		}
		return nil
	}}
	o, err := receive(t, b, oneInstrument, "WBC", 1)
	if err != nil || o.Derived.Message == nil || o.Derived.Message.Records != nil {
		t.Fatalf("%+v, %v; want the message without records", o.Derived.Message, err)
	}
	if w := o.Derived.Message.Warnings; len(w) != 1 || w[0].Code != codec.WarnRecordsElided {
		t.Errorf("warnings %v, want %s", w, codec.WarnRecordsElided)
	}
	b = &bus{fail: func(_ int, p bridge.Publication) error {
		if strings.HasPrefix(p.Subject, "lab.parsed") {
			return bridge.ErrTooLarge
		}
		return nil
	}}
	o, err = receive(t, b, oneInstrument, "WBC", 1)
	if err != nil || o.Derived.Reason != subjects.ReasonOversize {
		t.Fatalf("%q, %v; want a failure", o.Derived.Reason, err)
	}
}

// The instrument's hang-up or a shutdown does not stop a message half-way.
func TestCancelledContextDoesNotStopCustody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &bus{}
	i := registry(t, oneInstrument).Instruments[0]
	r := bridge.Reception{Site: "main", Instrument: "a1", Session: "s", N: 1, Digest: "d"}
	if _, err := bridge.NewStore(b, time.Second).Receive(ctx, i, r, []byte("WBC")); err != nil {
		t.Fatal(err)
	}
}
