package hl7_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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
