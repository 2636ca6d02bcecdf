package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

func TestReplaySelects(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-12"))
	l.send("cobas", "hl7", "MSH|^~\\&|BENCH|LAB|HOST|LAB|20261123083600||ORU^R01^ORU_R01|77|P|2.5.1\rPID|1\rOBR|1||SPCR-1|GLU\rOBX|1|NM|GLU||5.9|mmol/L|||||F\r")
	l.received("xn", astmMessage("SPCR-4"), 1, "", errors.New("a bug"))
	l.received("xn", "H|\\^&\rP|1\rO|1|SPCR-5\r", 2, subjects.ReasonIncomplete, nil)
	later := time.Now().Add(time.Hour).Format(time.RFC3339)
	for n, tt := range []struct {
		args []string
		want []int // raw sequences
	}{
		{nil, []int{1, 2, 3, 4, 5}},
		{[]string{"--instrument", "cobas"}, []int{3}},
		{[]string{"--site", "elsewhere"}, nil},
		{[]string{"--site", "main", "--protocol", "hl7"}, []int{3}},
		{[]string{"--from-seq", "2", "--to-seq", "3"}, []int{2, 3}},
		{[]string{"--from-seq", "5"}, []int{5}},
		{[]string{"--since", "1h"}, []int{1, 2, 3, 4, 5}},
		{[]string{"--since", "1h", "--from-seq", "4"}, []int{4, 5}},
		{[]string{"--since", later}, nil},
		{[]string{"--until", "1h"}, nil},
		{[]string{"--until", later}, []int{1, 2, 3, 4, 5}},
		{[]string{"--failed"}, []int{4, 5}},
		{[]string{"--specimen", "SPCR-1"}, []int{1, 3}},
		{[]string{"--specimen", "SPCR-4", "--failed"}, []int{4}},
		{[]string{"--specimen", "SPCR-5"}, []int{5}},
		{[]string{"--specimen", "S"}, nil},
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir := t.TempDir()
			l.must(exitOK, append([]string{"replay", "--out", dir}, tt.args...)...)
			var got []int
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if number, ok := strings.CutSuffix(e.Name(), ".raw"); ok {
					n, _ := strconv.Atoi(number)
					got = append(got, n)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v selects %v, want %v", tt.args, got, tt.want)
			}
		})
	}
	t.Run("what was repaired has failed once", func(t *testing.T) {
		l.summary(exitOK, "--publish")
		if s := l.summary(exitOK, "--failed"); s.Messages != 2 || s.Same != 2 {
			t.Errorf("%+v, want 2 that failed once", s)
		}
	})
}

func TestReplayWithoutWhatWasPublished(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"), astmMessage("SPCR-2"))
	stream, err := l.bus.JetStream().Stream(t.Context(), subjects.StreamParsed)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(2)); err != nil {
		t.Fatal(err)
	}
	if s := l.summary(exitOK); s.Gone != 1 || s.Same != 1 {
		t.Errorf("%+v, want 1 gone", s)
	}
	if s := l.summary(exitOK, "--publish"); s.Published != 0 {
		t.Errorf("%+v, want nothing published of what is gone", s)
	}
	if s := l.summary(exitOK, "--publish", "--all"); s.Published != 2 {
		t.Errorf("%+v, want --all to publish what is gone too", s)
	}
	stored := l.stored(subjects.StreamParsed)
	if got := stored[1].Get(subjects.HeaderRevision); got != "2" {
		t.Errorf("what was published once and is gone became revision %q, want 2", got)
	}
	// Raw is kept and nothing more: a live session is about to publish the rest.
	raw := astmMessage("SPCR-9")
	header := map[string]string{}
	for name, values := range l.stored(subjects.StreamRaw)[0].Header {
		header[name] = values[0]
	}
	header[subjects.HeaderDigest] = bridge.Digest([]byte(raw))
	if _, err := l.bus.Publish(t.Context(), bridge.Publication{
		Stream: subjects.StreamRaw, Subject: "lab.raw.main.xn", ID: "s.1." + header[subjects.HeaderDigest], Header: header, Body: []byte(raw),
	}); err != nil {
		t.Fatal(err)
	}
	if s := l.summary(exitOK, "--publish", "--all", "--run", "next"); s.Fresh != 1 || s.Published != 2 {
		t.Errorf("%+v, want what is fresh left to its session", s)
	}
}

func TestReplayOfAnInstrumentThatIsNotInTheFile(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.send("xn", "astm", astmMessage("SPCR-1"))
	l.configure("instruments:\n  - {id: cobas, listen: '127.0.0.1:0', protocol: hl7}\n")
	out := l.must(exitOK, "replay", "--publish", "--all")
	if !strings.Contains(out, "1 of xn, which is not in the instruments file") || l.messages(subjects.StreamParsed) != 1 {
		t.Errorf("output\n%s", out)
	}
	if s := l.summary(exitOK); s.Unknown != 1 || s.Absent["xn"] != 1 {
		t.Errorf("summary %+v", s)
	}
}
