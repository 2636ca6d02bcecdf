package codec

import "strconv"

// FrameEnd says how a frame, or what stands for one, was delimited.
type FrameEnd byte

// The ways to delimit; the letters are those of the header.
const (
	EndETX      FrameEnd = 'X' // STX number text ETX checksum (LIS01-A2 §6.3.1.2)
	EndETB      FrameEnd = 'B' // STX number text ETB checksum: the message goes on
	EndControls FrameEnd = 'E' // STX text ETX, each acknowledged, no number and no checksum (quirk ack-every-control)
	EndMLLP     FrameEnd = 'V' // VT text FS CR (MLLP)
	EndNoCR     FrameEnd = 'F' // VT text FS, without the CR
	EndNoFS     FrameEnd = 'N' // VT text, ended by the next VT
	EndUnframed FrameEnd = 'U' // text without any framing
	EndCut      FrameEnd = 'C' // text of a frame or block whose end never came
)

// Frame is what a link noted of one frame of a message: the framing itself is
// not part of the raw message.
type Frame struct {
	Number    int // as sent, 0 to 9; -1 = it had none
	Bytes     int // of the raw message that came in it
	End       FrameEnd
	Unchecked bool // the checksum was not looked at (quirk no-checksum)
	LowerCase bool // the checksum was in small letters
	OutOfTurn bool // the number was not its turn (quirk any-frame-number)
	AddedCR   bool // its last record had no CR: the raw message has one more byte behind these Bytes
	Shared    bool // it held other bytes, too: of another message, or of none
	Refused   int  // NAKs since the frame before it was accepted
	Repeated  int  // it came again, byte for byte, after it was accepted
	Garbled   int  // frames before it that the next STX cut short
}

// FrameRun is frames that follow each other and differ in nothing but their
// numbers, which count up modulo 8.
type FrameRun struct {
	Frame // the first one
	Count int
}

// Size is how many bytes of the raw message the run accounts for.
func (r FrameRun) Size() int {
	size := r.Bytes
	if r.AddedCR {
		size++
	}
	return size * r.Count
}

// At is the n-th frame of the run, from 0.
func (r FrameRun) At(n int) Frame {
	f := r.Frame
	if f.Number >= 0 && n > 0 {
		f.Number = (f.Number + n) % 8
	}
	return f
}

// extended reports whether f continues the run.
func (r FrameRun) extended(f Frame) bool {
	return r.Count > 0 && r.Number < 8 && r.At(r.Count) == f
}

// FrameList is the frames of one message, in order.
type FrameList struct {
	Runs []FrameRun
	// What did not fit into [MaxFrameText]: so many frames behind the runs,
	// and the bytes of the raw message that they account for.
	More, MoreBytes int
}

// Size is how many bytes the raw message has that was framed like this.
func (l FrameList) Size() int {
	size := l.MoreBytes
	for _, r := range l.Runs {
		size += r.Size()
	}
	return size
}

// Frames is how many frames there were.
func (l FrameList) Frames() int {
	n := l.More
	for _, r := range l.Runs {
		n += r.Count
	}
	return n
}

// MaxFrameText bounds a list of frames in bytes.
const MaxFrameText = 2 << 10

// usualFrameText holds the list of a usual message.
const usualFrameText = 128

// frameTail is the room that the end of a list needs: " +" and two numbers.
const frameTail = 2 + 2*maxDigits + 1

// FrameLog writes the list of frames of the message in progress. It costs no
// allocation per frame. Its value is its state: a copy taken before an Add
// takes the frame back. The zero value is empty.
//
//	list   = [run *(" " run)] [" +" frames ":" bytes]   what did not fit in 2 KiB
//	run    = frame ["*" count]                          numbers count up modulo 8
//	frame  = [number ":"] bytes end flags counts
//	end    = X | B | E | V | F | N | U | C              see FrameEnd
//	flags  = [u] [l] [o] [c] [s]                        unchecked, lower case, out of turn, CR added, shared
//	counts = ["n" refused] ["r" repeated] ["g" garbled]
type FrameLog struct {
	text  []byte
	from  int      // where the list of the message in progress begins
	run   FrameRun // not written yet; Count 0 = none
	tail  Frame    // not in run yet
	open  bool     // there is a tail
	more  int
	bytes int // of those more
}

// Add notes the next frame of the message. Text without framing is one frame,
// in however many pieces it comes.
func (l *FrameLog) Add(f Frame) {
	if l.open && f.End == EndUnframed && l.tail.End == EndUnframed && !l.tail.AddedCR {
		l.tail.Bytes += f.Bytes
		return
	}
	l.fold()
	l.tail, l.open = f, true
}

// Last is the frame noted last, to be changed; nil = none of this message.
func (l *FrameLog) Last() *Frame {
	if !l.open {
		return nil
	}
	return &l.tail
}

// List is the list up to now, good until the log is used again.
func (l FrameLog) List() []byte {
	l.finish()
	return l.text[l.from:]
}

// Close is the list of a message that is over, good until Forget: what is
// added from now on belongs to the next message.
func (l *FrameLog) Close() []byte {
	l.finish()
	end := len(l.text)
	list := l.text[l.from:end:end]
	*l = FrameLog{text: l.text, from: end}
	return list
}

// Split is the list of the first n bytes; the log goes on with the rest, which
// begins another message. It is for the rare message that turns out to be over
// in the middle of an earlier frame, and costs as much as all the frames.
func (l *FrameLog) Split(n int) []byte {
	all, err := ParseFrames(string(l.List()))
	if err != nil {
		return nil // an empty log
	}
	var first, rest FrameLog
	for _, r := range all.Runs {
		for i := range r.Count {
			f := r.At(i)
			size := FrameRun{Frame: f, Count: 1}.Size()
			switch {
			case size <= n:
				first.Add(f)
			case n <= 0:
				rest.Add(f)
			default:
				f.Shared = true
				part := f
				part.Bytes, part.AddedCR = n, false
				first.Add(part)
				f.Bytes -= n
				rest.Add(f)
			}
			n = max(n-size, 0)
		}
	}
	first.fold()
	rest.fold()
	switch left := all.MoreBytes - n; {
	case n == 0:
		rest.more, rest.bytes = all.More, all.MoreBytes
	case left <= 0:
		first.more, first.bytes = all.More, all.MoreBytes
	default: // in which of them it ends nobody knows
		first.more, first.bytes = all.More, n
		rest.more, rest.bytes = 1, left
	}
	*l = rest
	return first.Close()
}

// finish writes what is left to write.
func (l *FrameLog) finish() {
	l.fold()
	l.write()
	if l.more == 0 {
		return
	}
	if len(l.text) > l.from {
		l.text = append(l.text, ' ')
	}
	l.text = strconv.AppendInt(append(l.text, '+'), int64(l.more), 10)
	l.text = strconv.AppendInt(append(l.text, ':'), int64(l.bytes), 10)
}

// Forget drops the lists that Close has given.
func (l *FrameLog) Forget() {
	l.text = l.text[:copy(l.text, l.text[l.from:])]
	l.from = 0
}

// Emptied is a log that notes a new message in the same memory.
func (l *FrameLog) Emptied() FrameLog { return FrameLog{text: l.text[:0]} }

// fold takes the tail into the run.
func (l *FrameLog) fold() {
	switch {
	case !l.open:
		return
	case l.run.extended(l.tail):
		l.run.Count++
	default:
		l.write()
		l.run = FrameRun{Frame: l.tail, Count: 1}
	}
	l.open = false
}

// write writes the run, or only counts it when there is no room.
func (l *FrameLog) write() {
	if l.run.Count == 0 {
		return
	}
	if l.text == nil {
		l.text = make([]byte, 0, usualFrameText)
	}
	before := len(l.text)
	if before > l.from {
		l.text = append(l.text, ' ')
	}
	l.text = l.run.append(l.text)
	if l.more > 0 || len(l.text)-l.from > MaxFrameText-frameTail {
		l.text = l.text[:before]
		l.more += l.run.Count
		l.bytes += l.run.Size()
	}
	l.run = FrameRun{}
}
