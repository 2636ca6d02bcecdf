package broker_test

import (
	"strings"
	"testing"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// What is published of an open message is there until it is forgotten, and a
// piece that comes again takes the place of its first.
func TestOpenTexts(t *testing.T) {
	b := open(t, config(t))
	archive, err := broker.NewArchive(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	texts := b.OpenTexts(archive)
	one, two := subjects.Open("main", "b1", "s1", 1), subjects.Open("main", "b1", "s1", 11)
	for _, p := range []struct{ subject, body string }{
		{one + ".0", "H|a"}, {one + ".3", "P|refused"}, {one + ".3", "P|1"}, {two + ".0", "H|b"},
	} {
		if _, err := b.Publish(t.Context(), bridge.Publication{Stream: subjects.StreamOpen, Subject: p.subject, Body: []byte(p.body)}); err != nil {
			t.Fatal(err)
		}
	}
	held := func() string {
		t.Helper()
		span, err := texts.Span(t.Context(), subjects.StreamOpen)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for m, err := range texts.Scan(t.Context(), bridge.Query{Stream: subjects.StreamOpen, Subjects: []string{"lab.open.main.b1.>"}, To: span.Last}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(m.Body))
		}
		return strings.Join(all, " ")
	}
	if got := held(); got != "H|a P|1 H|b" {
		t.Errorf("held %q", got)
	}
	if err := texts.Forget(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if got := held(); got != "H|b" {
		t.Errorf("held %q when the first was forgotten", got)
	}
}
