package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/subjects"
)

// earlier is how long before a repeat the message may have been published
// that stands for both: the dedupe window and a margin.
const earlier = 11 * time.Minute

// intact reports whether the raw bytes are those that were received.
func (x exhibit) intact() bool {
	return x.raw.header.Get(subjects.HeaderDigest) == bridge.Digest(x.raw.body)
}

// write is the exhibit for people.
func (x exhibit) write(w io.Writer) error {
	var b strings.Builder
	if x.raw == nil {
		b.WriteString("raw message: not stored, or removed by age\n")
	} else {
		x.writeRaw(&b)
	}
	if len(x.published) == 0 {
		b.WriteString("\nnothing is published: the instrument was refused, or it was removed by age\n")
	}
	for _, e := range x.published {
		writeDerived(&b, e)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (x exhibit) writeRaw(b *strings.Builder) {
	fmt.Fprintf(b, "raw %d  %s  %s\n", x.raw.sequence, x.raw.stored.Local().Format(time.RFC3339), count(len(x.raw.body), "byte"))
	if len(x.others) > 0 {
		fmt.Fprintf(b, "  received again, byte for byte, as raw %s\n", joined(x.others))
	}
	if !x.intact() {
		b.WriteString("  DAMAGED: the bytes do not match the digest; restore LAB_RAW from a copy\n")
	}
	writeHeader(b, *x.raw)
	frames := framesOf(*x.raw)
	writeFrames(b, frames)
	fmt.Fprintf(b, "\n%s\n", framedLines(frames.marked(x.raw.body)))
}

// writeDerived is one revision: decoded, or where and why not.
func writeDerived(b *strings.Builder, e event) {
	revision := either(e.header.Get(subjects.HeaderRevision), "1")
	by := ""
	if run := e.header.Get(subjects.HeaderReplay); run != "" {
		by = ", replayed by run " + run
	}
	fmt.Fprintf(b, "\nrevision %s  %s %d  %s%s\n", shown(revision), e.stream, e.sequence, e.stored.Local().Format(time.RFC3339), shown(by))
	var f bridge.Failure
	if strings.HasPrefix(e.subject, "lab.failed.") && json.Unmarshal(e.body, &f) == nil {
		fmt.Fprintf(b, "  failed: %s: %s\n", shown(f.Reason), shown(f.Error))
		if f.Record > 0 {
			fmt.Fprintf(b, "  at record %d field %d\n", f.Record, f.Field)
		}
	}
	writeHeader(b, e)
	var pretty bytes.Buffer
	if json.Indent(&pretty, e.body, "  ", "  ") != nil {
		fmt.Fprintf(b, "\n  %s\n", visible(e.body))
		return
	}
	b.WriteString("\n  ")
	for n, line := range strings.Split(pretty.String(), "\n") { // a string in JSON has no line breaks of its own
		if n > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(shown(line))
	}
	b.WriteByte('\n')
}

func writeHeader(b *strings.Builder, e event) {
	fmt.Fprintf(b, "  %s\n", shown(e.subject))
	for _, name := range slices.Sorted(maps.Keys(e.header)) {
		fmt.Fprintf(b, "  %s: %s\n", shown(name), shown(strings.Join(e.header[name], ", ")))
	}
}

func joined(numbers []uint64) string {
	text := make([]string, len(numbers))
	for i, n := range numbers {
		text[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(text, ", ")
}
