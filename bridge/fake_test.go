package bridge_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// bus is a Publisher in memory with a knob for each way it can fail.
type bus struct {
	mu      sync.Mutex
	ids     map[string]uint64 // stream and id → sequence
	stored  []bridge.Publication
	tries   int
	fail    func(try int, p bridge.Publication) error // nil result = store it
	lostAck func(try int, p bridge.Publication) bool  // stored, but the confirmation is lost
	sick    error
}

func (b *bus) Publish(ctx context.Context, p bridge.Publication) (bridge.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	hear(p)
	if b.fail != nil {
		if err := b.fail(b.tries, p); err != nil {
			return bridge.Receipt{}, err
		}
	}
	if b.ids == nil {
		b.ids = make(map[string]uint64)
	}
	key := p.Stream + " " + p.ID
	receipt := bridge.Receipt{Sequence: b.ids[key], Duplicate: b.ids[key] != 0}
	if !receipt.Duplicate {
		p.Body = bytes.Clone(p.Body)
		b.stored = append(b.stored, p)
		receipt.Sequence = uint64(len(b.stored))
		b.ids[key] = receipt.Sequence
	}
	if b.lostAck != nil && b.lostAck(b.tries, p) {
		return bridge.Receipt{}, context.DeadlineExceeded
	}
	return receipt, nil
}

// hear tells the privacy test what is published: messages, and what is said
// about them.
func hear(p bridge.Publication) {
	privacytest.Value(privacytest.KindStored, []any{p.Subject, p.ID, p.Header})
	if strings.HasPrefix(p.Subject, "lab.failed.") {
		privacytest.Text(privacytest.KindStored, string(p.Body))
	} else {
		privacytest.Message(p.Body)
	}
}

func (b *bus) Healthy() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sick
}

func (b *bus) setSick(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sick = err
}

// in lists what a stream holds, in order.
func (b *bus) in(stream string) []bridge.Publication {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []bridge.Publication
	for _, p := range b.stored {
		if p.Stream == stream {
			out = append(out, p)
		}
	}
	return out
}

// lines is a protocol of one line a message: "+" means stored, "-" refused,
// "!" do not repeat. A line "bad" does not parse, "panic" panics in the
// parser and "crash" in the session.
type lines struct{}

func (lines) Name() string { return "lines" }

func (lines) Serve(ctx context.Context, conn codec.Conn, host codec.Host) error {
	t := codec.NewTokens(conn, func(data []byte, _ bool) (int, []byte, error) { return bufio.ScanLines(data, false) }, 1<<16)
	for {
		line, err := t.Next(time.Now().Add(time.Minute))
		if err != nil {
			if rest := t.Rest(); len(rest) > 0 {
				host.Incomplete(ctx, codec.Delivery{Raw: bytes.Clone(rest)}, codec.ErrIncomplete)
			}
			return err
		}
		if string(line) == "crash" {
			panic("a bug with Doe^Jane in it")
		}
		answer := "+\n"
		if err := host.Ready(); err != nil {
			answer = "-\n"
		} else if err := host.Receive(ctx, codec.Delivery{Raw: line}); errors.Is(err, codec.ErrReject) {
			answer = "!\n"
		} else if err != nil {
			answer = "-\n"
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return err
		}
		if t.Release() {
			return nil
		}
	}
}

func (lines) Send(ctx context.Context, conn codec.Conn, raw []byte) error {
	_, err := conn.Write(append(bytes.Clone(raw), '\n'))
	return err
}

func (lines) Parse(raw []byte) (*codec.Message, error) {
	switch string(raw) {
	case "bad":
		return nil, &codec.ParseError{Protocol: "lines", Record: 3, Field: 4, Err: errors.New("not a line")}
	case "panic":
		panic("a bug with Doe^Jane in it")
	}
	return &codec.Message{Protocol: "lines", Kind: codec.KindResult, Records: [][]string{{string(raw)}}}, nil
}

// protocols is the index that holds lines.
func protocols() codec.Index {
	return codec.Index{{
		Name:    "lines",
		Quirks:  []codec.Quirk{{Name: "crooked", Help: "accepts crooked lines"}},
		New:     func(codec.Options) (codec.Protocol, error) { return lines{}, nil },
		Speaks:  func([]byte) codec.Verdict { return codec.Yes },
		Owns:    func([]byte) bool { return true },
		Rejects: true,
	}}
}

// registry reads an instruments file.
func registry(t *testing.T, text string) *bridge.Registry {
	t.Helper()
	r, err := bridge.Load("instruments.yaml", []byte(text), protocols())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// quiet is a logger that keeps what is said.
func quiet() (*slog.Logger, *syncBuffer) {
	b := &syncBuffer{}
	return privacytest.Logger(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
