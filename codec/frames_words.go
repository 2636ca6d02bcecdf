package codec

import (
	"fmt"
	"iter"
)

// FrameMark is a place in a raw message where framing stood.
type FrameMark struct {
	At    int  // byte of the raw message that follows it
	Ends  bool // the frame ends here; else it begins
	Frame Frame
}

// Marks are the places where the listed frames begin and end, in the order in
// which they stood on the line. Where [Frame.AddedCR] is set the byte behind
// the end is the CR that was added.
func (l FrameList) Marks() iter.Seq[FrameMark] {
	return func(yield func(FrameMark) bool) {
		at := 0
		for _, r := range l.Runs {
			one := r.Size() / r.Count
			for n := range r.Count {
				f := r.At(n)
				if !yield(FrameMark{at, false, f}) || !yield(FrameMark{at + f.Bytes, true, f}) {
					return
				}
				at += one
			}
		}
	}
}

// Delimiters are the names of the control characters around a frame's text,
// without number and checksum; empty where there were none.
func (e FrameEnd) Delimiters() (begin, end string) {
	switch e {
	case EndETX, EndControls:
		return "STX", "ETX"
	case EndETB:
		return "STX", "ETB"
	case EndMLLP:
		return "VT", "FS CR"
	case EndNoCR:
		return "VT", "FS"
	case EndNoFS:
		return "VT", ""
	case EndUnframed, EndCut:
	}
	return "", ""
}

// Checksum is what became of the frame's checksum, in words; empty where the
// framing has none.
func (f Frame) Checksum() string {
	switch {
	case f.End != EndETX && f.End != EndETB:
		return ""
	case f.Unchecked:
		return "not looked at (quirk no-checksum)"
	case f.LowerCase:
		return "right, in small letters"
	}
	return "right"
}

// Remarks are what was out of the ordinary with the frame, a sentence each
// without its stop.
func (f Frame) Remarks() []string {
	var out []string
	say := func(on bool, format string, args ...any) {
		if on {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	say(f.End == EndCut, "its end never came")
	say(f.End == EndUnframed, "came without any framing")
	say(f.End == EndNoCR, "no CR behind FS")
	say(f.End == EndNoFS, "no FS: the next block began")
	say(f.End == EndControls, "no number and no checksum (quirk ack-every-control)")
	say(f.OutOfTurn, "its number was out of turn and accepted (quirk any-frame-number)")
	say(f.Refused > 0, "refused with NAK %s before it was accepted", times(f.Refused))
	say(f.Garbled > 0, "%s before it cut short by the next STX", counted(f.Garbled, "frame"))
	say(f.Repeated > 0, "sent again %s after it was accepted: our ACK was lost", times(f.Repeated))
	say(f.AddedCR, "no CR at the end of its record: the bridge added one")
	say(f.Shared, "held more than this message")
	return out
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
