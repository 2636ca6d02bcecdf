package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/subjects"
)

func TestPublishKeepsBytesAndHeaders(t *testing.T) {
	b := open(t, config(t))
	p := raw(1)
	p.Body = []byte("\x00\x02H|\\^&\r\xff\x03\x1c\n")
	p.Header[subjects.HeaderCEID] = "a b"
	r := publish(t, b, p)
	s, err := b.JetStream().Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), r.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != string(p.Body) || m.Subject != p.Subject {
		t.Errorf("got %q on %s", m.Data, m.Subject)
	}
	for k, want := range map[string]string{subjects.HeaderMsgID: p.ID, subjects.HeaderCEID: "a b", subjects.HeaderInstrument: "xn1000"} {
		if v := m.Header[k]; len(v) != 1 || v[0] != want { // not Get: the spelling counts
			t.Errorf("header %s: got %q, want %q", k, v, want)
		}
	}
}

func TestPublishRepeat(t *testing.T) {
	b := open(t, config(t))
	first := publish(t, b, raw(1))
	publish(t, b, raw(2))
	again := publish(t, b, raw(1))
	if first.Duplicate || !again.Duplicate || again.Sequence != first.Sequence {
		t.Errorf("got %+v then %+v", first, again)
	}
	p := raw(1) // the window is the stream's: the same id is new to another
	p.Stream, p.Subject = subjects.StreamParsed, subjects.Parsed("main", "xn1000", "result")
	if publish(t, b, p).Duplicate {
		t.Error("an id of LAB_RAW counts in LAB_PARSED")
	}
}

func TestPublishTooLarge(t *testing.T) {
	b := open(t, config(t))
	p := raw(1)
	p.Body = make([]byte, broker.MaxPayload) // with headers it is over
	if _, err := b.Publish(t.Context(), p); !errors.Is(err, bridge.ErrTooLarge) {
		t.Errorf("16 MiB and headers: got %v, want ErrTooLarge", err)
	}
	p.Body = p.Body[:broker.MaxPayload-4096]
	publish(t, b, p)

	s, err := b.JetStream().Stream(t.Context(), subjects.StreamRaw)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.MaxMsgSize = 1000
	if _, err := b.JetStream().UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	p = raw(2)
	p.Body = make([]byte, 2000)
	if _, err := b.Publish(t.Context(), p); !errors.Is(err, bridge.ErrTooLarge) {
		t.Errorf("over the stream's message size: got %v, want ErrTooLarge", err)
	}
	if err := b.Healthy(); err != nil {
		t.Errorf("unhealthy after refusals: %v", err)
	}
}

func TestPublishFull(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(0)
	c.RawMaxBytes = 64 << 10
	b := open(t, c)
	p := raw(0)
	p.Body = make([]byte, 10<<10)
	var err error
	stored := uint64(0)
	for i := 0; err == nil && i < 20; i++ {
		p.ID = raw(i).ID
		if _, err = b.Publish(t.Context(), p); err == nil {
			stored++
		}
	}
	if !errors.Is(err, broker.ErrFull) || errors.Is(err, bridge.ErrTooLarge) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if got := messages(t, b, subjects.StreamRaw); got != stored {
		t.Errorf("%d of %d messages are there: DiscardNew must keep them all", got, stored)
	}
	if err := b.Healthy(); err != nil {
		t.Errorf("a full stream is not an ill one: %v", err)
	}
	eventually(t, 5*time.Second, "alarm", func() bool { return strings.Contains(l.String(), "stream fills up") })
	eventually(t, 5*time.Second, "statistics", func() bool {
		for _, s := range b.Stats() {
			if s.Stream == subjects.StreamRaw {
				return s.Messages == stored && s.Fill() > 0.8 && s.LastSeq == stored && s.Deleted == 0
			}
		}
		return false
	})
	if n := strings.Count(l.String(), "stream fills up"); n != 1 {
		t.Errorf("the alarm was said %d times, want once", n)
	}
}

// The alarm comes at 80 %, once, and again only after the stream was below 75 %.
func TestFillAlarm(t *testing.T) {
	var l logBuffer
	c := config(t)
	c.Log = l.logger(0)
	b := open(t, c)
	want := 0
	for _, tt := range []struct{ percent, alarms int }{{79, 0}, {80, 1}, {100, 0}, {76, 0}, {81, 0}, {74, 0}, {79, 0}, {80, 1}} {
		b.Note(&jetstream.StreamInfo{
			Config: jetstream.StreamConfig{Name: "FULL", Discard: jetstream.DiscardNew, MaxBytes: 1000},
			State:  jetstream.StreamState{Bytes: uint64(10 * tt.percent)},
		})
		want += tt.alarms
		if got := strings.Count(l.String(), "stream fills up"); got != want {
			t.Errorf("at %d %%: the alarm was said %d times, want %d", tt.percent, got, want)
		}
	}
	if !strings.Contains(l.String(), "percent=80") || !strings.Contains(l.String(), "ASSAYBUS_STORE_MAX") {
		t.Errorf("the alarm lacks the figure or the next step: %s", l.String())
	}
}

func TestPublishNamesItsStream(t *testing.T) {
	b := open(t, config(t))
	p := raw(1)
	p.Stream = subjects.StreamParsed // the subject is LAB_RAW's
	_, err := b.Publish(t.Context(), p)
	var api *jetstream.APIError
	if !errors.As(err, &api) || api.ErrorCode != 10060 {
		t.Errorf("got %v, want the server's 10060 (expected stream does not match)", err)
	}
	p.Stream, p.Subject = subjects.StreamRaw, "labsvc.orders" // no stream listens there
	if _, err := b.Publish(t.Context(), p); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("service subject: got %v, want no response from stream", err)
	}
	if got := messages(t, b, subjects.StreamRaw); got != 0 {
		t.Errorf("%d messages were stored", got)
	}
}

func TestSubjectGuard(t *testing.T) {
	b := open(t, config(t))
	for _, s := range []string{
		"", ".", "lab..raw", ".lab.raw.a.b", "lab.raw.a.b.", "lab.raw.*.b", "lab.raw.>", "lab.raw.a*b.c",
		"lab.raw.a b.c", "lab.raw.a\tb.c", "lab.raw.a\r\nPUB x 0\r\n.c", "lab.raw.a\x00.c", "lab.raw.a\x7f.c",
		"lab.raw.main." + strings.Repeat("x", 5000), // over the control line: NATS would close for good
	} {
		p := raw(1)
		p.Subject = s
		_, err := b.Publish(t.Context(), p)
		if !errors.Is(err, broker.ErrSubject) {
			t.Errorf("%.40q: got %v, want ErrSubject", s, err)
		}
		if err != nil && len(s) > 8 && strings.Contains(privacytest.Error(err), s) {
			t.Errorf("the error repeats the subject: %.80q", err)
		}
	}
	publish(t, b, raw(1)) // the connection still works
	if n := b.Conn().Stats().Reconnects; n != 0 {
		t.Errorf("the connection was lost %d times", n)
	}
}

// Ids with everything NATS gives a meaning to become subjects that pass.
func TestAnyIDIsPublishable(t *testing.T) {
	b := open(t, config(t))
	for i, id := range []string{
		"*", ">", "a*b", "a.b", "..", "", "_", "a b", "a\r\nPUB x 0\r\n", "Gerät-Ω", "\xff\x00", "=2A", "$JS.API",
		strings.Repeat("x", 5000), strings.Repeat("ß", 5000),
	} {
		p := raw(i)
		p.Subject = subjects.Raw(id, id)
		publish(t, b, p)
		p.Stream, p.Subject = subjects.StreamParsed, subjects.Parsed(id, id, id)
		publish(t, b, p)
	}
}

func TestPublishLink(t *testing.T) {
	b := open(t, config(t))
	for range 10 {
		b.PublishLink(subjects.Link("main", "xn1000", subjects.EventConnected), map[string]string{subjects.HeaderInstrument: "xn1000"}, []byte("{}"))
	}
	b.PublishLink("lab.link.*", nil, nil)
	eventually(t, 5*time.Second, "link events", func() bool { return messages(t, b, subjects.StreamLink) == 10 })
	if got := b.LinksDropped(); got != 1 {
		t.Errorf("dropped: got %d, want the one with a wildcard", got)
	}
}

// A noisy instrument does not push out what a quiet one said last.
func TestLinkKeepsLastStates(t *testing.T) {
	b := open(t, config(t))
	quiet := subjects.Link("main", "quiet", subjects.EventConnected)
	b.PublishLink(quiet, nil, []byte("{}"))
	for range 500 {
		b.PublishLink(subjects.Link("main", "noisy", subjects.EventRefused), nil, []byte("{}"))
	}
	eventually(t, 5*time.Second, "the noisy one's last hundred", func() bool {
		return stream(t, b, subjects.StreamLink).State.LastSeq == 501 && messages(t, b, subjects.StreamLink) == 101
	})
	s, err := b.JetStream().Stream(t.Context(), subjects.StreamLink)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetLastMsgForSubject(t.Context(), quiet); err != nil {
		t.Errorf("the quiet one's last state: %v", err)
	}
}

func TestPublishLinkNeverBlocks(t *testing.T) {
	b := open(t, config(t))
	b.Server().Shutdown() // nobody takes them now
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 10_000 {
			b.PublishLink(subjects.Link("main", "xn1000", subjects.EventSilent), nil, []byte("{}"))
		}
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("PublishLink blocks")
	}
	eventually(t, 5*time.Second, "events are dropped and counted", func() bool { return b.LinksDropped() > 0 })
}

func TestPublishEndsWithContext(t *testing.T) {
	b := open(t, config(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Publish(ctx, raw(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if err := b.Healthy(); err != nil {
		t.Errorf("a caller that gave up makes no bus ill: %v", err)
	}
}
