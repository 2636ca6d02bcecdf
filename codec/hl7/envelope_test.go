package hl7_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

func TestMessages(t *testing.T) {
	const a, b, c = "MSH|^~\\&|A\rPID|1\r", "MSH|^~\\&|B\rPID|2\r", "MSH|^~\\&|C\r"
	const fhs, bhs, bts, fts = "FHS|^~\\&|F\r", "BHS|^~\\&|B\r", "BTS|2\r", "FTS|1\r"
	for _, x := range []struct {
		name string
		want []string
	}{
		{"nothing", nil},
		{"one", []string{a}},
		{"two", []string{a, b}},
		{"batch", []string{bhs + a, b + bts}},
		{"file", []string{fhs + bhs + a, b + bts, bhs + c + bts + fts}},
		{"file without batches", []string{fhs + a, b + fts}},
		{"no end", []string{bhs + a, b}},
		{"no begin", []string{a, b + bts + fts}},
		{"blank segments between", []string{a + "\r\r", b}},
		{"blank segments in the envelope", []string{a + bts, bhs + "\r\r" + b}},
		{"line feeds", []string{"MSH|^~\\&|A\nPID|1\n", "MSH|^~\\&|B\n"}},
		{"carriage return and line feed", []string{"MSH|^~\\&|A\r\nPID|1\r\n", "MSH|^~\\&|B\r\n"}},
		{"no message", []string{bhs + "PID|1\r" + bts}},
		{"MSH in text is text", []string{"MSH|^~\\&|A\rNTE|1||see MSH|^~\\& there\rMSHX|1\r"}},
		{"a batch header in the middle of a message stays there", []string{a + bhs + "PID|3\r", b}},
		{"mark and framing", []string{"\xEF\xBB\xBF\x0b" + a}},
	} {
		t.Run(x.name, func(t *testing.T) {
			var got []string
			for _, m := range hl7.Messages([]byte(strings.Join(x.want, ""))) {
				got = append(got, string(m))
			}
			if d := cmp.Diff(x.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMessagesCoverEveryByte(t *testing.T) {
	part := rapid.SampledFrom([]string{"MSH|^~\\&|A", "BHS|^~\\&", "FHS#", "BTS|1", "PID|1|", "\r", "\n", "\r\n", "\x1c", "x", "MSH"})
	rapid.Check(t, func(t *rapid.T) {
		raw := []byte(strings.Join(rapid.SliceOf(part).Draw(t, "parts"), ""))
		if got := bytes.Join(hl7.Messages(raw), nil); !bytes.Equal(got, raw) {
			t.Errorf("got %q, want %q", got, raw)
		}
	})
}

// Every message of a batch says in which batch it came, though only the
// first one's bytes hold the header.
func TestBatchOfEveryMessage(t *testing.T) {
	const m = "MSH|^~\\&|A||||20261123||ORU^R01|1|P|2.5\rPID|1\r"
	bhs := func(id string) string { return "BHS|^~\\&|A||||20261123||||" + id + "\r" }
	const fhs, bts, fts = "FHS|^~\\&|A||||20261123||||F1\r", "BTS|2\r", "FTS|1\r"
	for _, tt := range []struct {
		name, block string
		want        []string
	}{
		{"no envelope", m + m, []string{"", ""}},
		{"batch", bhs("B1^x") + m + m + m + bts, []string{"B1", "B1", "B1"}},
		{"no trailer", bhs("B1") + m + m, []string{"B1", "B1"}},
		{"two batches", bhs("B1") + m + m + bts + bhs("B2") + m + m + bts, []string{"B1", "B1", "B2", "B2"}},
		{"behind the batch", bhs("B1") + m + bts + m, []string{"B1", ""}},
		{"file without batches", fhs + m + m + fts, []string{"F1", "F1"}},
		{"file with batches", fhs + bhs("B1") + m + bts + bhs("") + m + bts + m + fts + m, []string{"B1", "F1", "F1", ""}},
		{"other separators", strings.ReplaceAll(bhs("B1"), "|", "!") + m + m, []string{"B1", "B1"}},
		{"mark in front", "\xEF\xBB\xBF" + bhs("B1") + m + m, []string{"B1", "B1"}},
		{"too short", "BHS|^~\\&|A\r" + m + m, []string{"", ""}},
		{"no id to travel", bhs("B\xE9") + m + bts + bhs(strings.Repeat("9", 200)) + m + bts + bhs(`a\T\b`) + m, []string{"", "", ""}},
	} {
		p, err := hl7.New(codec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var host codectest.Host
		// A message of no batch behind the block must not inherit one.
		input := "\x0b" + tt.block + "\x1c\r\x0b" + m + "\x1c\r"
		if err := p.Serve(t.Context(), codec.NewPlayback([]byte(input)), &host); err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var came []string
		for _, d := range host.Received() {
			came = append(came, d.Batch)
		}
		if diff := cmp.Diff(append(tt.want, ""), came); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
