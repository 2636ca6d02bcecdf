package astm

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/assaybus/assaybus/codec"
)

// What Parse refuses; everything else is delivered.
var (
	// ErrNoHeader is a message that does not begin with a header record.
	ErrNoHeader = errors.New("no header record at the start: look at the raw message and at the protocol of the instrument")
	// ErrNoDelimiters is a header like H||\^&, which declares no delimiters.
	ErrNoDelimiters = errors.New("the header declares no delimiters: its second field is empty")
)

// Parse decodes one message, header to terminator record (LIS02-A2 §5 to
// §13). It fails with a [*codec.ParseError] only for what is not an ASTM
// message: no header record at its start ([ErrNoHeader]) or a header without
// delimiters ([ErrNoDelimiters]). Everything else is delivered, and each
// tolerance that was needed is a warning. Field numbers are the standard's:
// Records[i][n-1] is field n of record i+1, and field 2 of a header is all its
// delimiters.
func (p *Protocol) Parse(raw []byte) (*codec.Message, error) {
	decoded, charset, warn := codec.Decode(raw, "", p.o.Charset, p.o.Fallback)
	text := strings.TrimLeft(string(decoded), blanks)
	w := newWalk(p, charset)
	w.whole = text
	for _, code := range warn {
		w.note(0, 0, code)
	}
	end := w.lineEnd(text)
	first, rest := cutAt(text, end)
	if err := w.begin(strings.Trim(first, "\n")); err != nil {
		return nil, err
	}
	w.reserve(rest, end)
	for rest != "" {
		n, tails := w.extent(rest, end)
		line := strings.Trim(rest[:n], "\r\n")
		if strings.TrimSpace(line) != "" {
			w.line(line, tails)
		}
		rest = rest[n:]
	}
	return w.finish(), nil
}

// blanks may stand before a message.
const blanks = " \t\r\n\x00\uFEFF"

// owns tells an ASTM message by its header: H in either case and a character
// that can delimit.
func owns(raw []byte) bool {
	const header = len("H|\\^&\r\n|") // as much of it as is looked at, and more
	begin := bytes.TrimLeft(raw[:min(len(raw), 512)], blanks)
	return isHeader(string(begin[:min(len(begin), header)]))
}

func isHeader(line string) bool {
	if line == "" || line[0]|0x20 != 'h' {
		return false
	}
	c, _ := utf8.DecodeRuneInString(line[1:])
	return c < utf8.RuneSelf && delimits(c) || len(line) > 3 && (c == '\r' || c == '\n') && line[3] == '|'
}

// lineEnd is what ends a record: CR, with or without LF beside it, and LF
// alone only where there is no CR at all. Nothing else is an end, whatever
// Unicode says (VT, FF, NEL, U+2028).
func (w *walk) lineEnd(text string) string {
	feed := strings.Contains(text, "\n")
	if feed {
		w.note(0, 0, codec.WarnLineFeed)
	}
	if strings.Contains(text, "\r") {
		w.feeds = feed
		return "\r"
	}
	if feed {
		return "\n"
	}
	return "\r"
}

// begin takes the first header, on which everything else depends.
func (w *walk) begin(line string) error {
	if line == "H" || line == "h" {
		line += "|" // some write nothing but the letter
	}
	if !isHeader(line) {
		return &codec.ParseError{Protocol: Name, Record: 1, Err: ErrNoHeader}
	}
	if !w.header(line) {
		return &codec.ParseError{Protocol: Name, Record: 1, Field: 2, Err: ErrNoDelimiters}
	}
	return nil
}

// reserve makes room for all fields and results at once.
func (w *walk) reserve(text, end string) {
	lines := strings.Count(text, end) + 1
	records := make([][]string, len(w.m.Records), len(w.m.Records)+lines)
	copy(records, w.m.Records)
	w.m.Records = records
	w.cells = make([]string, 0, strings.Count(text, w.d.field)+lines)
	if results := strings.Count(text, end+"R"+w.d.field); results > 0 {
		w.m.Results = make([]codec.Result, 0, results)
		w.flagged = make([]string, 0, results)
		w.numbers = make([]float64, 0, results)
	}
}
