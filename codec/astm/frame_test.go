package astm //nolint:testpackage // the split function has no exported face

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// tokens are all that a splitter finds, as kind and bytes.
func tokens(t testing.TB, m mode, o codec.Options, input []byte, cuts ...int) ([]string, error) {
	t.Helper()
	o = o.WithDefaults()
	s := newSplitter(o)
	s.mode = m
	next := codec.NewTokens(codec.NewPlayback(input, cuts...), s.split, s.limit(o))
	var found []string
	for {
		token, err := next.Next(time.Time{})
		if err != nil {
			if rest := next.Rest(); len(rest) > 0 {
				found = append(found, fmt.Sprintf("rest %q", rest))
			}
			return found, err
		}
		found = append(found, fmt.Sprintf("%s %q", [...]string{"control", "whole", "cut", "record", "block", "noise"}[s.kind], token))
	}
}

func TestSplit(t *testing.T) {
	for name, c := range map[string]struct {
		mode   mode
		quirks []string
		input  string
		want   []string
	}{
		"session": {framed, nil, "\x05\x021H|\r\x03A0\r\n\x022L\r\x17B1\r\n\x04", []string{
			`control "\x05"`, `whole "\x021H|\r\x03A0"`, `whole "\x022L\r\x17B1"`, `control "\x04"`}},
		"no CR LF":            {framed, nil, "\x021a\x03A0\x022b\x03A1", []string{`whole "\x021a\x03A0"`, `whole "\x022b\x03A1"`}},
		"no trailer":          {framed, nil, "\x021a\x03\x04", []string{`whole "\x021a\x03"`, `control "\x04"`}},
		"one digit":           {framed, nil, "\x021a\x03A\r\n\x04", []string{`whole "\x021a\x03A"`, `control "\x04"`}},
		"one digit, then EOF": {framed, nil, "\x021a\x03A", []string{`rest "\x021a\x03A"`}},
		"cut by STX":          {framed, nil, "\x021a\x021b\x03A0", []string{`whole "\x021b\x03A0"`}},
		"cut by EOT":          {framed, nil, "\x021a\x04", []string{`cut "\x021a"`, `control "\x04"`}},
		"cut by ENQ":          {framed, nil, "\x021a\x05", []string{`cut "\x021a"`, `control "\x05"`}},
		"cut by EOF":          {framed, nil, "\x021a", []string{`rest "\x021a"`}},
		"empty":               {framed, nil, "\x02\x0303", []string{`whole "\x02\x0303"`}},
		"noise":               {framed, nil, "xx\x06\x021a\x03A0yy\x15", []string{`whole "\x021a\x03A0"`}},
		"no checksum":         {framed, []string{quirkNoChecksum}, "\x021a\x03A0\r\n\x022b\x17\r\n", []string{`whole "\x021a\x03"`, `whole "\x022b\x17"`}},
		"neutral noise":       {neutral, nil, "\x00\r\nxH|\x05", []string{`noise "\x00\r\nxH|"`, `control "\x05"`}},
		"records": {neutral, nil, "\nH|\\^&\r\nP|1\nL\r\n", []string{
			`noise "\n"`, `record "H|\\^&\r"`, `record "\nP|1\n"`, `record "L\r"`, `record "\n"`}},
		"half an H":         {neutral, nil, "H", []string{`noise "H"`}},
		"a word":            {neutral, nil, "Hello", []string{`noise "Hello"`}},
		"record and EOT":    {bare, nil, "L|1\x04", []string{`record "L|1"`, `control "\x04"`}},
		"controls":          {controls, nil, "\x02x\x03\x04", []string{`control "\x02"`, `control "\x03"`, `control "\x04"`}},
		"block":             {inBlock, nil, "H|\r\x17\r\x03", []string{`block "H|\r\x17\r"`, `control "\x03"`}},
		"empty block":       {inBlock, nil, "\x03", []string{`control "\x03"`}},
		"discarded":         {discarding, nil, "\x05\x02", nil},
		"STX alone":         {neutral, []string{quirkAckEveryControl, quirkImplicitSession}, "\x02", []string{`control "\x02"`}},
		"eight-byte border": {framed, nil, "\x021234567\x03A0\x0212345678\x03A0", []string{`whole "\x021234567\x03A0"`, `whole "\x0212345678\x03A0"`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tokens(t, c.mode, codec.Options{Quirks: c.quirks}, []byte(c.input))
			if !errors.Is(err, io.EOF) || !slices.Equal(got, c.want) {
				t.Errorf("\n got %q, %v\nwant %q", got, err, c.want)
			}
		})
	}
}

func TestSplitLimits(t *testing.T) {
	o := codec.Options{MaxFrame: 5, MaxMessage: 7}
	every := codec.Options{MaxFrame: 5, MaxMessage: 7, Quirks: []string{quirkAckEveryControl}}
	for name, c := range map[string]struct {
		mode  mode
		o     codec.Options
		input string
		want  error
	}{
		"frame at the limit":   {framed, o, "\x02112345\x03A0", io.EOF},
		"frame over the limit": {framed, o, "\x021123456\x03A0", codec.ErrTooLarge},
		"frame without end":    {framed, o, "\x021123456", codec.ErrTooLarge},
		"record at the limit":  {bare, o, "H|12\r", io.EOF},
		"record over":          {bare, o, "H|123\r", codec.ErrTooLarge},
		"record without end":   {bare, o, "H|1234", codec.ErrTooLarge},
		"block at the limit":   {inBlock, every, "1234567\x03", io.EOF},
		"block over":           {inBlock, every, "12345678\x03", codec.ErrTooLarge},
		"block without end":    {inBlock, every, "12345678", codec.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cuts := range [][]int{nil, each(len(c.input))} {
				if _, err := tokens(t, c.mode, c.o, []byte(c.input), cuts...); !errors.Is(err, c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
			}
		})
	}
}

func each(n int) []int {
	cuts := make([]int, n)
	for i := range cuts {
		cuts[i] = i + 1
	}
	return cuts
}

// TestSplitLooksOnce: a frame of a megabyte that comes byte by byte is not
// searched from its beginning each time; that would take minutes.
func TestSplitLooksOnce(t *testing.T) {
	frame := appendFrame(nil, 1, bytes.Repeat([]byte("x"), 1<<20), etx)
	s := newSplitter(codec.Options{}.WithDefaults())
	s.mode = framed
	looked := 0
	for n := 1; n <= len(frame)-2; n++ {
		looked += n - s.scanned
		advance, token, err := s.split(frame[:n], false)
		if err != nil || (token != nil) != (n == len(frame)-2) {
			t.Fatalf("with %d of %d bytes: advance %d, a token %t, %v", n, len(frame), advance, token != nil, err)
		}
	}
	if limit := 3 * len(frame); looked > limit {
		t.Errorf("looked at %d bytes, want less than %d", looked, limit)
	}
}

func TestChecksum(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 247, 1024, 5000} {
		b := bytes.Repeat([]byte{0xFF, 0x01, 0x80}, n)
		var want byte
		for _, c := range b {
			want += c
		}
		if got := checksum(b); got != want {
			t.Errorf("checksum of %d bytes = %02X, want %02X", len(b), got, want)
		}
	}
	if got, want := string(appendFrame(nil, 1, []byte("a"), etx)), "\x021a\x0395\r\n"; got != want {
		t.Errorf("frame %q, want %q", got, want)
	}
}

func TestHexValue(t *testing.T) {
	for digits, want := range map[string]string{
		"00": "0 false true", "7A": "122 false true", "fF": "255 true true",
		"": "0 false false", "1": "0 false false", "1g": "0 false false", "  ": "0 false false", "123": "0 false false",
	} {
		v, lower, ok := hexValue([]byte(digits))
		if got := fmt.Sprint(v, lower, ok); got != want {
			t.Errorf("hexValue(%q) = %s, want %s", digits, got, want)
		}
	}
}

func TestIndexFraming(t *testing.T) {
	for at := range 40 {
		b := []byte(strings.Repeat("a\r\n\x06\x15\x01\x16\x7f\x80\xff", 4))
		if got := indexFraming(b); got != -1 {
			t.Fatalf("found something at %d", got)
		}
		b[at] = []byte{stx, etx, eot, enq, etb}[at%5]
		if got := indexFraming(b); got != at {
			t.Errorf("indexFraming = %d, want %d", got, at)
		}
	}
}

// FuzzSplit: whatever comes, split finds the same tokens however it is cut,
// loses no frame and does not run on.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("\x05\x021H|\\^&\r\x03E5\r\n\x022L|1\r\x17\x04"), uint8(0), uint8(3))
	f.Add([]byte("H|\\^&\r\nP|1\rL|1|N"), uint8(1), uint8(1))
	f.Add([]byte("\x02H|\r\x03\x04"), uint8(3), uint8(2))
	f.Fuzz(func(t *testing.T, input []byte, how, size uint8) {
		codectest.Ends(t)
		m := []mode{framed, neutral, bare, controls, inBlock}[int(how)%5]
		o := codec.Options{MaxFrame: 64, MaxMessage: 64}
		if how&0x80 != 0 {
			o.Quirks = []string{quirkNoChecksum, quirkAckEveryControl, quirkImplicitSession}
		}
		if m == neutral || m == bare {
			size = 0 // noise and ends of lines may come in other portions
		}
		want, wantErr := tokens(t, m, o, input)
		var cuts []int
		for at := int(size); size > 0 && at < len(input); at += int(size) {
			cuts = append(cuts, at)
		}
		got, err := tokens(t, m, o, input, cuts...)
		if !slices.Equal(got, want) && !errors.Is(wantErr, codec.ErrTooLarge) || !errors.Is(err, wantErr) {
			t.Errorf("cut every %d bytes:\n got %q, %v\nwant %q, %v", size, got, err, want, wantErr)
		}
	})
}

// BenchmarkSplit: framing alone, 240-byte frames and big ones.
func BenchmarkSplit(b *testing.B) {
	for _, size := range []int{60, 240, 26000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			text := []byte(strings.Repeat("R|1|^^^GLU|5.9|mmol/L||N||F||op||20260102030405\r", size/47+1))[:size]
			var data []byte
			for len(data) < 1<<20 {
				data = appendFrame(data, byte(len(data)%8), text, etx)
			}
			s := newSplitter(codec.Options{}.WithDefaults())
			s.mode = framed
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				for rest := data; len(rest) > 0; {
					n, _, err := s.split(rest, true)
					if err != nil || n == 0 {
						b.Fatal(n, err)
					}
					rest = rest[n:]
				}
			}
		})
	}
}
