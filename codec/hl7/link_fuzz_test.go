package hl7_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

const fuzzLimit = 200

// positiveAnswer is MSA-1 with AA behind any separator.
var positiveAnswer = regexp.MustCompile(`(?s)\rMSA.AA`)

// FuzzSplit: whatever comes, the split function advances within the data, no
// token is over the limit, and byte by byte gives the same tokens.
func FuzzSplit(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		codectest.Ends(t)
		whole, end, err := splitAll(t, data, len(data))
		each, eachEnd, eachErr := splitAll(t, data, 1)
		if end != eachEnd || !errors.Is(eachErr, err) {
			t.Fatalf("whole ended at %d (%v), byte by byte at %d (%v)", end, err, eachEnd, eachErr)
		}
		if !bytes.Equal(whole, each) {
			t.Fatalf("whole gave %q, byte by byte %q", whole, each)
		}
	})
}

// splitAll splits data that arrives step bytes at a time and returns the
// tokens but those of noise, whose extent depends on the steps.
func splitAll(t *testing.T, data []byte, step int) (tokens []byte, used int, err error) {
	split, kind := hl7.SplitterKind(fuzzLimit)
	for n := min(step, len(data)); ; n = min(n+step, len(data)) {
		atEOF := n == len(data)
		for {
			advance, token, err := split(data[used:n], atEOF)
			if err != nil {
				return tokens, used, err
			}
			if advance < 0 || advance > n-used || len(token) > fuzzLimit && kind() == "block" {
				t.Fatalf("advanced %d of %d with a token of %d bytes", advance, n-used, len(token))
			}
			if used += advance; token != nil && (kind() == "block" || kind() == "garbled" || kind() == "commit") {
				tokens = append(append(append(tokens, kind()...), token...), 0xFF, 0xFF)
			}
			if advance == 0 {
				break
			}
		}
		if atEOF {
			return tokens, used, nil
		}
	}
}

// FuzzSession plays a script: every message that was stored was in the bytes,
// nothing is answered positively that was not stored, no answer echoes a
// framing byte, and the conversation ends.
func FuzzSession(f *testing.F) {
	for i, seed := range seeds(f) {
		f.Add(seed, byte(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, mode byte) {
		codectest.Ends(t)
		o := codec.Options{
			MaxMessage:   fuzzLimit,
			AckMode:      []string{"auto", "original", "enhanced", "always_aa"}[mode%4],
			StoreFailure: []string{"close", "reject"}[mode/4%2],
			CommitAck:    []string{"off", "send"}[mode/8%2],
		}
		var host codectest.Host
		for i := range 8 {
			host.Answer([]error{nil, nil, codectest.ErrStore, codec.ErrReject}[(int(mode)+i)%4])
		}
		out, err := codectest.Play(t, hl7.NewFixed(o), &host, data)
		if err != nil && !errors.Is(err, codec.ErrIncomplete) && !errors.Is(err, codec.ErrTooLarge) &&
			!errors.Is(err, codectest.ErrStore) && !errors.Is(err, io.EOF) {
			t.Fatalf("ended with %v", err)
		}
		if err := host.Fault(); err != nil {
			t.Error(err)
		}
		for _, raw := range host.Stored() {
			if !bytes.Contains(data, raw) {
				t.Errorf("stored what was not sent: %q", raw)
			}
		}
		positive := len(positiveAnswer.FindAll(out, -1))
		if mode%4 != 3 && o.CommitAck == "off" && positive > len(host.Stored()) {
			t.Errorf("%d positive answers for %d stored messages", positive, len(host.Stored()))
		}
		if a, b := bytes.Count(out, []byte{0x0B}), bytes.Count(out, []byte{0x1C, '\r'}); a != b || bytes.Count(out, []byte{0x1C}) != b {
			t.Errorf("answers are not in blocks: %q", out)
		}
	})
}

// seeds are what the instrument writes in our conversations.
func seeds(t testing.TB) [][]byte {
	files, err := filepath.Glob(filepath.Join(root(t), "testdata", "hl7", "link", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	var seeds [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var seed []byte
		for line := range bytes.Lines(text) {
			if line, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("> ")); ok {
				seed = append(seed, mustBytes(t, string(line))...)
			}
		}
		seeds = append(seeds, seed)
	}
	return seeds
}
