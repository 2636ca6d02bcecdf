package codec_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// texts are n frames of size bytes, ETX, numbered from 1.
func texts(n, size int) []codec.Frame {
	out := make([]codec.Frame, n)
	for i := range out {
		out[i] = codec.Frame{Number: (i + 1) % 8, Bytes: size, End: codec.EndETX}
	}
	return out
}

func TestFrameLog(t *testing.T) {
	etb := codec.Frame{Number: 3, Bytes: 240, End: codec.EndETB}
	for name, c := range map[string]struct {
		in   []codec.Frame
		want string
	}{
		"one":                       {texts(1, 6), "1:6X"},
		"numbers wrap":              {texts(20, 6), "1:6X*20"},
		"a number that does not":    {[]codec.Frame{etb, etb}, "3:240B 3:240B"},
		"no number, no run of them": {[]codec.Frame{{Number: -1, Bytes: 7, End: codec.EndControls}, {Number: -1, Bytes: 7, End: codec.EndControls}}, "7E*2"},
		"numbers above seven":       {[]codec.Frame{{Number: 8, End: codec.EndETX, OutOfTurn: true}, {Number: 0, End: codec.EndETX, OutOfTurn: true}}, "8:0Xo 0:0Xo"},
		"pieces without framing":    {[]codec.Frame{{Number: -1, Bytes: 5, End: codec.EndUnframed}, {Number: -1, Bytes: 6, End: codec.EndUnframed}}, "11U"},
		"everything at once":        {[]codec.Frame{{Number: 7, Bytes: 5, End: codec.EndETB, Unchecked: true, LowerCase: true, OutOfTurn: true, AddedCR: true, Shared: true, Refused: 12, Repeated: 3, Garbled: 4}}, "7:5Bulocsn12r3g4"},
		"blocks":                    {[]codec.Frame{{Number: -1, Bytes: 89, End: codec.EndMLLP}}, "89V"},
	} {
		t.Run(name, func(t *testing.T) {
			var log codec.FrameLog
			for _, f := range c.in {
				log.Add(f)
			}
			if got := string(log.List()); got != c.want {
				t.Fatalf("list %q, want %q", got, c.want)
			}
			back, err := codec.ParseFrames(string(log.Close()))
			if err != nil {
				t.Fatal(err)
			}
			var got []codec.Frame
			for _, r := range back.Runs {
				for n := range r.Count {
					got = append(got, r.At(n))
				}
			}
			if name != "pieces without framing" {
				if d := cmp.Diff(c.in, got); d != "" {
					t.Errorf("read back (-want +got):\n%s", d)
				}
			}
			if log.Last() != nil || len(log.List()) != 0 {
				t.Errorf("after Close the log holds %q", log.List())
			}
		})
	}
}

// A copy taken before a frame takes the frame back, marks on the one before
// included; what Close gave stays until Forget.
func TestFrameLogCopies(t *testing.T) {
	var log codec.FrameLog
	log.Add(texts(1, 6)[0])
	first := log.Close()
	log.Add(codec.Frame{Number: 2, Bytes: 4, End: codec.EndETX})
	before := log
	log.Last().AddedCR = true
	log.Add(codec.Frame{Number: 3, Bytes: 4, End: codec.EndETX})
	if got := string(log.List()); got != "2:4Xc 3:4X" {
		t.Errorf("list %q", got)
	}
	log = before
	log.Last().Repeated++
	log.Add(codec.Frame{Number: 3, Bytes: 5, End: codec.EndETX})
	if got := string(log.List()); got != "2:4Xr1 3:5X" || string(first) != "1:6X" {
		t.Errorf("list %q, the first message's %q", got, first)
	}
	log.Forget()
	if got := string(log.List()); got != "2:4Xr1 3:5X" {
		t.Errorf("after Forget %q", got)
	}
}

// However many frames a message has, its list is bounded and accounts for all
// of its bytes.
func TestFrameLogIsBounded(t *testing.T) {
	var log codec.FrameLog
	want := 0
	for n := range 100_000 {
		log.Add(codec.Frame{Number: (n + 1) % 8, Bytes: 100 + n%50, End: codec.EndETX, AddedCR: n%50 == 7})
		want += 100 + n%50
		if n%50 == 7 {
			want++
		}
	}
	list := string(log.Close())
	l, err := codec.ParseFrames(list)
	if err != nil || len(list) > codec.MaxFrameText || len(list) < codec.MaxFrameText*9/10 {
		t.Fatalf("%d bytes, %v", len(list), err)
	}
	if l.Size() != want || l.Frames() != 100_000 || l.More == 0 {
		t.Errorf("%d bytes of %d, %d frames, %d of them not listed", l.Size(), want, l.Frames(), l.More)
	}
}

func TestFrameLogSplit(t *testing.T) {
	for _, c := range []struct {
		n           int
		first, rest string
	}{{0, "", "1:10Xc 2:10X*2"}, {4, "1:4Xs", "1:6Xcs 2:10X*2"}, {11, "1:10Xc", "2:10X*2"}, {25, "1:10Xc 2:10X 3:4Xs", "3:6Xs"}, {31, "1:10Xc 2:10X*2", ""}} {
		var log codec.FrameLog
		for _, f := range texts(3, 10) {
			f.AddedCR = f.Number == 1
			log.Add(f)
		}
		if first := string(log.Split(c.n)); first != c.first || string(log.List()) != c.rest {
			t.Errorf("at %d: %q and %q, want %q and %q", c.n, first, log.List(), c.first, c.rest)
		}
	}
	for _, n := range []int{1, 700, 200_000} { // in the list, and in what did not fit
		var log codec.FrameLog
		for i := range 4000 {
			log.Add(codec.Frame{Number: i % 8, Bytes: 50 + i%51, End: codec.EndETX})
		}
		all, _ := codec.ParseFrames(string(log.List()))
		first, err := codec.ParseFrames(string(log.Split(n)))
		rest, err2 := codec.ParseFrames(string(log.List()))
		if err != nil || err2 != nil || first.Size() != n || first.Size()+rest.Size() != all.Size() {
			t.Errorf("%d bytes of %d: %d and %d, %v, %v", n, all.Size(), first.Size(), rest.Size(), err, err2)
		}
	}
}

func TestFrameLogDoesNotAllocate(t *testing.T) {
	var log codec.FrameLog
	one := func() {
		for n := range 40 {
			log.Add(codec.Frame{Number: (n + 1) % 8, Bytes: 30 + n, End: codec.EndETX})
		}
		log.Close()
		log.Forget()
	}
	one()
	if got := testing.AllocsPerRun(100, one); got != 0 {
		t.Errorf("%v allocations for a message of 40 frames", got)
	}
}

func TestParseFramesRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "1:6", "6", "X", "1:6x", "1:6X ", " 1:6X", "1:6X  2:6X", "1:06X", "12:6X", "a:6X", "1:6X*1", "1:6X*0", "1:6X*", "1:6Xn0", "1:6Xn", "1:6Xsu", "1:6Xr1n1",
		"+1:2 1:6X", "+0:0", "+1", "1:6X +1:", "1:6X\r\n", "1:-6X", "1:9999999999X", "1:6X?", strings.Repeat("1", 3000),
	} {
		if l, err := codec.ParseFrames(text); !errors.Is(err, codec.ErrFrames) || len(l.Runs) != 0 {
			t.Errorf("%.40q: %v, %v", text, l, err)
		} else if text != "" && strings.Contains(privacytest.Error(err), text) && len(text) > 3 {
			t.Errorf("the error quotes the text: %v", err)
		}
	}
}

// FuzzFrames: what parses is exactly what writing it again gives.
func FuzzFrames(f *testing.F) {
	for _, s := range []string{"1:6X", "1:6X 2:4X*2 5:3Bn1 +7:9", "7:5Bulocsn12r3g4", "89V", "5C", "+1:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		codectest.Ends(t)
		l, err := codec.ParseFrames(text)
		if err != nil {
			return
		}
		var parts []string
		for _, r := range l.Runs {
			part := string(codec.AppendFrame(nil, r.Frame))
			if r.Count > 1 {
				part += fmt.Sprint("*", r.Count)
			}
			parts = append(parts, part)
		}
		if l.More > 0 {
			parts = append(parts, fmt.Sprint("+", l.More, ":", l.MoreBytes))
		}
		if got := strings.Join(parts, " "); got != text {
			t.Errorf("%q is written %q", text, got)
		}
	})
}

func TestFrameMarks(t *testing.T) {
	l, err := codec.ParseFrames("1:5Xc 2:7X*2 0B 3C")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for m := range l.Marks() {
		begin, end := m.Frame.End.Delimiters()
		got = append(got, fmt.Sprint(m.At, begin, m.Frame.Number, end, m.Ends))
	}
	want := []string{"0STX1ETXfalse", "5STX1ETXtrue", "6STX2ETXfalse", "13STX2ETXtrue", "13STX3ETXfalse", "20STX3ETXtrue", "20STX-1ETBfalse", "20STX-1ETBtrue", "20-1false", "23-1true"}
	for i, w := range want {
		got[i] = strings.ReplaceAll(got[i], " ", "")
		if got[i] != w {
			t.Errorf("mark %d is %s, want %s", i+1, got[i], w)
		}
	}
	for range l.Marks() {
		break // an early end ends it
	}
}

func TestFrameWords(t *testing.T) {
	for list, want := range map[string]string{
		"1:5X":     "right|",
		"1:5Xl":    "right, in small letters|",
		"1:5Bu":    "not looked at (quirk no-checksum)|",
		"1:5Xn1":   "right|refused with NAK once before it was accepted",
		"1:5Xn3r2": "right|refused with NAK 3 times before it was accepted; sent again 2 times after it was accepted: our ACK was lost",
		"1:5Xg2":   "right|2 frames before it cut short by the next STX",
		"8:5Xocs":  "right|its number was out of turn and accepted (quirk any-frame-number); no CR at the end of its record: the bridge added one; held more than this message",
		"5V":       "|",
		"5F":       "|no CR behind FS",
		"5N":       "|no FS: the next block began",
		"5U":       "|came without any framing",
		"5C":       "|its end never came",
		"5E":       "|no number and no checksum (quirk ack-every-control)",
	} {
		l, err := codec.ParseFrames(list)
		if err != nil {
			t.Fatal(err)
		}
		f := l.Runs[0].Frame
		if got := f.Checksum() + "|" + strings.Join(f.Remarks(), "; "); got != want {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
}
