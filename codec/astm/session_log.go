package astm

import "github.com/assaybus/assaybus/codec"

// note writes down what the frame whose text begins at start gave to the
// messages that are over with it and to the one that goes on.
func (a *assembler) note(spans []span, start int, f codec.Frame) {
	size := len(a.text) - start
	for i := range spans {
		s := &spans[i]
		if s.from >= start {
			a.log.Close() // of blank lines that belong to no message
		}
		switch {
		case s.to < start: // its successor's header was cut in two
			s.frames = a.log.Split(s.to - s.from)
			continue
		case s.to > start:
			a.noteShare(f, s.to-max(s.from, start), size)
		}
		s.frames = a.log.Close()
	}
	if a.begin >= start {
		a.log.Close()
	}
	if rest := len(a.text) - max(a.begin, start); rest > 0 || size == 0 && a.open {
		a.noteShare(f, rest, size)
	}
}

// noteShare notes n of a frame's size bytes.
func (a *assembler) noteShare(f codec.Frame, n, size int) {
	f.Bytes, f.Shared = n, n < size
	a.log.Add(f)
}

// cutFrames are the frames of the open message, given up with what came of a
// frame that never ended; added: with a CR between.
func (r *receiver) cutFrames(added bool) []byte {
	log := r.a.log
	if last := log.Last(); last != nil {
		last.AddedCR = added
	}
	if n := len(r.partial); n > 0 {
		log.Add(codec.Frame{Number: -1, Bytes: n, End: codec.EndCut, Refused: r.next.Refused, Garbled: r.next.Garbled})
	}
	return log.List()
}
