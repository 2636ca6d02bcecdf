package codectest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// Run holds every conversation (*.txt) of dir with a protocol built by build
// for the options that the file names. Time is that of a synctest bubble.
func Run(t *testing.T, build func(codec.Options) codec.Protocol, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations in %s (%v)", dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := Converse(t, build, string(text)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		})
	}
}

// Converse holds one conversation. Its error is the first step that went
// another way, with the dialogue up to there.
func Converse(t *testing.T, build func(codec.Options) codec.Protocol, text string) error {
	t.Helper()
	var failed error
	synctest.Test(t, func(t *testing.T) {
		options, steps, err := read(text)
		if err != nil {
			failed = err
			return
		}
		d := newDialogue(t.Context(), build(options))
		defer d.close()
		for _, s := range steps {
			if err := d.do(s); err != nil {
				failed = d.failure(fmt.Sprintf("line %d: %s %s: %v", s.line, s.verb, s.text, err))
				return
			}
		}
		if err := d.leftOver(); err != nil {
			failed = d.failure(fmt.Sprintf("at the end: %v", err))
		}
	})
	return failed
}

// step is one line of a file.
type step struct {
	line  int
	verb  string
	text  string // as written
	bytes []byte // what the text means
}

func read(text string) (codec.Options, []step, error) {
	var o codec.Options
	var steps []step
	var in, out summer
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		s := step{line: i + 1, verb: verb, text: rest}
		var err error
		switch verb {
		case "quirks":
			o.Quirks = append(o.Quirks, strings.Split(rest, ",")...)
		case "option":
			err = setOptions(&o, rest)
		case "<~":
			steps = append(steps, s)
		default:
			s.bytes, err = Bytes(rest)
			switch verb {
			case ">":
				in.fill(s.bytes)
			case "<":
				out.fill(s.bytes)
			}
			steps = append(steps, s)
		}
		if err != nil {
			return o, nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return o, steps, nil
}

func setOptions(o *codec.Options, text string) error {
	for pair := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(pair, "=")
		if err := setOption(o, name, value); err != nil {
			return fmt.Errorf("option %s: %w", name, err)
		}
	}
	return nil
}

func setOption(o *codec.Options, name, value string) (err error) {
	switch name {
	case "role":
		o.Role = codec.Role(value)
	case "max-message":
		o.MaxMessage, err = strconv.Atoi(value)
	case "max-frame":
		o.MaxFrame, err = strconv.Atoi(value)
	case "max-frames":
		o.MaxFrames, err = strconv.Atoi(value)
	case "send-frame":
		o.SendFrame, err = strconv.Atoi(value)
	case "message-timeout":
		o.MessageTimeout, err = time.ParseDuration(value)
	case "charset":
		o.Charset = value
	case "ack-mode":
		o.AckMode = value
	case "store-failure":
		o.StoreFailure = value
	case "commit-ack":
		o.CommitAck = value
	case "continuation":
		o.Continuation = value
	default:
		err = fmt.Errorf("unknown")
	}
	return err
}
