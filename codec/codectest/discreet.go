package codectest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"pgregory.net/rapid"
)

// cuts is at how many places, evenly spread, Discreet cuts a message.
const cuts = 200

// Discreet checks that nothing the protocol says about the messages (*.raw) of
// dir holds content of them: errors of Parse and of conversations, reasons of
// what was given up, and counters; quirks and warnings are those that are
// declared. It looks at each message as it is and cut all along, and at
// messages with bytes changed, records left out, doubled and exchanged. link
// puts a message on the wire. The error is the first leak of a message that was
// only cut; the others fail the test.
func Discreet(t *testing.T, kind codec.Kind, o codec.Options, dir string, link func(raw []byte) []byte) error {
	t.Helper()
	p, err := kind.New(o)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.raw"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no messages in %s (%w)", dir, err)
	}
	messages := make([][]byte, len(files))
	for i, file := range files {
		if messages[i], err = os.ReadFile(file); err != nil {
			return err
		}
	}
	ear := listener{t: t, kind: kind, protocol: p}
	for i, raw := range messages {
		wire, pieces := link(raw), contents(raw)
		step := max(1, len(wire)/cuts)
		for cut := len(wire); cut > 0; cut -= step {
			if err := ear.leak(pieces, raw[:min(cut, len(raw))], wire[:cut]); err != nil {
				return fmt.Errorf("%s: %w", files[i], err)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string) []byte { return rapid.SampledFrom(messages).Draw(t, name) }
		one, other := pick("message"), pick("other")
		raw := mutate(t, one, other)
		wire := link(raw)
		if rapid.Bool().Draw(t, "damage the line") {
			wire = flip(t, wire)
		}
		wire = wire[:rapid.IntRange(0, len(wire)).Draw(t, "cut")]
		if err := ear.leak(append(contents(one), contents(other)...), raw, wire); err != nil {
			t.Fatal(err)
		}
	})
	if ear.texts < len(messages) {
		return fmt.Errorf("only %d things were said of %d messages: this test has not heard them", ear.texts, len(messages))
	}
	return nil
}

// listener hears what a protocol says.
type listener struct {
	t        *testing.T
	kind     codec.Kind
	protocol codec.Protocol
	texts    int // heard
}

// leak is an error when something is said of a message or of a conversation
// that holds one of the pieces, or a name that nobody declared.
func (l *listener) leak(pieces []string, raw, wire []byte) error {
	l.t.Helper()
	host := Host{Damaged: true}
	var errs []error
	var names []string
	m, err := l.protocol.Parse(raw)
	errs = append(errs, err)
	if err == nil {
		names = slices.Clone(m.Quirks)
		for _, w := range m.Warnings {
			if codec.WarningHelp[w.Code] == "" {
				return fmt.Errorf("undeclared warning %q", w.Code)
			}
		}
	}
	_, err = Play(l.t, l.protocol, &host, wire)
	errs = append(errs, err)
	for _, g := range host.GivenUp() {
		errs = append(errs, g.Why)
	}
	quirks, events := host.Names()
	for _, name := range append(names, quirks...) {
		if !slices.ContainsFunc(slices.Concat(l.kind.Quirks, l.kind.Noted), func(q codec.Quirk) bool { return q.Name == name }) {
			return fmt.Errorf("undeclared quirk %q", name)
		}
	}
	for _, e := range errs {
		events = append(events, privacytest.Error(e))
	}
	for _, said := range events {
		if said != "" {
			l.texts++
		}
		for _, piece := range pieces {
			if strings.Contains(said, piece) {
				return fmt.Errorf("%q holds %q of the message", said, piece)
			}
		}
	}
	return nil
}

// contents are the pieces of a message between delimiters, those that are
// long enough to tell something.
func contents(raw []byte) []string {
	var list []string
	for line := range bytes.FieldsFuncSeq(raw, func(r rune) bool { return r == '\r' || r == '\n' }) {
		for piece := range bytes.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune("|^&~\\@!#$*{}`", r) }) {
			if len(piece) >= 4 {
				list = append(list, string(piece))
			}
		}
	}
	return list
}

// mutate is raw with a few changes.
func mutate(t *rapid.T, raw, other []byte) []byte {
	records := bytes.SplitAfter(raw, []byte("\r"))
	others := bytes.SplitAfter(other, []byte("\r"))
	for range rapid.IntRange(0, 3).Draw(t, "records") {
		at := rapid.IntRange(0, len(records)-1).Draw(t, "at")
		switch rapid.SampledFrom([]string{"leave out", "double", "exchange"}).Draw(t, "change") {
		case "leave out":
			records = append(append([][]byte{}, records[:at]...), records[at+1:]...)
		case "double":
			records = append(append([][]byte{}, records[:at+1]...), records[at:]...)
		case "exchange":
			records = append([][]byte{}, records...)
			records[at] = others[rapid.IntRange(0, len(others)-1).Draw(t, "of the other")]
		}
		if len(records) == 0 {
			return nil
		}
	}
	return flip(t, bytes.Join(records, nil))
}

// flip changes up to three bytes.
func flip(t *rapid.T, raw []byte) []byte {
	raw = bytes.Clone(raw)
	for range rapid.IntRange(0, 3).Draw(t, "bytes") {
		if len(raw) > 0 {
			raw[rapid.IntRange(0, len(raw)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		}
	}
	return raw
}
