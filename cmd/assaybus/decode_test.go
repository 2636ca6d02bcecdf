package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// lines is a protocol of this test: a conversation begins with "!", each line
// is a message, "." ends the conversation. What a line says is what happens.
type lines struct{}

func (lines) Name() string { return "lines" }

func (lines) Serve(ctx context.Context, conn codec.Conn, host codec.Host) error {
	tokens := codec.NewTokens(conn, bufio.ScanLines, 1<<20)
	for {
		token, err := tokens.Next(time.Time{})
		if err != nil {
			return err
		}
		switch text := strings.TrimLeft(string(token), "\x00\r!"); text {
		case ".":
			tokens.Release()
			return nil
		case "explode in the link":
			panic("patient Doe")
		case "", "nothing":
		case "bad sum":
			codec.Note(host, codec.EventChecksum)
		case "no end":
			host.Incomplete(ctx, codec.Delivery{Raw: token}, codec.ErrIncomplete)
		case "too large":
			host.Incomplete(ctx, codec.Delivery{Raw: token}, codec.ErrTooLarge)
		case "refused":
			tokens.Release()
			return codec.ErrNoReply
		default:
			codec.NoteQuirk(host, "tolerant")
			if err := host.Receive(ctx, codec.Delivery{Raw: []byte(text), Quirks: []string{"tolerant"}}); err != nil {
				return err
			}
		}
	}
}

func (lines) Send(context.Context, codec.Conn, []byte) error { return errors.New("not in this test") }

func (lines) Parse(raw []byte) (*codec.Message, error) {
	switch string(raw) {
	case "unparsable":
		return nil, &codec.ParseError{Protocol: "lines", Record: 2, Field: 3, Err: errors.New("no such field")}
	case "explode":
		panic("patient Doe")
	case "index":
		_ = raw[len(raw):][0]
	}
	return &codec.Message{Schema: codec.Schema, Protocol: "lines", Kind: codec.KindResult, ControlID: string(raw)}, nil
}

func linesIndex() codec.Index {
	build := func(codec.Options) (codec.Protocol, error) { return lines{}, nil }
	deaf := codec.Kind{ // a list of one would need no detection
		Name:   "deaf",
		New:    build,
		Speaks: func([]byte) codec.Verdict { return codec.No },
		Owns:   func([]byte) bool { return false },
	}
	return codec.Index{deaf, {
		Name: "lines",
		New:  build,
		Speaks: func(first []byte) codec.Verdict {
			switch first = bytes.TrimLeft(first, "\x00\r\n"); {
			case len(first) == 0:
				return codec.Maybe
			case first[0] == '!':
				return codec.Yes
			}
			return codec.No
		},
		Owns: func([]byte) bool { return true },
	}}
}

// findings decodes data and says what came of it, a line for each.
func findings(t *testing.T, data string) []string {
	t.Helper()
	protocol, err := linesIndex().Build(codec.Auto, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	d := decoder{protocol: protocol, put: func(f finding) {
		if p := f.problem; p != nil {
			if strings.Contains(p.Reason, "Doe") {
				t.Errorf("the problem shows content: %s", p.Reason)
			}
			got = append(got, fmt.Sprintf("%s %d %d/%d %s", p.Error, p.Message, p.Record, p.Field, p.Reason))
			return
		}
		got = append(got, f.message.ControlID+" "+strings.Join(f.message.Quirks, ","))
	}}
	d.decode(t.Context(), "capture", []byte(data))
	return got
}

func TestDecodeAccountsForEverything(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       []string
	}{
		{"two messages", "!a\nb\n.\n", []string{"a tolerant", "b tolerant"}},
		{"two conversations", "!a\n.\n\x00\r\n!b\n.\n", []string{"a tolerant", "b tolerant"}},
		{"no farewell", "!a\n", []string{"a tolerant"}},
		{"nothing at all", "", []string{"unknown 0 0/0 no message found in 0 bytes"}},
		{"only noise", "\x00\r\n", []string{"unknown 0 0/0 no message found in 3 bytes (1 × noise, try --quirk implicit-session for a capture without ENQ)"}},
		{"conversation without message", "!nothing\n.\n", []string{"unknown 0 0/0 no message found in 11 bytes"}},
		{"checksums", "!bad sum\nbad sum\n.\n", []string{"unknown 0 0/0 no message found in 19 bytes (2 × checksum, try --quirk no-checksum)"}},
		{"other protocol", "POST / HTTP/1.1", []string{"unknown 0 0/0 bytes of no known protocol: these bytes are neither ASTM nor HL7"}},
		{"other protocol behind", "!a\n.\nPOST /", []string{"a tolerant", "unknown 0 0/0 bytes of no known protocol: these bytes are neither ASTM nor HL7"}},
		{"unparsable in the middle", "!a\nunparsable\nb\n.\n", []string{"a tolerant", "unparsable 2 2/3 lines: record 2 field 3: no such field", "b tolerant"}},
		{"incomplete", "!a\nno end\n.\n", []string{"a tolerant", "incomplete 2 0/0 incomplete message after 6 bytes"}},
		{"oversize", "!too large\n.\n", []string{"oversize 1 0/0 message over the size limit after 10 bytes"}},
		{"panic in the parser", "!explode\nb\n.\n", []string{"panic 1 0/0 a defect in the decoder, please report it: string", "b tolerant"}},
		{"runtime panic", "!index\n.\n", []string{"panic 1 0/0 a defect in the decoder, please report it: runtime error: index out of range [0] with length 0"}},
		{"panic in the link", "!a\nexplode in the link\nb\n", []string{"a tolerant", "panic 0 0/0 a defect in the decoder, please report it: string"}},
		{"the link gives up and begins again", "!a\nrefused\n!b\n.\n", []string{"a tolerant", "b tolerant"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, findings(t, tt.data)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// A conversation that uses nothing ends the capture instead of beginning for
// ever.
func TestDecodeDoesNotHang(t *testing.T) {
	var got []string
	d := decoder{protocol: idle{}, put: func(f finding) { got = append(got, f.problem.Reason) }}
	d.decode(t.Context(), "capture", []byte("abc"))
	if diff := cmp.Diff([]string{"no message found in 3 bytes"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// idle is a protocol that never reads.
type idle struct{ lines }

func (idle) Serve(context.Context, codec.Conn, codec.Host) error { return nil }

func TestDecodeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, out := io.Pipe()
	defer out.Close()
	var stdout, stderr strings.Builder
	code := hearing(ctx, []string{"decode", "--json", "-"}, in, &stdout, &stderr)
	if code != exitFailed || !strings.Contains(stdout.String(), "interrupted") {
		t.Errorf("exit %d, stdout %q", code, stdout.String())
	}
}

// decodeLines runs the command with the test's protocol.
func decodeLines(t *testing.T, f *decodeFlags, stdin string, files ...string) (string, error) {
	t.Helper()
	var stdout strings.Builder
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&stdout)
	cmd.SetErr(io.Discard)
	err := f.run(cmd, linesIndex(), files)
	return stdout.String(), err
}

func TestDecodeFiles(t *testing.T) {
	dir := t.TempDir()
	good, absent := filepath.Join(dir, "good"), filepath.Join(dir, "absent")
	if err := os.WriteFile(good, []byte("!a\n.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, err := decodeLines(t, &decodeFlags{json: true}, "!b\n.\n", good, "-", absent, dir)
	if err == nil || privacytest.Error(err) != "2 messages decoded, 2 problems" {
		t.Errorf("error %v", err)
	}
	var got []map[string]any
	for line := range strings.Lines(stdout) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got = append(got, object)
	}
	want := []map[string]any{
		{"schema": codec.Schema, "protocol": "lines", "kind": "result", "controlId": "a", "quirks": []any{"tolerant"}},
		{"schema": codec.Schema, "protocol": "lines", "kind": "result", "controlId": "b", "quirks": []any{"tolerant"}},
		{"error": "unreadable", "file": absent, "reason": "open: no such file or directory"},
		{"error": "unreadable", "file": dir, "reason": "read: is a directory"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if _, err := decodeLines(t, &decodeFlags{}, "", good); err != nil {
		t.Errorf("a good file: %v", err)
	}
}

// Without a file it reads standard input.
func TestDecodeStandardInput(t *testing.T) {
	stdout, err := decodeLines(t, &decodeFlags{}, "!a\n.\n")
	if err != nil || !strings.HasPrefix(stdout, "-: lines result") {
		t.Errorf("printed %q, %v", stdout, err)
	}
}

func TestDecodeLimit(t *testing.T) {
	if _, err := readLimited(strings.NewReader("12345"), 5); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := readLimited(strings.NewReader("123456"), 5); err == nil || !strings.Contains(privacytest.Error(err), "larger than 5") {
		t.Errorf("over the limit: %v", err)
	}
}

// A full disk or a closed pipe is not success.
func TestDecodeReportsWriteErrors(t *testing.T) {
	p := printer{w: failing{}, json: true}
	p.put(finding{message: &codec.Message{}})
	if err := p.result(); err == nil || !strings.Contains(privacytest.Error(err), "disk full") {
		t.Errorf("result = %v, want the write's error", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestDecodeUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--quirk", "no-such-quirk"}, "no-such-quirk"},
		{[]string{"--protocol", "modbus"}, "modbus"},
		{[]string{"--timezone", "Mars/Olympus"}, "Mars/Olympus"},
		{[]string{"--speed", "9600"}, "unknown flag: --speed"},
	} {
		code, stdout, stderr := runText(t, "", append([]string{"decode", "--json"}, tt.args...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", tt.args, code, stdout, stderr)
		}
	}
}
