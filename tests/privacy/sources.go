package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// collect takes the ids of everything in the repository at root that a test
// or the simulator plays: messages, their golden JSON, conversations,
// templates, and string literals in the sources of tests. Seeds of fuzzing have
// no id of their own: what passes of them is heard at run time.
func (x *ids) collect(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		from, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() != "." && strings.HasPrefix(entry.Name(), ".") && path != root {
				return filepath.SkipDir
			}
			return nil
		}
		in := func(folder string) bool { return strings.Contains("/"+filepath.ToSlash(from), folder) }
		if !strings.HasSuffix(path, "_test.go") && !in("/testdata/") && !in("/tests/chaos/") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(path, ".go"):
			err = x.source(from, data)
		case strings.HasSuffix(path, ".golden.json"):
			var m codec.Message
			if json.Unmarshal(data, &m) == nil {
				x.parsed(from, &m)
			}
		case in("/link/"):
			err = x.conversation(from, string(data))
		case in("/simulator/"):
			x.template(from, data)
		case strings.HasSuffix(path, ".raw"):
			x.bytes(from, data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		return nil
	})
}

// bytes takes the ids of messages with or without link framing.
func (x *ids) bytes(from string, data []byte) {
	x.message(from, data)
	conn := codec.NewPlayback(data)
	for before := -1; conn.Left() > 0 && conn.Left() != before; {
		before = conn.Left()
		if x.protocol.Serve(context.Background(), conn, taker{x, from}) != nil {
			return
		}
	}
}

// taker is a Host that takes ids.
type taker struct {
	x    *ids
	from string
}

func (t taker) Receive(_ context.Context, d codec.Delivery) error {
	t.x.message(t.from, d.Raw)
	return nil
}
func (t taker) Incomplete(_ context.Context, d codec.Delivery, _ error) { t.x.message(t.from, d.Raw) }
func (t taker) Ready() error                                            { return nil }

// conversation takes the ids of a file of codectest.
func (x *ids) conversation(from, text string) error {
	var instrument []byte
	for line := range strings.Lines(text) {
		verb, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch verb {
		case ">", "<", "stored", "incomplete", "send":
		default:
			continue
		}
		raw, err := codectest.Bytes(rest)
		if err != nil {
			return err
		}
		if verb == ">" {
			instrument = append(instrument, raw...)
		}
		x.message(from, unframed(raw))
	}
	x.bytes(from, instrument)
	return nil
}

// unframed is raw with a line end for every run of control characters, and
// without the number of an ASTM frame.
func unframed(raw []byte) []byte {
	raw = bytes.Clone(raw)
	for i, c := range raw {
		if c == 0x02 && i+1 < len(raw) && raw[i+1] >= '0' && raw[i+1] <= '7' {
			raw[i+1] = '\r'
		}
		if c < ' ' && c != '\t' {
			raw[i] = '\r'
		}
	}
	return bytes.TrimLeft(raw, "\r")
}

// number is a verb of fmt that becomes a number.
var number = regexp.MustCompile(`%0?[0-9]*d`)

// source takes the ids of messages in the string literals of a test.
func (x *ids) source(from string, data []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), from, data, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err == nil && strings.Contains(text, "|") {
			if pictures, err := codectest.Bytes(text); err == nil {
				x.template(from, number.ReplaceAll(unframed(pictures), []byte("{n}")))
			}
		}
		return true
	})
	return nil
}

// root is the folder with go.mod above the working directory.
func root() (string, error) {
	at, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		up := filepath.Dir(at)
		if up == at {
			break
		}
		at = up
	}
	return "", errors.Join(err, errors.New("no go.mod above the working directory: run it inside the repository"))
}
