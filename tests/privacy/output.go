package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// outputFile holds what the program printed, as lines of privacytest.
const outputFile = "output.jsonl"

// output takes what a program prints and keeps all of it. Of a go test -json
// it shows what go test would show: packages, and the tests that fail.
type output struct {
	mu     sync.Mutex
	show   io.Writer
	file   *os.File
	part   []byte
	said   map[string]*strings.Builder // by package and test, until it is over
	tested map[string]bool             // packages with tests; true = passed
	err    error
}

func newOutput(folder string, show io.Writer) (*output, error) {
	file, err := os.Create(filepath.Join(folder, outputFile))
	return &output{show: show, file: file, said: map[string]*strings.Builder{}, tested: map[string]bool{}}, err
}

// Write takes output in any pieces.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.part = append(o.part, p...)
	for {
		line, rest, whole := bytes.Cut(o.part, []byte("\n"))
		if !whole {
			return len(p), o.err
		}
		o.line(line)
		o.part = bytes.Clone(rest)
	}
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.part) > 0 {
		o.line(o.part)
	}
	if err := o.file.Close(); o.err == nil {
		o.err = err
	}
	return o.err
}

// seedOfOrder begins a line of go test's own, which is not what the suite says:
// patients of the corpus are called Test.
const seedOfOrder = "-test.shuffle "

// event is a line of go test -json.
type event struct{ Action, Package, Test, Output string }

func (o *output) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Action == "" {
		e = event{Action: "output", Output: string(line) + "\n"}
		fmt.Fprint(o.show, e.Output)
	}
	if e.Output != "" && !strings.HasPrefix(e.Output, seedOfOrder) {
		text, err := json.Marshal(privacytest.Line{Kind: privacytest.KindOutput, Test: strings.TrimSpace(e.Package + " " + e.Test), Text: strings.TrimSuffix(e.Output, "\n")})
		if err == nil {
			_, err = o.file.Write(append(text, '\n'))
		}
		if o.err == nil {
			o.err = err
		}
	}
	if e.Package != "" {
		o.test(e)
	}
}

// test follows one event of a test or a package.
func (o *output) test(e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		if o.said[name] == nil {
			o.said[name] = &strings.Builder{}
		}
		o.said[name].WriteString(e.Output)
		return
	case "start", "run":
		o.tested[e.Package] = false
		return
	case "pass":
		if e.Test == "" {
			o.tested[e.Package] = true
		}
	case "fail":
	default:
		return
	}
	if said := o.said[name]; said != nil && (e.Action == "fail" || e.Test == "") {
		for line := range strings.Lines(said.String()) {
			if e.Action == "fail" || strings.HasPrefix(line, "ok") {
				fmt.Fprint(o.show, line)
			}
		}
	}
	delete(o.said, name)
}
