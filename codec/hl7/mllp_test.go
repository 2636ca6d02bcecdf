package hl7_test

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

func TestTokens(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
		rest string
	}{
		"block":                     {"␋MSH|a␍␜␍", []string{"block MSH|a␍"}, ""},
		"no cr before the end":      {"␋MSH|a␜␍", []string{"block MSH|a"}, ""},
		"cr lf":                     {"␋MSH|a␍␜␍␊␋MSH|b␍␜␍", []string{"block MSH|a␍", "block MSH|b␍"}, ""},
		"lf":                        {"␋MSH|a␍␜␊", []string{"block(no-block-cr) MSH|a␍"}, ""},
		"nothing":                   {"␋MSH|a␍␜", []string{"block(no-block-cr) MSH|a␍"}, ""},
		"start block":               {"␋MSH|a␜␋MSH|b␜␍", []string{"block(no-block-cr) MSH|a", "block MSH|b"}, ""},
		"padding":                   {"␋MSH|a␜␀␀", []string{"block(no-block-cr) MSH|a", "heartbeat ␀␀"}, ""},
		"other, not complete":       {"␋MSH|a␜b␜␍", []string{"block MSH|a␜b"}, ""},
		"other, complete":           {"␋MSH|a␍␜b", []string{"block(no-block-cr) MSH|a␍", "noise b"}, ""},
		"ba400":                     {"␋MSH|a␍␍␜␍", []string{"block MSH|a␍␍"}, ""},
		"doubled start":             {"␋␋MSH|a␜␍", []string{"block MSH|a"}, ""},
		"start for end":             {"␋MSH|a␍␋MSH|b␍␜␍", []string{"block(no-end-block) MSH|a␍", "block MSH|b␍"}, ""},
		"start for end, lf":         {"␋MSH|a␊␋BHS|b␊␜␍", []string{"block(no-end-block) MSH|a␊", "block BHS|b␊"}, ""},
		"start in mid segment":      {"␋MSH|a␋MSH|b␜␍", []string{"garbled MSH|a", "block MSH|b"}, ""},
		"start in text":             {"␋MSH|a␍␋OBX␋␜␍", []string{"block MSH|a␍␋OBX␋"}, ""},
		"commit":                    {"␋␆␜␍␋␕␜␍", []string{"commit ␆", "commit ␕"}, ""},
		"commit without cr":         {"␋␆␜x", []string{"commit ␆", "noise x"}, ""},
		"empty":                     {"␋␜␍␋ ␍␊␜␍", []string{"heartbeat ", "heartbeat  ␍␊"}, ""},
		"no end":                    {"␋MSH|a␍", nil, "␋MSH|a␍"},
		"no end, start":             {"␋MSH|a␍␋", nil, "␋MSH|a␍␋"},
		"noise":                     {"␅ab␋x␜␍", []string{"noise ␅ab", "block x"}, ""},
		"noise and heartbeat":       {"a␂␂␍␊b", []string{"noise a", "heartbeat ␂␂", "filler ␍␊", "noise b"}, ""},
		"letters":                   {"xMS", []string{"noise x", "noise MS"}, ""},
		"words":                     {"MSHAPE FHS BHS", []string{"noise MSHAPE FHS ", "noise BHS"}, ""},
		"unframed":                  {"MSH|a␍OBX|1", []string{"block(unframed) MSH|a␍OBX|1"}, ""},
		"unframed, two":             {"MSH|a␍MSH|b␍", []string{"block(unframed) MSH|a␍", "block(unframed) MSH|b␍"}, ""},
		"unframed, lf":              {"MSH|a␍␊MSH|b␍␊", []string{"block(unframed) MSH|a␍␊", "block(unframed) MSH|b␍␊"}, ""},
		"unframed, end block":       {"MSH|a␍␜␍MSH|b", []string{"block(unframed) MSH|a␍", "filler ␍", "block(unframed) MSH|b"}, ""},
		"unframed, block":           {"MSH|a␍␋MSH|b␜␍", []string{"block(unframed) MSH|a␍", "block MSH|b"}, ""},
		"unframed, tab":             {"MSH|a␋b␍", []string{"block(unframed) MSH|a␋b␍"}, ""},
		"unframed batch":            {"FHS|f␍BHS|b␍MSH|a␍MSH|b␍BTS|2␍BHS|c␍MSH|c␍", []string{"block(unframed) FHS|f␍BHS|b␍MSH|a␍", "block(unframed) MSH|b␍BTS|2␍", "block(unframed) BHS|c␍MSH|c␍"}, ""},
		"other separator":           {"MSH$a␍", []string{"block(unframed) MSH$a␍"}, ""},
		"MSH in mid line":           {"MSH|a|xMSH|b␍", []string{"block(unframed) MSH|a|xMSH|b␍"}, ""},
		"utf-8 byte order mark":     {"‹EF›‹BB›‹BF›MSH|a␍", []string{"noise \ufeff", "block(unframed) MSH|a␍"}, ""},
		"form feed is text (no 28)": {"␋MSH|a␌b␍␜␍", []string{"block MSH|a␌b␍"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := mustBytes(t, c.in)
			got, rest, err := hl7.Tokens(1000, in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i] = strings.ReplaceAll(codectest.Pictures([]byte(got[i])), "␠", " ")
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("tokens (-want +got):\n%s", d)
			}
			if got := codectest.Pictures(rest); got != c.rest {
				t.Errorf("left over %q, want %q", got, c.rest)
			}
		})
	}
}

func TestTokensLimit(t *testing.T) {
	for in, want := range map[string]error{
		"␋‹41*10›␜␍":        nil,
		"␋‹41*11›␜␍":        codec.ErrTooLarge,
		"␋‹41*11›":          codec.ErrTooLarge,
		"␋‹41*11›␜":         codec.ErrTooLarge,
		"␋‹41*10›␍␋MSH|␜␍":  codec.ErrTooLarge,
		"MSH|‹41*6›":        nil,
		"MSH|‹41*7›":        codec.ErrTooLarge,
		"MSH|‹41*7›␜":       codec.ErrTooLarge,
		"␋‹41*9›␋‹41*9›␜␍":  codec.ErrTooLarge,
		"‹41*50›␋‹41*10›␜␍": nil,
	} {
		if _, _, err := hl7.Tokens(10, mustBytes(t, in)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", in, err, want)
		}
	}
}

// However the bytes arrive, the tokens are the same.
func TestSplitByteByByte(t *testing.T) {
	in := mustBytes(t, "junk␋MSH|a␍␋MSH|b␍␜␍␊␋␋x␜y␜␋MSH|c␍␜␂MSH|d␍MSH|e␍␋MSH|f␍␜␍")
	scan := func(s *bufio.Scanner) (got []string) {
		s.Split(hl7.Splitter(1000))
		for s.Scan() {
			if strings.Trim(s.Text(), "junk\r\n\x02") != "" {
				got = append(got, s.Text())
			}
		}
		return got
	}
	want := scan(bufio.NewScanner(bytes.NewReader(in)))
	got := scan(bufio.NewScanner(iotest.OneByteReader(bytes.NewReader(in))))
	if len(want) != 7 {
		t.Errorf("%d tokens, want 7: %q", len(want), want)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("byte by byte (-want +got):\n%s", d)
	}
}

// TestSplitIsLinear counts the work, not the time: every call must look at no
// more than the new byte, so the whole is far below a second even under race.
func TestSplitIsLinear(t *testing.T) {
	size := 2 << 20
	for name, fill := range map[string]byte{"text": 'x', "start blocks": 0x0B, "end blocks": 0x1C, "ends of segments": '\r'} {
		data := append([]byte("\x0bMSH|^~\\&|"), bytes.Repeat([]byte{fill}, size)...)
		split := hl7.Splitter(size + 100)
		began := time.Now()
		for n := 1; n <= len(data); n++ {
			advance, _, err := split(data[:n], false)
			if err != nil {
				t.Fatal(err)
			}
			if advance > 0 {
				break // some bytes end the block at once
			}
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: %v for %d MiB byte by byte", name, took, size>>20)
		}
	}
}

func TestBlockMessages(t *testing.T) {
	for in, want := range map[string][]string{
		"MSH|a␍OBX|1␍":                                {"MSH|a␍OBX|1␍"},
		"MSH|a␍MSH|b␍":                                {"MSH|a␍", "MSH|b␍"},
		"MSH|a␍␍␍MSH|b␍":                              {"MSH|a␍␍␍", "MSH|b␍"},
		"MSH|a␊OBX␊MSH|b␊":                            {"MSH|a␊OBX␊", "MSH|b␊"},
		"‹EF›‹BB›‹BF› MSH|a␍MSH|b␍":                   {"\ufeff MSH|a␍", "MSH|b␍"},
		"BHS|1␍MSH|a␍MSH|b␍BTS|2␍":                    {"BHS|1␍MSH|a␍", "MSH|b␍BTS|2␍"},
		"BHS|1␍MSH|a␍BTS|1␍":                          {"BHS|1␍MSH|a␍BTS|1␍"},
		"FHS|1␍BHS|1␍MSH|a␍BTS|1␍BHS|2␍␍MSH|b␍FTS|2␍": {"FHS|1␍BHS|1␍MSH|a␍BTS|1␍", "BHS|2␍␍MSH|b␍FTS|2␍"},
		"FHS|1␍MSH|a␍FTS|1␍FHS|2␍BHS|3␍MSH|b␍":        {"FHS|1␍MSH|a␍FTS|1␍", "FHS|2␍BHS|3␍MSH|b␍"},
		"BHS|1␍PID|1␍BTS|0␍":                          {"BHS|1␍PID|1␍BTS|0␍"},
		"MSH|a␍NTE|see MSH|b␍":                        {"MSH|a␍NTE|see MSH|b␍"},
		"MSH|a␍MSHX|b␍MSH":                            {"MSH|a␍MSHX|b␍MSH"},
		"PID|1␍MSH|a␍MSH|b␍":                          {"PID|1␍MSH|a␍", "MSH|b␍"},
		"garbage":                                     {"garbage"},
	} {
		raw := mustBytes(t, in)
		var got []string
		for _, m := range hl7.Messages(raw) {
			got = append(got, codectest.Pictures(m))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", in, d)
		}
		if joined := bytes.Join(hl7.Messages(raw), nil); !bytes.Equal(joined, raw) {
			t.Errorf("%s: joined, the messages are not the block", in)
		}
	}
}

func mustBytes(t testing.TB, text string) []byte {
	t.Helper()
	b, err := codectest.Bytes(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
