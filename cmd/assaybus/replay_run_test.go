package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// A run that is killed in the middle is continued by the same id and adds
// every message once; the dedupe window of the stream has no part in it.
func TestReplayResumesAfterAKill(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	stream, err := l.bus.JetStream().Stream(t.Context(), subjects.StreamParsed)
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	c.Duplicates = 100 * time.Millisecond
	if _, err := l.bus.JetStream().UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	const messages = 30
	for n := range messages {
		l.received("xn", astmMessage(fmt.Sprint("S-", n)), n, "", errors.New("a bug"))
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := make(chan int, 1)
	var out, complaint strings.Builder // read when it has ended
	go func() {
		killed <- hearing(ctx, []string{"replay", "--publish", "--run", "night", "--rate", "50/s", "--nats", l.bus.URL()}, strings.NewReader(""), &out, &complaint)
	}()
	for l.messages(subjects.StreamParsed) < messages+5 {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the run publishes nothing")
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	if code := <-killed; code != exitFailed || !strings.Contains(complaint.String(), "--run night continues") {
		t.Fatalf("killed: exit %d, %s", code, complaint.String())
	}
	published := int(l.messages(subjects.StreamParsed)) - messages
	if published >= messages {
		t.Fatal("the kill came too late to prove anything")
	}
	s := l.summary(exitOK, "--publish", "--run", "night")
	if s.Published != messages-published || s.Already != published {
		t.Errorf("continued %+v, want %d published and %d before", s, messages-published, published)
	}
	once := map[string]int{}
	for _, m := range l.stored(subjects.StreamParsed) {
		if m.Get(subjects.HeaderReplay) != "" {
			once[m.Get(subjects.HeaderRawSequence)]++
		}
	}
	for sequence, n := range once {
		if n != 1 {
			t.Errorf("raw %s was published %d times", sequence, n)
		}
	}
	if len(once) != messages {
		t.Errorf("%d messages published, want %d", len(once), messages)
	}
}

func TestReplayKeepsTheRate(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	for n := range 11 {
		l.received("xn", astmMessage(fmt.Sprint("S-", n)), n, "", errors.New("a bug"))
	}
	began := time.Now()
	if s := l.summary(exitOK, "--publish", "--rate", "40/s"); s.Published != 11 {
		t.Fatalf("%+v", s)
	}
	if took := time.Since(began); took < 10*25*time.Millisecond {
		t.Errorf("11 messages at 40/s took %v, want 250ms at least", took)
	}
}

// Raw messages whose bytes or headers are not what was received are named and
// never published, not even with --all.
func TestReplayVerifiesTheDigest(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"))
	good := l.stored(subjects.StreamRaw)[0]
	for n, change := range []func(map[string]string){
		func(h map[string]string) { h[subjects.HeaderDigest] = bridge.Digest([]byte("something else")) },
		func(h map[string]string) { delete(h, subjects.HeaderDigest) },
		func(h map[string]string) { delete(h, subjects.HeaderReceivedAt) },
	} {
		header := map[string]string{}
		for name := range good.Header {
			header[name] = good.Get(name)
		}
		change(header)
		_, err := l.bus.Publish(t.Context(), bridge.Publication{
			Stream: subjects.StreamRaw, Subject: good.Subject, ID: fmt.Sprint("forged", n), Header: header, Body: good.Body,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := l.summary(exitFailed, "--publish", "--all")
	if s.Damaged != 3 || s.Published != 1 {
		t.Errorf("summary %+v, want 3 damaged and 1 published", s)
	}
	code, out, stderr := l.run("replay")
	if code != exitFailed || !strings.Contains(out, "raw 2: raw message is damaged") || !strings.Contains(stderr, "3 raw messages damaged") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
	if lines := l.must(exitFailed, "replay", "--json"); !strings.Contains(lines, `{"type":"error","rawSequence":2,`) {
		t.Errorf("no error line:\n%s", lines)
	}
}
