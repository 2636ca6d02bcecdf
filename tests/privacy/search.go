package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// hit is an id where none may be.
type hit struct {
	file string
	line int
	kind privacytest.Kind
	test string
	id   id
	near string
}

// result is what a search came to.
type result struct {
	files, lines, ids, messages int
	weak                        int // ids of the repository that cannot be looked for
	bytes                       int64
	heard                       map[string]int // lines by package
	tested                      map[string]bool
	kinds                       map[privacytest.Kind]int
	hits                        []hit
}

// String is the line for people.
func (r *result) String() string {
	return fmt.Sprintf("privacy: %d files, %d lines, %d bytes, %d messages, %d ids searched (%d too short), hits %d", r.files, r.lines, r.bytes, r.messages, r.ids, r.weak, len(r.hits))
}

// most is how many hits are told.
const most = 400

// verdict is an error that tells of every hit.
func (r *result) verdict() error {
	var errs []error
	for _, h := range r.hits[:min(most, len(r.hits))] {
		errs = append(errs, fmt.Errorf("%s:%d: %s of %s holds a %s (%q of %s): …%s…", h.file, h.line, h.kind, h.test, h.id.what, h.id.text, h.id.from, h.near))
	}
	if more := len(r.hits) - most; more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// search reads the files of folder twice: first for the messages and what they
// say, then for that in all else.
func search(folder string, known *ids, program *output) (*result, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	r := &result{heard: map[string]int{}, kinds: map[privacytest.Kind]int{}}
	if program != nil {
		r.tested = program.tested
	}
	r.weak = len(known.weak)
	for _, file := range files {
		known.process = processOf(file)
		err := each(file, func(_ int, l privacytest.Line) {
			if l.Kind == privacytest.KindMessage {
				known.message(filepath.Base(file), l.Raw)
				r.messages++
			}
		})
		if err != nil {
			return nil, err
		}
	}
	all := known.index()
	r.ids = len(known.known)
	for _, file := range files {
		r.files++
		name := filepath.Base(file)
		process := processOf(file)
		err := each(file, func(number int, l privacytest.Line) {
			if l.Kind == privacytest.KindMessage {
				return
			}
			process := process
			if name == outputFile {
				process, l.Text = ofTest(l)
			} else {
				r.heard[process]++
			}
			r.lines++
			r.bytes += int64(len(l.Text))
			r.kinds[l.Kind]++
			for _, text := range readings(l.Text) {
				for _, found := range all.find(text) {
					if !found.within(process) {
						continue
					}
					r.hits = append(r.hits, hit{name, number, l.Kind, l.Test, found, near(text, found.text)})
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// frame is what go test puts before what a test says.
var frame = regexp.MustCompile(`^ *[a-z0-9_]+\.go:[0-9]+: `)

// anybody stands for all processes: a program printed it, no test of a package.
const anybody = "*"

// ofTest is the package whose test printed a line, and what it printed. Names
// of tests, which are written here, are held against our own ids only.
func ofTest(l privacytest.Line) (process, text string) {
	named := strings.TrimLeft(l.Text, " ")
	if strings.HasPrefix(named, "=== ") || strings.HasPrefix(named, "--- ") {
		return "", l.Text
	}
	if l.Test == "" {
		return anybody, l.Text
	}
	process, _, _ = strings.Cut(strings.ReplaceAll(l.Test, "/", "_"), " ")
	return process, frame.ReplaceAllString(l.Text, "")
}

// processOf is the package or the program that wrote a file: its name up to the
// number of the process.
func processOf(file string) string {
	name := filepath.Base(file)
	return name[:max(0, strings.LastIndexByte(name, '-'))]
}

// each gives the lines of a file with their numbers.
func each(file string, take func(int, privacytest.Line)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for number := 1; ; number++ {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return nil
		}
		var l privacytest.Line
		if err := errors.Join(err, json.Unmarshal(text, &l)); err != nil {
			return fmt.Errorf("%s:%d: not a line of privacytest: %w", file, number, err)
		}
		take(number, l)
	}
}

// readings are the text, and what it says without the escapes of JSON, of
// slog's text and of Go's %q.
func readings(text string) []string {
	list := []string{text}
	for range 3 {
		last := list[len(list)-1]
		plain := unescape(last)
		if plain == last {
			break
		}
		list = append(list, plain)
	}
	return list
}

// unescape undoes one level of backslashes wherever they are.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for text != "" {
		if len(text) > 1 && text[0] == '\\' && strings.IndexByte(`"'/`, text[1]) >= 0 {
			text = text[1:] // what UnquoteChar knows only where it must be
		}
		r, wide, rest, err := strconv.UnquoteChar(text, 0)
		switch {
		case err != nil:
			b.WriteByte(text[0])
			rest = text[1:]
		case wide:
			b.WriteRune(r)
		default:
			b.WriteByte(byte(r))
		}
		text = rest
	}
	return b.String()
}

// near is what stands around an id in text.
func near(text, id string) string {
	at := strings.Index(fold(text), id)
	if at < 0 {
		return ""
	}
	return text[max(0, at-60):min(len(text), at+len(id)+60)]
}
