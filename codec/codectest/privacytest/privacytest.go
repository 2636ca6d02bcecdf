// Package privacytest hears what the product says while its tests run: log
// lines, errors, metrics, status, link events, failures, output for people. All
// of it must name no patient and no specimen. Where the environment variable
// [Env] names a folder, every process of the suite writes what it hears into a
// file of its own there, and the messages that passed with it, and
// tests/privacy looks for the ids of the second in the first. Without the
// variable nothing is kept. Only tests and test programs import it.
package privacytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// Env names the folder that the suite writes to; empty = nothing is kept.
const Env = "ASSAYBUS_PRIVACY_DIR"

// Kind is what a line was in the product.
type Kind string

// The kinds.
const (
	KindLog     Kind = "log"     // a log line, at any level
	KindOutput  Kind = "output"  // what a command printed that shows no content
	KindError   Kind = "error"   // the text of an error, a counter or a quirk
	KindPage    Kind = "page"    // an HTTP answer that shows no content; metrics
	KindStatus  Kind = "status"  // counters and states
	KindStored  Kind = "stored"  // subjects, headers, link events and failures
	KindMessage Kind = "message" // a message: what must stand in none of the others
)

// Line is one line of a file: JSON, and a line feed.
type Line struct {
	Kind Kind   `json:"kind"`
	Test string `json:"test,omitempty"` // the test's function, or whose goroutine it was
	Text string `json:"text,omitempty"`
	Raw  []byte `json:"raw,omitempty"` // of a message
}

// Logger is slog.New(h) for product code under test: what is logged is also
// heard, at every level. A nil h keeps nothing else.
func Logger(h slog.Handler) *slog.Logger {
	if h == nil {
		h = slog.DiscardHandler
	}
	if ours() == nil {
		return slog.New(h)
	}
	ear := slog.NewTextHandler(Tee(KindLog, io.Discard), &slog.HandlerOptions{Level: slog.LevelDebug})
	return slog.New(slog.NewMultiHandler(h, ear))
}

// Tee is w, and what is written to it is heard.
func Tee(kind Kind, w io.Writer) io.Writer {
	if ours() == nil {
		return w
	}
	return io.MultiWriter(w, &ear{kind: kind, test: whose()})
}

// On reports whether anything is kept.
func On() bool { return ours() != nil }

// Hide takes [Env] out of the environment of this process, once its file is
// open: assaybus refuses variables that it does not know.
func Hide() {
	if On() {
		_ = os.Unsetenv(Env)
	}
}

// Text is heard; the same of one kind once in a process.
func Text(kind Kind, text string) {
	if r := ours(); r != nil && text != "" && r.first(kind, text) {
		r.write(Line{Kind: kind, Test: whose(), Text: text})
	}
}

// Value is [Text] of v as JSON.
func Value(kind Kind, v any) {
	if ours() == nil {
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		text = fmt.Appendf(nil, "%+v", v)
	}
	Text(kind, string(text))
}

// Error is err.Error() of an error of the product, which is heard; "" of nil.
func Error(err error) string {
	if err == nil {
		return ""
	}
	Text(KindError, err.Error())
	return err.Error()
}

// Message says that raw, a message as an instrument sends it or as consumers
// read it, went through the product: what stands in it as patient and specimen
// must be heard nowhere.
func Message(raw []byte) {
	if r := ours(); r != nil && len(raw) > 0 && r.first(KindMessage, string(raw)) {
		r.write(Line{Kind: KindMessage, Raw: raw})
	}
}

// ear is what a Tee writes to.
type ear struct {
	kind Kind
	test string
	mu   sync.Mutex
	part []byte // of a line that has not ended
}

// Write hears p, behind what was written of its first line before: an id may
// come in pieces.
func (e *ear) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text := slices.Concat(e.part, p)
	ours().write(Line{Kind: e.kind, Test: e.test, Text: string(text)})
	e.part = bytes.Clone(text[bytes.LastIndexByte(text, '\n')+1:])
	return len(p), nil
}

// record is the file of this process.
type record struct {
	mu   sync.Mutex
	file *os.File
	seen map[[sha256.Size]byte]struct{}
}

// ours is the file of this process; nil = nothing is kept.
var ours = sync.OnceValue(func() *record {
	folder := os.Getenv(Env)
	if folder == "" {
		return nil
	}
	name := strings.ReplaceAll(process(), "/", "_")
	file, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("%s-%d.jsonl", name, os.Getpid())), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(fmt.Errorf("%s: %w; name a folder that exists and may be written to", Env, err))
	}
	return &record{file: file, seen: map[[sha256.Size]byte]struct{}{}}
})

// process is the package that this process tests, or the program that it is.
func process() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Path != "" {
		return strings.TrimSuffix(info.Path, ".test")
	}
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
}

// first is true once for each kind and text.
func (r *record) first(kind Kind, text string) bool {
	sum := sha256.Sum256([]byte(string(kind) + "\x00" + text))
	r.mu.Lock()
	defer r.mu.Unlock()
	_, old := r.seen[sum]
	r.seen[sum] = struct{}{}
	return !old
}

// write is one Write, so that a process that is killed leaves whole lines.
func (r *record) write(l Line) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	l.Text = strings.ToValidUTF8(l.Text, "\uFFFD")
	if err := e.Encode(l); err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.file.Write(b.Bytes()); err != nil {
		panic(fmt.Errorf("%s: %w; make room for what the suite says", Env, err))
	}
}

// whose is the test that calls, or the outermost function of ours in this
// goroutine.
func whose() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	last := ""
	for {
		frame, more := frames.Next()
		name := frame.Function[strings.LastIndexByte(frame.Function, '/')+1:]
		_, function, _ := strings.Cut(name, ".")
		for _, prefix := range []string{"Test", "Fuzz", "Example", "Benchmark"} {
			if strings.HasPrefix(function, prefix) && strings.HasSuffix(frame.File, "_test.go") {
				return name
			}
		}
		if strings.Contains(frame.Function, "/assaybus/") && !strings.Contains(frame.Function, "/privacytest.") {
			last = name
		}
		if !more {
			return last
		}
	}
}
