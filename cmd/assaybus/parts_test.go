package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// hl7Part is one part of a result message of SPCR-1 and SPCR-2, n of 3.
func hl7Part(n int) string {
	body := []string{"OBR|1|SPCR-1||T\rOBX|1|NM|A||1||||||F\rOBR|2|SPCR-2||T\r", "OBX|1|NM|B||2||||||F\r", "OBX|2|NM|C||3||||||F\r"}[n-1]
	continues, pointer := "", ""
	if n > 1 {
		continues = fmt.Sprint("ptr", n-1)
	}
	if n < 3 {
		pointer = fmt.Sprintf("DSC|ptr%d|F\r", n)
	}
	return fmt.Sprintf("MSH|^~\\&|A|B|||20261123||ORU^R01|c%d|P|2.5||%s\r", n, continues) + body + pointer
}

// deliver sends a message until it is acknowledged: a server that has just
// started refuses parts that continue others until it knows these.
func (l *laboratory) deliver(raw string) {
	l.t.Helper()
	for range 1000 {
		if l.send("cobas", "hl7", raw).Acknowledged == 1 {
			return
		}
	}
	l.t.Fatal("never acknowledged")
}

// A message in three parts over a real bus, the program started anew before
// each: what consumers, the database, replay and people see of it.
func TestPartsOnARealBus(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	for n := range 3 {
		l.deliver(hl7Part(n + 1))
		l.end()
		l.serve()
		l.deliver(hl7Part(n + 1)) // as if the answer had been lost
	}
	raw, derived := l.stored(subjects.StreamRaw), l.stored(subjects.StreamParsed)
	if len(raw) != 6 || len(derived) != 3 {
		t.Fatalf("%d raw and %d derived, want 6 and 3", len(raw), len(derived))
	}
	var kinds []string
	for _, d := range derived {
		kinds = append(kinds, d.Subject[strings.LastIndexByte(d.Subject, '.')+1:])
	}
	if want := []string{"other", "other", "result"}; !slices.Equal(kinds, want) {
		t.Fatalf("derived %v, want %v", kinds, want)
	}
	for _, want := range []string{`"parts":[1,3,5]`, `"rawSequence":5`, `"specimen":"SPCR-2"`} {
		if !strings.Contains(string(derived[2].Body), want) {
			t.Errorf("the joined message lacks %s: %s", want, derived[2].Body)
		}
	}
	if s := l.summary(exitOK); s.Same != 3 || s.Repeats != 3 || s.Changed+s.Missing+s.Damaged != 0 {
		t.Errorf("replay finds %+v, want 3 the same and 3 repeats", s)
	}
	if s := l.summary(exitOK, "--specimen", "SPCR-1"); s.Same != 2 || s.Repeats != 2 {
		t.Errorf("replay of SPCR-1 finds %+v, want the first part and the whole, and their repeats", s)
	}

	path := filepath.Join(t.TempDir(), "results.db")
	l.must(exitOK, "ingest", "--database", path, "--until-empty")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows int
	var rawOf string
	if err := db.QueryRowContext(t.Context(), "SELECT count(*), group_concat(DISTINCT raw_sequence) FROM results").Scan(&rows, &rawOf); err != nil {
		t.Fatal(err)
	}
	if rows != 3 || rawOf != "5" {
		t.Errorf("%d results in the database of raw %s, want 3 of raw 5", rows, rawOf)
	}

	id := derived[2].Get(subjects.HeaderMsgID)
	for arg, want := range map[string][]string{
		"1": {"raw 1  ", "lab.parsed.main.cobas.other", "lab.parsed.main.cobas.result", "Assaybus-Part: more"},
		"5": {"raw 5  ", "lab.parsed.main.cobas.result", "Assaybus-Parts: 1,3", `"specimen": "SPCR-2"`},
		id:  {"raw 5  ", "lab.parsed.main.cobas.result"},
	} {
		out := l.must(exitOK, "show", arg)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("show %s lacks %q:\n%s", arg, w, out)
			}
		}
	}
	var lines []string
	for _, d := range derived {
		lines = append(lines, humanLine(eventOf(d)))
	}
	for n, want := range []string{"a part of a longer message, raw 1", "a part of a longer message, raw 3", "3 results, 2 orders, raw 5, parts raw 1, 3, 5"} {
		if !strings.Contains(lines[n], want) {
			t.Errorf("tail shows %q, want %q", lines[n], want)
		}
	}
}

// A kill between the parts, an option that changes: replay derives by the
// options of now.
func TestPartsReplayedSeparately(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.deliver(hl7Part(1))
	l.deliver(hl7Part(2))
	l.configure(strings.Replace(twoInstruments, "protocol: hl7", "protocol: hl7, dsc: separate", 1))
	if s := l.summary(exitDiffer); s.Changed != 2 {
		t.Errorf("%+v, want both changed", s)
	}
	l.summary(exitOK, "--publish", "--run", "apart")
	derived := l.stored(subjects.StreamParsed)
	if last := derived[len(derived)-1]; !strings.Contains(string(last.Body), `"code":"B"`) {
		t.Errorf("the second part became %s", last.Body)
	}
	l.end()
	l.serve() // what was replayed is no part that waits
	if n := len(l.stored(subjects.StreamParsed)); n != len(derived) {
		t.Errorf("%d derived, want %d", n, len(derived))
	}
}

// The alarm is shown with the parts that it is of.
func TestPartsAlarmIsShown(t *testing.T) {
	l := openLaboratory(t, twoInstruments)
	l.deliver(hl7Part(1))
	r := bridge.Publication{
		Stream: subjects.StreamParsed, Subject: subjects.Failed("main", "cobas", subjects.ReasonIncomplete), ID: "alarm",
		Header: map[string]string{subjects.HeaderInstrument: "cobas", subjects.HeaderParts: "1", subjects.HeaderIncomplete: subjects.ReasonIncomplete},
		Body:   []byte(`{"schema":"` + bridge.FailedSchema + `","reason":"incomplete","error":"raw 1 wait for the rest","parts":[1]}`),
	}
	if _, err := l.bus.Publish(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if out := l.must(exitOK, "show", "1"); !strings.Contains(out, "failed: incomplete: raw 1 wait for the rest") {
		t.Errorf("show lacks the alarm:\n%s", out)
	}
	all := l.stored(subjects.StreamParsed)
	if line := humanLine(eventOf(all[len(all)-1])); !strings.HasSuffix(line, "parts raw 1") {
		t.Errorf("tail shows %q", line)
	}
	if s := l.summary(exitOK, "--failed"); s.Same != 1 {
		t.Errorf("replay --failed finds %+v, want the part", s)
	}
	if got := counts(&codec.Message{Records: make([][]string, 2)}); got != "2 records" {
		t.Errorf("what is no part is %q", got)
	}
}
