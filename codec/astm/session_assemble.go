package astm

import (
	"bytes"

	"github.com/assaybus/assaybus/codec"
)

// fate is what becomes of a message that the assembler found.
type fate int

const (
	complete     fate = iota // its L record came
	unterminated             // the next H record came before its L record, results are in it
	truncated                // it ended before anything worth delivering was whole
)

// span is a message within the assembler's text.
type span struct {
	from, to int
	fate     fate
	frames   []byte // that carried it
}

// assembler joins the texts of accepted frames and finds the messages in
// them. What is framed how does not matter: records may be cut anywhere, a
// message ends at its L record. Its value is its state: a copy taken before a
// frame takes the frame back.
type assembler struct {
	text    []byte // the open message
	scanned int    // where the first record that has not been judged begins
	begin   int    // where the open message, or the rest that none has claimed, begins
	open    bool   // a message is open
	sep     byte   // its field delimiter; 0 = it has no header
	hl7     bool   // it is HL7: the ETX frame ends it, records are not looked at
	worthy  bool   // it holds a whole P, O, R or Q record
	etx     bool   // the last frame ended ETX
	frames  int    // frames that carried it
	log     codec.FrameLog
}

// add appends the text of frame f, or of a record outside of frames; ended
// says that a record ends with it. It returns the messages that are over now:
// their positions are those of a.text until forget is called. A message over
// the limits is codec.ErrTooLarge.
func (a *assembler) add(text []byte, ended bool, f codec.Frame, o *codec.Options) ([]span, error) {
	var spans []span
	start := len(a.text)
	switch {
	case start == 0 || isLineEnd(a.text[start-1]):
	case a.etx:
		a.text = append(a.text, cr) // ETX ended the record without saying so
		start++
		if last := a.log.Last(); last != nil {
			last.AddedCR = true
		}
	case a.open && !a.hl7 && isWholeHeader(text, a.sep):
		// A message begins in a frame of its own (LIS01-A2 §6.3.1.1), so the
		// one before is over in the middle of a record.
		how := truncated
		if a.endsInL() {
			how = complete
		}
		spans = append(spans, a.close(start, how))
	}
	a.frames++
	a.text = append(a.text, text...)
	a.etx = ended
	spans = a.scan(spans)
	a.note(spans, start, f)
	for _, s := range spans {
		if s.to-s.from > o.MaxMessage {
			return nil, codec.ErrTooLarge
		}
	}
	if len(a.text)-a.begin > o.MaxMessage || a.frames > o.MaxFrames {
		return nil, codec.ErrTooLarge
	}
	return spans, nil
}

// scan judges the records that are whole.
func (a *assembler) scan(spans []span) []span {
	for a.scanned < len(a.text) && !a.hl7 {
		from := a.scanned
		n := bytes.IndexAny(a.text[from:], "\r\n")
		to := from + n + 1
		if n < 0 {
			if !a.etx && (a.open || !isHL7(a.text[from:])) {
				break
			}
			n, to = len(a.text)-from, len(a.text)
		}
		rec := bytes.TrimLeft(a.text[from:from+n], "\x00")
		a.scanned = to
		if !a.open && isHL7(rec) {
			a.open, a.hl7, a.begin = true, true, from
			break
		}
		what := a.judge(rec)
		if what == 0 { // an empty line
			if !a.open {
				a.begin = to
			}
			continue
		}
		if what == 'H' && a.open {
			f := truncated
			if a.worthy {
				f = unterminated
			}
			spans = append(spans, a.close(from, f))
		}
		if !a.open {
			a.open, a.begin = true, from
		}
		switch what {
		case 'H':
			a.sep = rec[1]
		case 'L':
			if to < len(a.text) && a.text[to-1] == cr && a.text[to] == lf {
				to++
			}
			spans = append(spans, a.close(to, complete))
		case 'P', 'O', 'R', 'Q':
			a.worthy = a.worthy || a.sep != 0
		}
	}
	if a.hl7 && a.etx {
		spans = append(spans, a.close(len(a.text), complete))
	}
	return spans
}

// close ends the open message at to. The frame in which the next one begins
// is that one's first.
func (a *assembler) close(to int, f fate) span {
	s := span{from: a.begin, to: to, fate: f}
	a.open, a.sep, a.hl7, a.worthy, a.frames = false, 0, false, false, 1
	a.begin, a.scanned = to, max(a.scanned, to)
	return s
}

// forget drops what belongs to no open message.
func (a *assembler) forget() {
	if a.begin > 0 {
		a.text = a.text[:copy(a.text, a.text[a.begin:])]
		a.scanned -= a.begin
		a.begin = 0
		a.log.Forget()
	}
	if len(a.text) == 0 {
		a.frames = 0
	}
}

// judge is the record's letter: H, L, P, O, R or Q, 0 for an empty line, ?
// for everything else. Within a message only its own delimiter makes a record
// one of these: a line of free text such as "H. pylori" is none.
func (a *assembler) judge(rec []byte) byte {
	if len(bytes.Trim(rec, " \x00")) == 0 {
		return 0
	}
	letter := rec[0] &^ 0x20
	if len(rec) == 1 {
		if letter == 'L' { // Ortho Vision: bare L
			return 'L'
		}
		return '?'
	}
	switch sep := rec[1]; {
	case letter == 'H' && (a.sep == 0 || sep == a.sep || isWholeHeader(rec, 0)) && isDelimiter(sep):
		return 'H'
	case a.sep != 0 && sep != a.sep, !isDelimiter(sep):
		return '?'
	}
	switch letter {
	case 'L', 'P', 'O', 'R', 'Q':
		return letter
	}
	return '?'
}

// deliverable tells whether the open message may go on without its L record:
// it has a header, a result or an order or a query, and its last record is
// whole.
func (a *assembler) deliverable() bool { return a.open && a.worthy && a.etx }

// endsInL tells whether the text that is left is an L record that only lacks
// its CR.
func (a *assembler) endsInL() bool {
	return a.open && a.scanned < len(a.text) && a.judge(a.text[a.scanned:]) == 'L'
}

func isLineEnd(c byte) bool { return c == cr || c == lf }

// isWholeHeader tells whether text begins with an unmistakable header: H, a
// delimiter, three more and the first again or the end. sep restricts it to that
// delimiter, 0 to none.
func isWholeHeader(text []byte, sep byte) bool {
	if len(text) < 6 || text[0]&^0x20 != 'H' || text[5] != text[1] && !isLineEnd(text[5]) ||
		sep != 0 && text[1] != sep {
		return false
	}
	for _, c := range text[1:5] {
		if !isDelimiter(c) {
			return false
		}
	}
	return true
}

// isHL7 tells whether text begins as HL7 does: GeneXpert 6.5 sends it inside
// frames.
func isHL7(text []byte) bool {
	if len(text) < 4 || !isDelimiter(text[3]) {
		return false
	}
	switch string(text[:3]) {
	case "MSH", "FHS", "BHS":
		return true
	}
	return false
}
