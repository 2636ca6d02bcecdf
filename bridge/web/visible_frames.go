package web

import (
	"fmt"
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// framesView is how a message was framed.
type framesView struct {
	Known bool   // the link noted it
	Odd   string // why it cannot be shown
	Rows  []frameRow
	More  int // frames that are not in Rows: they were not noted one by one

	list codec.FrameList
}

// frameRow is one frame, or several that differ in nothing but their numbers.
type frameRow struct {
	Which   string // "3", or "3 to 26": counted from 1
	Number  string // as sent: "3", or "3 … 2"
	Bytes   string // of the raw message: "0–239"
	Length  string // "240", or "24 × 240"
	Framing string // "STX … ETB"
	Sum     string
	Remarks []string
	Look    bool
}

// viewFrames reads the list that stands with a raw message of size bytes.
func viewFrames(text string, size int) framesView {
	if text == "" {
		return framesView{}
	}
	list, err := codec.ParseFrames(text)
	switch {
	case err != nil:
		return framesView{Known: true, Odd: "What the link noted of the frames cannot be read: somebody else wrote it, or a later version."}
	case list.Size() != size:
		return framesView{Known: true, Odd: fmt.Sprintf("The frames that the link noted hold %s bytes, the message has %s.", count(list.Size()), count(size))}
	}
	v := framesView{Known: true, More: list.More, list: list}
	nth, at := 1, 0
	for _, r := range list.Runs { // codec.MaxFrameText bounds them
		v.Rows = append(v.Rows, rowOf(r, nth, at))
		nth, at = nth+r.Count, at+r.Size()
	}
	return v
}

// rowOf is the row of a run whose first frame is the nth and begins at byte at.
func rowOf(r codec.FrameRun, nth, at int) frameRow {
	begin, end := r.End.Delimiters()
	row := frameRow{
		Which: fmt.Sprint(nth), Number: "–", Bytes: span(at, r.Size()), Length: count(r.Bytes), Framing: begin + " … " + end,
		Sum: r.Checksum(), Remarks: r.Remarks(),
	}
	if r.Number >= 0 {
		row.Number = fmt.Sprint(r.Number)
	}
	if r.Count > 1 {
		row.Which = fmt.Sprintf("%d–%d", nth, nth+r.Count-1)
		row.Length = fmt.Sprintf("%s × %s", count(r.Count), count(r.Bytes))
		if r.Number >= 0 {
			row.Number = fmt.Sprintf("%d … %d", r.Number, r.At(r.Count-1).Number)
		}
	}
	if begin == "" {
		row.Framing = "none"
	}
	row.Framing = strings.TrimSpace(row.Framing)
	row.Look = r.Refused+r.Repeated+r.Garbled > 0 || r.End == codec.EndCut
	return row
}

func span(at, size int) string {
	if size == 0 {
		return "–"
	}
	return fmt.Sprintf("%d–%d", at, at+size-1)
}

// mark is what stood at a place of a raw message.
type mark struct {
	at      int
	ends    bool
	piece   piece
	addedCR bool // the CR behind it was not sent
}

// marks are those up to a byte.
func (v framesView) marks(limit int) []mark {
	var out []mark
	for m := range v.list.Marks() {
		if m.At > limit {
			break
		}
		begin, end := m.Frame.End.Delimiters()
		text := end
		if !m.Ends {
			text = begin
			if m.Frame.Number >= 0 {
				text += fmt.Sprint(" ", m.Frame.Number)
			}
		}
		switch {
		case m.Ends && m.Frame.End == codec.EndCut:
			text = "cut short"
		case m.Ends && m.Frame.End == codec.EndNoFS:
			text = "no FS"
		}
		if text != "" {
			out = append(out, mark{at: m.At, ends: m.Ends, piece: piece{text, "frame"}, addedCR: m.Ends && m.Frame.AddedCR})
		}
	}
	return out
}

// marked is the pieces of the bytes of a record that begins at offset, with
// the marks that stand in it; what is left of the marks is for the next one.
func marked(line []byte, offset int, last bool, marks []mark) ([]piece, []mark) {
	var out []piece
	at, end := 0, offset+len(line)
	for len(marks) > 0 {
		m := marks[0]
		if m.at > end || m.at == end && !m.ends && !last {
			break
		}
		out = append(out, pieces(line[at:m.at-offset])...)
		out = append(out, m.piece)
		at = m.at - offset
		if m.addedCR && at < len(line) {
			out = append(out, piece{"CR", "added"})
			at++
		}
		marks = marks[1:]
	}
	return append(out, pieces(line[at:])...), marks
}
