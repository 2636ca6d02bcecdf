package hl7

import (
	"bytes"
	"iter"

	"github.com/assaybus/assaybus/codec"
)

// startsMessage tells whether b begins with MSH, FHS or BHS and a field
// separator; Maybe means that b is too short to tell.
func startsMessage(b []byte) codec.Verdict {
	for _, id := range [...]string{"MSH", "FHS", "BHS"} {
		n := min(len(b), len(id))
		switch {
		case string(b[:n]) != id[:n]:
		case len(b) <= len(id):
			return codec.Maybe
		case isSeparator(b[len(id)]):
			return codec.Yes
		}
	}
	return codec.No
}

// isSeparator tells whether b can separate fields: printable and neither
// letter, digit nor blank.
func isSeparator(b byte) bool {
	return b > ' ' && b < 0x7F && !isAlphanumeric(b)
}

func isAlphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}

// messages are the single messages of a block, in order and without a gap:
// joined they are the block. What stands before the first MSH (a file or batch
// header) goes with the first message, what stands behind the last (the
// trailers) with the last, and a batch header in between with the message
// that it precedes. A block without an MSH is one "message".
func messages(block []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start, seen := 0, false
		for at := nextMSH(block, 0); at >= 0; at = nextMSH(block, at+4) {
			if cut := envelope(block[start:at]) + start; seen {
				if !yield(block[start:cut]) {
					return
				}
				start = cut
			}
			seen = true
		}
		yield(block[start:])
	}
}

// nextMSH is where the next MSH segment begins, or -1. Only the first may
// have something else than CR or LF before it: blanks or a byte order mark.
func nextMSH(block []byte, from int) int {
	for {
		i := bytes.Index(block[from:], []byte("MSH"))
		if i < 0 || from+i+3 >= len(block) {
			return -1
		}
		at := from + i
		if isSeparator(block[at+3]) && (lineStart(block, at) || isBlank(block[:at])) {
			return at
		}
		from = at + 3
	}
}

func lineStart(b []byte, at int) bool {
	return at == 0 || b[at-1] == cr || b[at-1] == lf
}

// isBlank tells whether b holds nothing that a parser would see.
func isBlank(b []byte) bool {
	if len(b) > 64 {
		return false
	}
	return len(bytes.Trim(b, " \t\r\n\x00\xEF\xBB\xBF")) == 0
}

// envelope is where the file and batch headers at the end of b begin; len(b)
// when there are none.
func envelope(b []byte) int {
	cut := len(b)
	for end := len(b); end > 0; {
		line := bytes.TrimRight(b[:end], "\r\n")
		start := bytes.LastIndexAny(line, "\r\n") + 1
		if startsMessage(line[start:]) != codec.Yes || line[start] == 'M' {
			break
		}
		cut, end = start, start
	}
	return cut
}
