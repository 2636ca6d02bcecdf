package astm

import (
	"slices"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// walk goes through the records of one message and knows where in the
// hierarchy it stands (LIS02-A2 §5.1.2): a result belongs to the nearest
// order before it, an order to the nearest patient, and a record of a higher
// level forgets those below.
type walk struct {
	o       codec.Options
	m       *codec.Message
	d       delimiters
	whole   string // the message as text
	paths   []path
	asking  *path // where queries name their specimen; nil = by the standard
	p       *Protocol
	known   *codec.Family // who sends this; nil = unknown
	place   *path         // where that one has the specimen; nil = by the standard, or paths say it
	cells   []string      // backs the fields of all records
	flagged []string      // backs the flags of all results
	numbers []float64     // backs the numbers of all results
	record  []string      // the record at hand
	row     int           // its place in m.Records, from 1
	feeds   bool          // line feeds beside or inside the records
	closed  bool          // the record before was a terminator
	ended   bool          // a terminator was seen

	patient, order               *int   // what the records at hand belong to; nil = nothing
	result                       int    // index of the result that comments belong to; -1 = none
	controlPatient               bool   // the patient at hand is a control
	ofPatient                    string // the field of the patient at hand in which a known sender has the specimen
	above                        byte   // the letter of the record before, C and M left out
	count                        struct{ p, o, r, q, s int }
	miscounted                   bool
	header12                     string // processing id as sent
	function                     string // H.11.1 of the Roche family
	blob                         *codec.Attachment
	control                      bool                        // the header says that all this is quality control
	noSpecimen, severalSpecimens bool                        // said already
	chosen                       bool                        // said already
	lastTime                     struct{ sent, read string } // results of one run share theirs
}

func newWalk(p *Protocol, charset string) *walk {
	return &walk{
		o: p.o, p: p, result: -1, paths: orderPaths(p.paths), asking: p.asking,
		m: &codec.Message{Schema: codec.Schema, Protocol: Name, Kind: codec.KindOther, Charset: charset},
	}
}

// line takes one record; tails tells that lines were joined to it.
func (w *walk) line(line string, tails bool) {
	if w.closed {
		w.closed = false
		w.note(len(w.m.Records)+1, 0, codec.WarnAfterTerminator)
	}
	if isHeader(line) {
		w.note(len(w.m.Records)+1, 0, codec.WarnExtraHeader)
		w.header(line)
		return
	}
	w.take(w.split(line))
	cut := tails && w.mend()
	letter := w.letter()
	switch letter {
	case 'P':
		w.takePatient()
	case 'O':
		w.takeOrder()
	case 'R':
		w.takeResult()
		if cut {
			w.doubt(&w.m.Results[w.result])
		}
	case 'C':
		w.takeComment()
		return
	case 'Q':
		w.takeQuery()
	case 'L':
		w.takeTerminator()
	case 'S':
		w.forget()
		w.counted(&w.count.s)
	case 'M':
		return // floats: it closes nothing (LIS02-A2 §14)
	default:
		w.warn(0, codec.WarnUnknownRecord)
		return
	}
	w.above = letter
}

// letter is the type of the record at hand, in upper case; 0 is no type.
func (w *walk) letter() byte {
	kind := strings.TrimSpace(w.record[0])
	if len(kind) != 1 {
		return 0
	}
	if kind[0] >= 'a' && kind[0] <= 'z' {
		return kind[0] - 'a' + 'A'
	}
	return kind[0]
}

// split cuts a record at the field delimiters.
func (w *walk) split(line string) []string {
	from := len(w.cells)
	protect := w.mindray() && w.d.escape != "" && strings.Contains(line, w.d.escape+w.d.field)
	if len(w.d.field) == 1 && !protect { // as nearly always
		delimiter, begin := w.d.field[0], 0
		for i := range len(line) {
			if line[i] == delimiter {
				w.cells = append(w.cells, line[begin:i])
				begin = i + 1
			}
		}
		line = line[begin:]
	}
	for at := w.d.cut(line, protect); at >= 0; at = w.d.cut(line, protect) {
		w.cells = append(w.cells, line[:at])
		line = line[at+len(w.d.field):]
	}
	w.cells = append(w.cells, line)
	fields := w.cells[from:len(w.cells):len(w.cells)]
	if protect {
		w.noteEscaped(fields)
	}
	return fields
}

func (w *walk) noteEscaped(fields []string) {
	for i, f := range fields {
		if strings.Contains(f, w.d.escape+w.d.field) {
			w.note(len(w.m.Records)+1, i+1, codec.WarnEscapedDelimiter)
		}
	}
}

// take makes fields the record at hand and keeps them.
func (w *walk) take(fields []string) {
	w.record = fields
	w.m.Records = append(w.m.Records, fields)
	w.row = len(w.m.Records)
	w.blob = nil
	for i, f := range fields {
		if len(f) < smallestBlob {
			continue
		}
		if short, blob := w.elide(f); blob != nil {
			fields[i] = short
			w.warn(i+1, codec.WarnAttachmentElided)
			if i+1 == fieldValue {
				w.blob = blob
			}
		}
	}
}

// forget leaves every parent: what follows belongs to nothing before.
func (w *walk) forget() {
	w.patient, w.order, w.result, w.controlPatient = nil, nil, -1, false
	for i := range w.paths {
		w.paths[i].id = ""
	}
	w.ofPatient = ""
	w.count.o, w.count.r = 0, 0
}

// counted compares field 2 with the place of the record under its parent.
// The number is never used (LIS02-A2 §5.1.3; IH-Com numbers every P 1).
func (w *walk) counted(n *int) {
	*n++
	sent := strings.TrimSpace(w.field(2))
	if w.miscounted || sent == "" {
		return
	}
	number := 0
	for i := range len(sent) {
		if sent[i] < '0' || sent[i] > '9' || number > len(w.cells) {
			number = -1
			break
		}
		number = number*10 + int(sent[i]-'0')
	}
	if number != *n {
		w.miscounted = true
		w.warn(2, codec.WarnSequence)
	}
}

// takeTerminator is L (LIS02-A2 §13).
func (w *walk) takeTerminator() {
	w.closed, w.ended = true, true
	w.m.Termination = w.text(3)
	switch strings.ToUpper(w.m.Termination) {
	case "T", "R", "E":
		w.warn(3, codec.WarnAborted)
	}
}

// needed notes that the message would have been read otherwise without the
// quirk.
func (w *walk) needed(quirk string) {
	if !slices.Contains(w.m.Quirks, quirk) {
		w.m.Quirks = append(w.m.Quirks, quirk)
	}
}

// warn notes a tolerance at field n of the record at hand; 0 is all of it.
func (w *walk) warn(n int, code string) { w.note(w.row, n, code) }

func (w *walk) note(row, n int, code string) {
	w.m.Warnings = append(w.m.Warnings, codec.Warning{Record: row, Field: n, Code: code})
}
