package astm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// FuzzSession: whatever comes, and whatever the store answers, nothing
// panics, it does not matter how the bytes arrive, and every byte of the
// texts of accepted frames is stored or given up or was refused.
func FuzzSession(f *testing.F) {
	names := []string{"no-checksum", "any-frame-number", "implicit-session", "ack-every-control"}
	files, err := filepath.Glob(filepath.Join(root(f), "testdata", "astm", "link", "*.txt"))
	if err != nil || len(files) == 0 {
		f.Fatal("no conversations", err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var in []byte
		for line := range strings.Lines(string(text)) {
			if b, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "> "); ok && !strings.Contains(b, "*") {
				raw, err := codectest.Bytes(b)
				if err != nil {
					f.Fatal(err)
				}
				in = append(in, raw...)
			}
		}
		f.Add(in, uint8(i), uint16(i))
	}
	f.Add([]byte(session("H|\\^&\r", "O|1|SX1\r", "L|1\r")), uint8(0), uint16(2))
	f.Fuzz(func(t *testing.T, in []byte, quirks uint8, fails uint16) {
		codectest.Ends(t)
		o := codec.Options{MaxMessage: 300, MaxFrame: 100, MaxFrames: 6}
		for i, name := range names {
			if quirks>>i&1 == 1 {
				o.Quirks = append(o.Quirks, name)
			}
		}
		run := func(cuts ...int) string {
			var host codectest.Host
			for i := range 16 {
				if fails>>i&1 == 1 {
					host.Answer(codec.ErrReject) // not tried again for ever
				} else {
					host.Answer(nil)
				}
			}
			written, err := codectest.Play(t, build(o), &host, in, cuts...)
			out := fmt.Sprintf("%q %v", written, err)
			for _, d := range host.Received() {
				out += fmt.Sprintf(" stored %q %s %q %v %v", d.Raw, d.Frames, d.Sender, d.Quirks, d.Unended)
			}
			if err := host.Fault(); err != nil {
				t.Error(err)
			}
			for _, g := range host.GivenUp() {
				out += fmt.Sprintf(" given up %q %s", g.Raw, g.Frames)
				if !errors.Is(g.Why, codec.ErrIncomplete) && !errors.Is(g.Why, codec.ErrTooLarge) {
					t.Errorf("given up because of %v", g.Why)
				}
			}
			return out
		}
		want := run()
		cuts := make([]int, len(in))
		for i := range cuts {
			cuts[i] = i + 1
		}
		if got := run(cuts...); got != want {
			t.Errorf("byte by byte:\n got %s\nwant %s", got, want)
		}
	})
}

// BenchmarkSession: a message of twenty results, a record to a frame.
func BenchmarkSession(b *testing.B) {
	conn := &tape{in: inFrames(numbered(20))}
	p := with()
	b.SetBytes(int64(len(conn.in)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Serve(b.Context(), conn, sink{}); err != nil {
			b.Fatal(err)
		}
	}
}

type sink struct{}

func (sink) Receive(context.Context, codec.Delivery) error             { return nil }
func (sink) Incomplete(_ context.Context, _ codec.Delivery, why error) { panic(why) }
func (sink) Ready() error                                              { return nil }
