package codectest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// lines is the smallest protocol: a message is a line, answered + or -; a
// line that does not end within the message timeout is given up.
type lines struct{ o codec.Options }

func build(o codec.Options) codec.Protocol { return &lines{o.WithDefaults()} }

func (l *lines) Name() string                         { return "lines" }
func (l *lines) Parse([]byte) (*codec.Message, error) { return nil, errors.ErrUnsupported }

func (l *lines) Serve(ctx context.Context, conn codec.Conn, host codec.Host) error {
	var line []byte
	b := make([]byte, 1)
	deadline := time.Now().Add(l.o.MessageTimeout)
	for {
		if err := conn.SetReadDeadline(deadline); err != nil {
			return err
		}
		if _, err := conn.Read(b); err != nil {
			if len(line) > 0 {
				host.Incomplete(ctx, inOne(line, codec.EndCut), codec.ErrIncomplete)
				codec.Note(host, codec.EventTimeout)
			}
			if codec.IsTimeout(err) {
				return nil
			}
			return err
		}
		line = append(line, b[0])
		if len(line) > l.o.MaxMessage {
			host.Incomplete(ctx, codec.Delivery{Raw: line}, codec.ErrTooLarge)
			return fmt.Errorf("lines: %w", codec.ErrTooLarge)
		}
		if b[0] == '\n' {
			break
		}
	}
	answer := "+"
	if host.Ready() != nil || host.Receive(ctx, inOne(line, codec.EndUnframed)) != nil {
		answer = "-"
		codec.NoteQuirk(host, "sulks")
	}
	_, err := conn.Write([]byte(answer))
	return err
}

// inOne is a message that came in one piece.
func inOne(line []byte, end codec.FrameEnd) codec.Delivery {
	return codec.Delivery{Raw: line, Frames: codec.AppendFrame(nil, codec.Frame{Number: -1, Bytes: len(line), End: end})}
}

func (l *lines) Send(ctx context.Context, conn codec.Conn, raw []byte) error {
	if _, err := conn.Write(raw); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	b := make([]byte, 1)
	switch _, err := conn.Read(b); {
	case ctx.Err() != nil:
		return ctx.Err()
	case codec.IsTimeout(err):
		return codec.ErrNoReply
	case err != nil:
		return err
	case b[0] == '+':
		return nil
	case b[0] == '?':
		conn.(codec.Unreader).Unread([]byte("q\n"))
		return codec.ErrYield
	}
	return codec.ErrRefused
}

const long = `# every verb once
quirks one,two
option max-message=20 message-timeout=5s role=instrument
> a‹62*3›␊
< +
stored abbb␊
frames 5U
batch 
sender 
needed 
unended no
store fail ok
> c␊
<~ [-]
> c␊
< +
stored c␊
ready no
> d␊
< -
quirk sulks 2
ready yes
> half
wait 4s
pass 2s
incomplete half
frames 4C
event timeout 1
send mine␊
< mine␊
> +
sent ok
send mine␊
< mine␊
> -
sent refused
send mine␊
< mine␊
pass 2s
sent noreply
send mine␊
< mine␊
> ?
sent yield
< +
stored q␊
> ‹7A*30›
oversize
closed over the size limit
`

func TestConverse(t *testing.T) {
	if err := codectest.Converse(t, build, long); err != nil {
		t.Error(err)
	}
	if err := codectest.Converse(t, build, "hangup\nclosed EOF\n"); err != nil {
		t.Error(err)
	}
}

func TestConverseFails(t *testing.T) {
	for name, text := range map[string]string{
		"other bytes":         "> a␊\n< -\nstored a␊\n",
		"too few bytes":       "< +\n",
		"too many bytes":      "> a␊\nstored a␊\n",
		"other pattern":       "> a␊\n<~ [a-z]\nstored a␊\n",
		"other message":       "> a␊\n< +\nstored b␊\n",
		"other frames":        "> a␊\n< +\nstored a␊\nframes 9U\n",
		"other batch":         "> a␊\n< +\nstored a␊\nbatch 1\n",
		"other sender":        "> a␊\n< +\nstored a␊\nsender x\n",
		"other tolerances":    "> a␊\n< +\nstored a␊\nneeded sulks\n",
		"ended":               "> a␊\n< +\nstored a␊\nunended yes\n",
		"no message":          "stored b␊\n",
		"unnamed message":     "> a␊\n< +\n",
		"unnamed remains":     "> a\npass 2m\n",
		"nothing given up":    "incomplete a\n",
		"given up too large":  "> a\npass 2m\noversize a\n",
		"talks while waiting": "> a␊\nwait 1s\n< +\nstored a␊\n",
		"still open":          "closed\n",
		"closed another way":  "hangup\nclosed too large\n",
		"never counted":       "event timeout\n",
		"counted otherwise":   "event timeout 3\n",
		"no such quirk":       "quirk sulks\n",
		"nothing detected":    "detected astm\n",
		"still sending":       "send a␊\n< a␊\nsent ok\n",
		"sent another way":    "send a␊\n< a␊\n> -\nsent ok\n",
		"unknown verb":        "shout\n",
		"unknown option":      "option colour=blue\n",
		"unknown answer":      "store perhaps\n",
		"bad byte":            "> ‹XYZ›\n",
		"bad duration":        "wait long\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := codectest.Converse(t, build, text); err == nil {
				t.Errorf("%q passed", text)
			} else if !strings.Contains(err.Error(), "line ") && !strings.Contains(err.Error(), "at the end") {
				t.Errorf("the failure names no place: %v", err)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	got, err := codectest.Bytes("␂1H|␍␃‹E4›‹41*3›ü␡")
	want := []byte("\x021H|\r\x03\xe4AAA\xc3\xbc\x7f")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("Bytes = %q, %v, want %q", got, err, want)
	}
	if got, want := codectest.Pictures(want), "␂1H|␍␃‹E4›AAAü␡"; got != want {
		t.Errorf("Pictures = %s, want %s", got, want)
	}
}

func TestPairAndSplit(t *testing.T) {
	codectest.RunPair(t, build(codec.Options{}), []byte("one\n"), []byte("two\n"))
	codectest.Split(t, build(codec.Options{}), []byte("one\ntwo\n"+strings.Repeat("x", 3000)+"\nrest"))
}

// gossip is lines whose errors tell what they are of.
type gossip struct{ *lines }

func (gossip) Parse(raw []byte) (*codec.Message, error) {
	return nil, fmt.Errorf("line begins with %.6q", raw)
}

func TestDiscreet(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "one.raw"), []byte("SPCX77|PATX77\r"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(raw []byte) []byte { return append(bytes.Clone(raw), '\n') }
	kind := func(p func(codec.Options) codec.Protocol) codec.Kind {
		return codec.Kind{New: func(o codec.Options) (codec.Protocol, error) { return p(o), nil }, Quirks: []codec.Quirk{{Name: "sulks"}}}
	}
	if err := codectest.Discreet(t, kind(build), codec.Options{MaxMessage: 10}, dir, link); err != nil {
		t.Error(err)
	}
	leaky := func(o codec.Options) codec.Protocol { return gossip{build(o).(*lines)} }
	if err := codectest.Discreet(t, kind(leaky), codec.Options{}, dir, link); err == nil || !strings.Contains(err.Error(), "SPCX77") {
		t.Errorf("a protocol that tells of a specimen: %v", err)
	}
}

func TestChecksumsAreFilledIn(t *testing.T) {
	// The printed example of LIS01-A2 §6.3.3.2 is not copied here: 1 + ETX is 34.
	var host codectest.Host
	if err := codectest.Converse(t, build, "> ␂1␃??␊\n< +\nstored ␂1␃34␊\n"); err != nil {
		t.Error(err)
	}
	if _, err := codectest.Play(t, build(codec.Options{}), &host, []byte("a\nb\n")); err != nil || len(host.Stored()) != 2 {
		t.Errorf("Play stored %d, %v", len(host.Stored()), err)
	}
}
