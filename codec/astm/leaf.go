package astm

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// field is field n of the record at hand, as sent.
func (w *walk) field(n int) string {
	if n > len(w.record) {
		return ""
	}
	return w.record[n-1]
}

// text is field n of the record at hand, decoded.
func (w *walk) text(n int) string { return w.decode(w.field(n)) }

// decode trims a leaf, undoes its escapes and takes the quotes of an explicit
// null (LIS02-A2 §5.4.4) for nothing. A line feed is no legal character of a
// record (§5.3): cobas 8000 sends some where it broke a line.
func (w *walk) decode(leaf string) string {
	leaf = strings.TrimSpace(leaf)
	if leaf == `""` {
		return ""
	}
	if w.feeds && strings.Contains(leaf, "\n") {
		leaf = strings.ReplaceAll(leaf, "\n", "")
	}
	if w.d.escape == "" || index(leaf, w.d.escape) < 0 {
		return leaf
	}
	return w.d.unescape(leaf, w.hex)
}

// hex decodes the bytes of an escape sequence in the message's charset.
func (w *walk) hex(bytes []byte) string {
	text, _, _ := codec.Decode(bytes, "", w.o.Charset, w.o.Fallback)
	return string(text)
}

// time is field n of the record at hand as RFC 3339 or a date.
func (w *walk) time(n int) string {
	sent := w.field(n)
	if sent == "" {
		return ""
	}
	if sent == w.lastTime.sent {
		return w.lastTime.read
	}
	first, _ := cutAt(sent, w.d.component)
	if first == w.lastTime.sent {
		return w.lastTime.read
	}
	t, ok := codec.Timestamp(first, w.o.Location)
	if !ok {
		w.warn(n, codec.WarnBadTimestamp)
		return ""
	}
	w.lastTime.sent, w.lastTime.read = first, t
	return t
}

// firstValued is the first component of text that holds something.
func (w *walk) firstValued(text string) string {
	for text != "" {
		var leaf string
		leaf, text = cutAt(text, w.d.component)
		if leaf = w.decode(leaf); leaf != "" {
			return leaf
		}
	}
	return ""
}

// compact is text with every component trimmed and decoded, and without empty
// ones at its end.
func (w *walk) compact(text string) string {
	if w.d.component == "" || !strings.Contains(text, w.d.component) {
		return w.decode(text)
	}
	leaves := strings.Split(text, w.d.component)
	valued := 0
	for i, leaf := range leaves {
		if leaves[i] = w.decode(leaf); leaves[i] != "" {
			valued = i + 1
		}
	}
	return strings.Join(leaves[:valued], "^")
}
