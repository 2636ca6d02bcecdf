package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// frames is how a raw message was framed, as its link noted it.
type frames struct {
	list codec.FrameList
	odd  string // why there is none
}

func framesOf(raw event) frames {
	text := raw.header.Get(subjects.HeaderFrames)
	if text == "" {
		return frames{odd: "not noted: the message was stored before the bridge noted them"}
	}
	list, err := codec.ParseFrames(text)
	switch {
	case err != nil:
		return frames{odd: err.Error()}
	case list.Size() != len(raw.body):
		return frames{odd: fmt.Sprintf("noted for %s, and the message has %d", count(list.Size(), "byte"), len(raw.body))}
	}
	return frames{list: list}
}

// writeFrames is a line for each frame, or for a run of frames that differ in
// nothing but their numbers.
func writeFrames(b *strings.Builder, f frames) {
	if f.odd != "" {
		fmt.Fprintf(b, "\n  frames: %s\n", f.odd)
		return
	}
	fmt.Fprintf(b, "\n  %s\n", count(f.list.Frames(), "frame"))
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	nth, at := 1, 0
	for _, r := range f.list.Runs {
		which, number, length := fmt.Sprint(nth), "no number", fmt.Sprint(r.Bytes)
		if r.Number >= 0 {
			number = fmt.Sprint("number ", r.Number)
		}
		if r.Count > 1 {
			which, length = fmt.Sprintf("%d-%d", nth, nth+r.Count-1), fmt.Sprintf("%d x %d", r.Count, r.Bytes)
			if r.Number >= 0 {
				number = fmt.Sprintf("numbers %d..%d", r.Number, r.At(r.Count-1).Number)
			}
		}
		begin, end := r.End.Delimiters()
		remarks := r.Remarks()
		if sum := r.Checksum(); sum != "" {
			remarks = append([]string{"checksum " + sum}, remarks...)
		}
		framing := either(strings.TrimSpace(begin+" … "+end), "…")
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s bytes\tfrom byte %d\t%s\n", which, number, framing, length, at, either(strings.Join(remarks, "; "), "-"))
		nth, at = nth+r.Count, at+r.Size()
	}
	_ = w.Flush() // a strings.Builder takes everything
	if f.list.More > 0 {
		fmt.Fprintf(b, "  and %s more, not noted one by one\n", count(f.list.More, "frame"))
	}
}

// marked is raw made visible, with the control characters that stood around
// each frame; a CR that the bridge added stands as (+CR).
func (f frames) marked(raw []byte) string {
	var b strings.Builder
	at := 0
	for m := range f.list.Marks() {
		b.WriteString(visible(raw[at:m.At]))
		at = m.At
		begin, end := m.Frame.End.Delimiters()
		if !m.Ends {
			b.WriteString(pictures(begin))
			if begin != "" && m.Frame.Number >= 0 {
				fmt.Fprint(&b, m.Frame.Number)
			}
			continue
		}
		b.WriteString(pictures(end))
		if m.Frame.AddedCR {
			b.WriteString("(+CR)\n")
			at++
		}
	}
	b.WriteString(visible(raw[at:]))
	return b.String()
}

// framedLines is what marked makes, a record per line; what ends a frame stays
// with the record before it.
func framedLines(text string) string {
	text = recordLines(text)
	for _, end := range []string{"␃", "␗", "␜"} {
		text = strings.ReplaceAll(text, "\n  "+end, end+"\n  ")
	}
	return strings.TrimRight(text, "\n ")
}

// pictures are the control pictures of names.
func pictures(names string) string {
	return strings.NewReplacer("STX", "␂", "ETX", "␃", "ETB", "␗", "VT", "␋", "FS", "␜", " CR", "").Replace(names)
}
