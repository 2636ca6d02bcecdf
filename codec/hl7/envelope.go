package hl7

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/assaybus/assaybus/codec"
)

// Messages cuts raw into the messages that it holds, one MSH in each (HL7
// v2.5.1 §2.10.3: [FHS] {[BHS] {message} [BTS]} [FTS], every part of the
// envelope optional). The pieces are contiguous and cover every byte of raw:
// what opens an envelope goes with the message that follows, what closes one
// with the message before. Text is cut only where a segment MSH begins, which
// is at the beginning of raw or behind CR or LF. raw without MSH is one piece;
// empty raw is none. The pieces share raw's memory.
func Messages(raw []byte) [][]byte {
	if len(raw) == 0 {
		return nil
	}
	return slices.Collect(messages(raw))
}

// enclosed knows, from one piece of a block to the next, in which batch and
// file the messages stand: only the first piece of a batch has its header.
type enclosed struct{ file, batch string }

// read takes the next piece and returns the control id of what encloses its
// message: BHS-11, else FHS-11, else "".
func (e *enclosed) read(piece []byte) string {
	head := piece
	if at := nextMSH(piece, 0); at >= 0 {
		head = piece[:at]
	}
	for line := range bytes.FieldsFuncSeq(head, func(c rune) bool { return c == '\r' || c == '\n' }) {
		line = bytes.TrimLeft(line, " \t\x00\xEF\xBB\xBF")
		if startsMessage(line) != codec.Yes {
			continue
		}
		if id := envelopeID(line); line[0] == 'F' {
			e.file, e.batch = id, ""
		} else {
			e.batch = id
		}
	}
	id := cmp.Or(e.batch, e.file)
	e.leave(piece)
	return id
}

// leave forgets what the trailers at the end of a piece close.
func (e *enclosed) leave(piece []byte) {
	for end := len(piece); end > 0; {
		line := bytes.TrimRight(piece[:end], "\r\n")
		end = bytes.LastIndexAny(line, "\r\n") + 1
		switch line = line[end:]; {
		case bytes.HasPrefix(line, []byte("BTS")):
			e.batch = ""
		case bytes.HasPrefix(line, []byte("FTS")):
			e.file, e.batch = "", ""
		default:
			return
		}
	}
}

// longestID of a batch is what travels in a header; the standard's has 20
// characters.
const longestID = 199

// envelopeID is the control id of a FHS or BHS segment: the first component
// of field 11. One that would have to be decoded is left to the raw message.
func envelopeID(segment []byte) string {
	const field11 = 9 // behind the separator, which is field 1, comes field 2
	fields := bytes.SplitN(segment[4:], segment[3:4], field11+2)
	if len(fields) <= field11 || len(fields[0]) == 0 {
		return ""
	}
	id, _, _ := bytes.Cut(fields[field11], fields[0][:1])
	id = bytes.TrimSpace(id)
	odd := func(c rune) bool { return c < ' ' || c > '~' || bytes.ContainsRune(fields[0], c) || c == '"' }
	if len(id) > longestID || bytes.ContainsFunc(id, odd) {
		return ""
	}
	return string(id)
}
