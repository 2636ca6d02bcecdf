package astm

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// extent is how much of text the first record takes, with its line end and
// with the lines behind it that can begin no record: they are its tail, cut
// off by a line end that the sender did not escape.
func (w *walk) extent(text, end string) (n int, tails bool) {
	n = lineLength(text, end)
	if line := strings.Trim(text[:n], blanks); isHeader(line) || !w.begins(line) {
		return n, false // a header declares anew by what the next lines are judged
	}
	for to := n; to < len(text); {
		next := lineLength(text[to:], end)
		line := text[to : to+next]
		if to += next; strings.TrimSpace(line) == "" {
			continue
		}
		if w.begins(line) {
			break
		}
		n, tails = to, true
	}
	return n, tails
}

// lineLength is the length of the first line of text with its end.
func lineLength(text, end string) int {
	if at := index(text, end); at >= 0 {
		return at + len(end)
	}
	return len(text)
}

// begins reports a line that can begin a record: a letter, alone or before a
// delimiter (LIS02-A2 §5.3).
func (w *walk) begins(line string) bool {
	line = strings.Trim(line, blanks)
	if line == "" || line[0]|0x20 < 'a' || line[0]|0x20 > 'z' {
		return false
	}
	return len(line) == 1 || strings.HasPrefix(line[1:], w.d.field) ||
		isWholeHeader(append([]byte(line[:min(len(line), 6)]), cr), 0)
}

// mend joins the tails of the record at hand. Where a line end stands beside a
// delimiter no field was cut. It tells whether one of the fields was that say
// what a result is, from the test to the status: whether the line end belongs
// into it, or which part of it is meant, is not known then.
func (w *walk) mend() (cut bool) {
	for i, f := range w.record {
		if !strings.ContainsAny(f, "\r\n") {
			continue
		}
		f = strings.Trim(f, "\r\n")
		w.record[i] = f
		w.warn(i+1, codec.WarnJoinedLine)
		if n := i + 1; strings.ContainsAny(f, "\r\n") && n >= fieldCode && n <= fieldStatus {
			cut = true
		}
	}
	return cut
}

// doubt marks a result that a line end cut in two: its value is text, and it
// has the status that it states or none.
func (w *walk) doubt(r *codec.Result) {
	r.Number, r.Comparator = nil, ""
	if r.ValueType == "NM" || r.ValueType == "SN" {
		r.ValueType = "ST"
	}
	if sent := w.field(fieldStatus); strings.TrimSpace(sent) == "" || strings.ContainsAny(sent, "\r\n") {
		r.Status = ""
	}
	r.Questionable = true
	r.Warnings = append(r.Warnings, codec.WarnCutValue)
	w.warn(0, codec.WarnCutValue)
}
