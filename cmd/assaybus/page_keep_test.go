package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/web"
)

// counters asks the page for the counters of an instrument.
func (s *served) counters(id string) bridge.Counters {
	s.t.Helper()
	answer, err := http.Get(s.page + "/api/snapshot")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	var snapshot bridge.Snapshot
	if err := json.NewDecoder(answer.Body).Decode(&snapshot); err != nil {
		s.t.Fatal(err)
	}
	for _, c := range snapshot.Instruments {
		if c.Instrument == id {
			return c
		}
	}
	s.t.Fatalf("no instrument %s", id)
	return bridge.Counters{}
}

// await asks until the counters are right.
func (s *served) await(id, what string, right func(bridge.Counters) bool) bridge.Counters {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		c := s.counters(id)
		if right(c) {
			return c
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %+v, before %+v", what, c, c.Before)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// say sends n messages that are good and one that is not, after a frame with
// a wrong checksum.
func (s *served) say(n, from int) {
	s.t.Helper()
	p := s.call("a1")
	p.control(s.t, "\x05")
	if _, err := io.WriteString(p, "\x021H\x0300\r\n"); err != nil {
		s.t.Fatal(err)
	}
	if b, err := p.r.ReadByte(); err != nil || b != 0x15 {
		s.t.Fatalf("answered %q, %v", b, err)
	}
	for i := range n {
		p.control(s.t, frameOf(i+1, fmt.Sprintf("H|\\^&|||a||||||||LIS2-A2|20200101000000\rO|1|SPCK-%d\rR|1|^^^GLU|5\rL|1\r", from+i)))
	}
	_ = p.Close()
}

// frameOf is a frame with its checksum (LIS01-A2 §6.3.1).
func frameOf(number int, text string) string {
	body := fmt.Sprintf("%d%s\x03", number%8, text)
	var sum byte
	for _, c := range []byte(body) {
		sum += c
	}
	return fmt.Sprintf("\x02%s%02X\r\n", body, sum)
}

const keeps = "instruments:\n  - {id: a1, listen: '127.0.0.1:0', protocol: astm}\n"

// Counts, problems and the clock are the same after a restart, and so are the
// messages after a crash that left an old file of counters behind.
func TestCountersOverRestarts(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "data", "counters.json")
	messages := func(n uint64) func(bridge.Counters) bool {
		return func(c bridge.Counters) bool {
			return c.Totals().Messages["result"] == n && c.Hours.Last(time.Now(), 24) == n
		}
	}
	s := startServeIn(t, folder, keeps)
	s.say(3, 1)
	first := s.await("a1", "first life", func(c bridge.Counters) bool { return messages(3)(c) && c.Events["transmission"] == 1 })
	s.stop()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(old), "SPCK-1") || strings.Contains(string(old), "GLU") {
		t.Error("the file of the counters holds content")
	}

	s = startServeIn(t, folder, keeps)
	c := s.counters("a1") // at once
	if d := cmp.Diff(first.Totals(), c.Totals()); d != "" || c.Before == nil || len(c.Messages) != 0 {
		t.Errorf("second life (-first +second):\n%s", d)
	}
	if c.Skew == nil || *c.Skew != *first.Skew || !c.LastMessage.Equal(first.LastMessage) || c.Totals().Events["checksum"] != 1 {
		t.Errorf("second life %+v, first %+v", c, first)
	}
	s.say(2, 10)
	s.await("a1", "second life", messages(5))
	s.stop()

	if err := os.WriteFile(file, old, 0o600); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	s = startServeIn(t, folder, keeps)
	s.await("a1", "after a crash", messages(5))
	s.say(1, 20)
	s.await("a1", "after a crash", messages(6))
	s.stop()

	if err := os.WriteFile(file, old[:len(old)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	s = startServeIn(t, folder, keeps)
	c = s.await("a1", "without the file", func(c bridge.Counters) bool { return c.Hours.Last(time.Now(), 24) == 6 })
	if c.Before != nil {
		t.Errorf("without the file totals of before are known: %+v", c.Before)
	}
}

func TestCheckpointOfAnother(t *testing.T) {
	data := t.TempDir()
	created := time.Now()
	mine := checkpoint{Schema: checkpointSchema, Site: "main", Created: created, From: 5, Instruments: map[string]bridge.Past{"a1": {Counted: 7}}}
	mark := web.Mark{Sequence: 9, Created: created}
	if k, err := readCheckpoint(data, "main", mark); err != nil || k.Schema != "" {
		t.Errorf("without a file: %+v, %v", k, err)
	}
	for name, c := range map[string]struct {
		change func(*checkpoint)
		ok     bool
	}{
		"mine":           {func(*checkpoint) {}, true},
		"another schema": {func(k *checkpoint) { k.Schema = "x" }, false},
		"another site":   {func(k *checkpoint) { k.Site = "x" }, false},
		"another stream": {func(k *checkpoint) { k.Created = created.Add(time.Second) }, false},
		"a stream's end": {func(k *checkpoint) { k.From = 10 }, false},
	} {
		k := mine
		c.change(&k)
		if err := k.write(data); err != nil {
			t.Fatal(err)
		}
		got, err := readCheckpoint(data, "main", mark)
		if (err == nil) != c.ok || c.ok && got.Instruments["a1"].Counted != 7 || !c.ok && got.Schema != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if err := mine.write(filepath.Join(checkpointFile(data), "no folder")); err == nil {
		t.Error("written where there is no folder")
	}
}
