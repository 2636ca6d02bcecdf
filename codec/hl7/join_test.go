package hl7_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/assaybus/assaybus/codec/hl7"
)

// standard is HL7 without options.
func standard(t testing.TB) *hl7.Protocol {
	t.Helper()
	p, err := hl7.New(codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestGoldenParts joins messages that were continued over several: every MSH
// of a file begins a part.
func TestGoldenParts(t *testing.T) {
	p := standard(t)
	codectest.Golden(t, filepath.Join(codectest.Root(t), "testdata", "hl7", "parts"), func(_ string, raw []byte) (*codec.Message, error) {
		joined, err := p.Join(hl7.Messages(raw))
		if err != nil {
			return nil, err
		}
		return p.Parse(joined)
	})
}

func header(fields map[int]string) string {
	h := []string{"MSH", `^~\&`, "A", "B", "", "", "20261123", "", "ORU^R01", "1", "P", "2.5", "", "", "", "", "", ""}
	for n, value := range fields {
		h[n-1] = value
	}
	return strings.Join(h, "|") + "\r"
}

func TestPart(t *testing.T) {
	head := header(nil)
	for name, tt := range map[string]struct {
		raw, sender, continues, pointer string
	}{
		"whole":                        {raw: head + "OBX|1\rDSC|\r"},
		"explicit null":                {raw: head + "DSC|\"\"|F\r"},
		"first":                        {raw: head + "OBX|1\rDSC|p7|F\r", sender: "A|B", pointer: "p7"},
		"style not said":               {raw: head + "DSC|p7\r", sender: "A|B", pointer: "p7"},
		"middle":                       {raw: header(map[int]string{14: "p6"}) + "DSC|p7|F\r", sender: "A|B", continues: "p6", pointer: "p7"},
		"last":                         {raw: header(map[int]string{14: "p7", 3: "X"}) + "OBX|1\r", sender: "X|B", continues: "p7"},
		"pointers are first leaves":    {raw: header(map[int]string{14: " a\\T\\b^x~y "}) + "DSC|c&d|F\r", sender: "A|B", continues: "a&b", pointer: "c"},
		"interactive":                  {raw: head + "DSC|p7|I\r"},
		"query":                        {raw: header(map[int]string{9: "QRY^Q02"}) + "DSC|p7\r"},
		"answer":                       {raw: header(map[int]string{9: "DSR^Q03"}) + "DSC|1|\r"},
		"answer in fragments":          {raw: header(map[int]string{9: "RSP^K11"}) + "DSC|1|f\r", sender: "A|B", pointer: "1"},
		"accept condition in MSH-14":   {raw: header(map[int]string{14: "AL"}) + "OBX|1\r"},
		"DSC is no segment":            {raw: head + "OBX|1|ST|X||NDSC|p\r"},
		"behind the text of a dump":    {raw: head + "OBX|1<13>DSC|p7|F\r", sender: "A|B", pointer: "p7"},
		"line feeds":                   {raw: strings.ReplaceAll(head, "\r", "\n") + "OBX|1\nDSC|p7|F\nBTS|1\n", sender: "A|B", pointer: "p7"},
		"end of a batch behind it":     {raw: head + "DSC|p7|F\rBTS|1\rFTS|1\r", sender: "A|B", pointer: "p7"},
		"the last DSC counts":          {raw: head + "DSC|p7|F\rDSC|\r"},
		"shifted header":               {raw: "MSH|^~\\&|A|B|||20261123|ORU^R01|1|P|2.5||p7\rOBX|1\r", sender: "A|B", continues: "p7"},
		"separator inside a character": {raw: header(map[int]string{3: "\x81|", 14: "p7", 18: "GB18030"}) + "OBX|1\r", sender: "亅|B", continues: "p7"},
		"without control id":           {raw: header(map[int]string{10: ""}) + "DSC|p7|F\r"},
		"no header":                    {raw: "OBX|1\rDSC|p7|F\r"},
		"UTF-16":                       {raw: wide(head + "DSC|p7|F\r"), sender: "A|B", pointer: "p7"},
		"nothing":                      {},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := standard(t).Part([]byte(tt.raw))
			want := codec.Part{Sender: tt.sender, Continues: tt.continues, Pointer: tt.pointer}
			if !ok {
				got = codec.Part{}
			}
			if got != want || ok != (tt.continues != "" || tt.pointer != "") {
				t.Errorf("got %+v %v, want %+v", got, ok, want)
			}
		})
	}
}

// wide is s as UTF-16 with its mark.
func wide(s string) string {
	out := []byte{0xFE, 0xFF}
	for i := range len(s) {
		out = append(out, 0, s[i])
	}
	return string(out)
}

func TestPartSeparate(t *testing.T) {
	p, err := hl7.New(codec.Options{Continuation: "separate"})
	if err != nil {
		t.Fatal(err)
	}
	if part, ok := p.Part([]byte(header(map[int]string{14: "a"}) + "DSC|b|F\r")); ok {
		t.Errorf("got %+v, want whole messages", part)
	}
}

func TestJoin(t *testing.T) {
	second := header(map[int]string{10: "2", 14: "p"})
	for name, tt := range map[string]struct {
		parts []string
		want  string
	}{
		"segments":                {[]string{header(nil) + "OBR|1\rDSC|p|F\r", second + "OBX|1\rDSC|\r"}, header(nil) + "OBR|1\rOBX|1\r"},
		"field, announced":        {[]string{header(nil) + "OBX|1|a\rADD|\rDSC|p|F\r", second + "ADD|b|c\rOBX|2\r"}, header(nil) + "OBX|1|ab|c\rOBX|2\r"},
		"field, not announced":    {[]string{header(nil) + "OBX|1|a\rDSC|p|F\r", second + "ADD|b\r"}, header(nil) + "OBX|1|ab\r"},
		"ADD without separator":   {[]string{header(nil) + "OBX|1|a\rADD\rDSC|p|F\r", second + "ADD|b\r"}, header(nil) + "OBX|1|ab\r"},
		"ADD inside a part":       {[]string{header(nil) + "OBX|1|a\rADD|b\rADD|\rDSC|p|F\r", second + "ADD|c\rADD|d\r"}, header(nil) + "OBX|1|a\rADD|bc\rADD|d\r"},
		"never into the header":   {[]string{header(nil) + "DSC|p|F\r", second + "ADD|b\r"}, header(nil) + "ADD|b\r"},
		"blanks of a value":       {[]string{header(nil) + "OBX|1|a \rADD|\rDSC|p|F\r", second + "ADD| b\r"}, header(nil) + "OBX|1|a  b\r"},
		"batch":                   {[]string{"BHS|^~\\&\r" + header(nil) + "OBX|1\rDSC|p|F\rBTS|1\r", second + "OBX|2\rBTS|1\r"}, "BHS|^~\\&\r" + header(nil) + "OBX|1\rOBX|2\rBTS|1\r"},
		"mark before the second":  {[]string{header(nil) + "OBX|1\rDSC|p|F\r", "\xEF\xBB\xBF" + second + "OBX|2\r"}, header(nil) + "OBX|1\rOBX|2\r"},
		"no end of the last line": {[]string{header(nil) + "OBX|1\rDSC|p|F", second + "OBX|2"}, header(nil) + "OBX|1\rOBX|2\r"},
		"nothing but a header":    {[]string{header(nil) + "OBX|1\rDSC|p|F\r", strings.TrimSuffix(second, "\r")}, header(nil) + "OBX|1\r"},
	} {
		t.Run(name, func(t *testing.T) {
			var parts, before [][]byte
			for _, s := range tt.parts {
				parts, before = append(parts, []byte(s)), append(before, []byte(s))
			}
			got, err := standard(t).Join(parts)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v\nwant %q", got, err, tt.want)
			}
			if diff := cmp.Diff(before, parts); diff != "" {
				t.Errorf("the parts were changed:\n%s", diff)
			}
		})
	}
}

func TestJoinRefuses(t *testing.T) {
	first := header(nil) + "OBR|1\rDSC|p|F\r"
	for name, tt := range map[string]struct {
		second string
		field  int
	}{
		"other encoding characters": {header(map[int]string{2: `^~\@`, 14: "p"}), 2},
		"other field separator":     {strings.ReplaceAll(header(map[int]string{14: "p"}), "|", "#"), 2},
		"other type":                {header(map[int]string{9: "OUL^R22", 14: "p"}), 9},
		"other trigger":             {header(map[int]string{9: "ORU^R30", 14: "p"}), 9},
		"other charset":             {header(map[int]string{18: "UNICODE UTF-8", 14: "p"}), 18},
		"no header":                 {"OBX|1\r", 0},
		"UTF-16":                    {wide(header(map[int]string{14: "p"})), 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := standard(t).Join([][]byte{[]byte(first), []byte(tt.second)})
			var at *codec.ParseError
			if !errors.Is(err, codec.ErrParts) || !errors.As(err, &at) || at.Field != tt.field || !strings.Contains(privacytest.Error(err), "part 2") {
				t.Errorf("got %v, want %v at field %d of part 2", err, codec.ErrParts, tt.field)
			}
		})
	}
	if _, err := standard(t).Join(nil); !errors.Is(err, codec.ErrParts) {
		t.Errorf("no parts: %v, want %v", err, codec.ErrParts)
	}
}

// The protocol that detects joins what belongs to HL7 and nothing else.
func TestJoinDetected(t *testing.T) {
	for _, name := range []string{codec.Auto, "hl7", "astm"} {
		p, err := all.Protocols.Build(name, codec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		j := p.(codec.Joiner)
		parts := [][]byte{[]byte(header(nil) + "OBR|1\rDSC|p|F\r"), []byte(header(map[int]string{14: "p"}) + "OBX|1\r")}
		if part, ok := j.Part(parts[0]); !ok || part.Pointer != "p" {
			t.Errorf("%s: %+v %v, want a part", name, part, ok)
		}
		if joined, err := j.Join(parts); err != nil || string(joined) != header(nil)+"OBR|1\rOBX|1\r" {
			t.Errorf("%s: %q %v", name, joined, err)
		}
		astm := []byte("H|\\^&\rP|1\rL|1\r")
		if part, ok := j.Part(astm); ok {
			t.Errorf("%s: ASTM is %+v, want whole", name, part)
		}
		if _, err := j.Join([][]byte{astm, astm}); !errors.Is(err, codec.ErrParts) {
			t.Errorf("%s: ASTM joined: %v, want %v", name, err, codec.ErrParts)
		}
	}
}

// cutInto cuts whole, which begins with a header that ends in "|1|" + version
// at its 10th field, into parts as a sender would.
func cutInto(t *rapid.T, whole string) []string {
	head, body, _ := strings.Cut(whole, "\r")
	fields := append(strings.Split(head, "|"), make([]string, 20)...)[:18]
	var parts []string
	begin, add := "", ""
	for n := 1; ; n++ {
		fields[9], fields[13] = fmt.Sprint(n), ""
		if n > 1 {
			fields[13] = fmt.Sprint("ptr", n-1)
		}
		begin = strings.Join(fields, "|") + "\r" + add
		at := len(body)
		if n < 6 && len(body) > 1 {
			at = rapid.IntRange(1, len(body)).Draw(t, "cut")
		}
		if at == len(body) {
			return append(parts, begin+body)
		}
		mine := body[:at]
		body = body[at:]
		switch {
		case strings.HasSuffix(mine, "\r"):
			add = ""
		case body[0] == '\r': // a cut behind the last byte of a segment is one between segments
			mine, body, add = mine+"\r", body[1:], ""
			if body == "" {
				return append(parts, begin+mine)
			}
		default:
			mine, add = mine+"\rADD|\r", "ADD|"
		}
		parts = append(parts, begin+mine+fmt.Sprintf("DSC|ptr%d|F\r", n))
	}
}

// Specimen safety: whatever message is cut wherever a sender may cut, the
// parts joined are the uncut message, so its results, values and specimens are.
func TestJoinIsTheUncutMessage(t *testing.T) {
	p := standard(t)
	text := rapid.StringMatching(`[A-Za-z0-9 .^~&\\é王-]{0,9}`)
	rapid.Check(t, func(t *rapid.T) {
		lines := []string{strings.Join([]string{"MSH", `^~\&`, "A", "B", "", "", "20261123", "", "ORU^R01^ORU_R01", "1", "P", "2.5", "", "", "", "", "", "UNICODE UTF-8"}, "|")}
		for n := range rapid.IntRange(1, 8).Draw(t, "segments") {
			switch rapid.IntRange(0, 4).Draw(t, "segment") {
			case 0:
				lines = append(lines, "PID|1||P"+text.Draw(t, "patient")+"||"+text.Draw(t, "name"))
			case 1:
				lines = append(lines, fmt.Sprintf("OBR|1|S-%d|FILLER%d|T^%s", n, n, text.Draw(t, "test")))
			case 2:
				lines = append(lines, fmt.Sprintf("SPM|1|S%d||SER|||||||%s", n, rapid.SampledFrom([]string{"P", "Q"}).Draw(t, "role")))
			case 3:
				lines = append(lines, "NTE|1||"+text.Draw(t, "note"))
			default:
				lines = append(lines, fmt.Sprintf("OBX|%d|ST|C%d^%s||%s|u||N|||F", n, n, text.Draw(t, "code"), text.Draw(t, "value")))
			}
		}
		whole := strings.Join(lines, "\r") + "\r"
		cut := cutInto(t, whole)
		parts := make([][]byte, len(cut))
		for n, s := range cut {
			parts[n] = []byte(s)
			part, ok := p.Part(parts[n])
			if len(cut) > 1 && (!ok || (part.Continues == "") != (n == 0) || (part.Pointer == "") != (n == len(cut)-1)) {
				t.Fatalf("part %d of %d is %+v", n+1, len(cut), part)
			}
		}
		joined, err := p.Join(parts)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(joined, []byte(whole)) {
			t.Fatalf("joined %q\nuncut  %q", joined, whole)
		}
		got, err := p.Parse(joined)
		if err != nil {
			t.Fatal(err)
		}
		want, err := p.Parse([]byte(whole))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzJoin: parts of any bytes are joined to no more than they are, or
// refused; what is joined is a message with one header and no continuation
// but that of the first part, and Part agrees with Parse.
func FuzzJoin(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(codectest.Root(f), "testdata", "hl7", "parts", "*.raw"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds (%v)", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		parts := hl7.Messages(raw)
		f.Add(parts[0], parts[1])
	}
	p := standard(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		codectest.Ends(t)
		parts := [][]byte{bytes.Clone(a), bytes.Clone(b)}
		for _, raw := range parts {
			part, ok := p.Part(raw)
			m, err := p.Parse(raw)
			if err != nil && ok || ok && part.Continues != "" && part.Continues != m.Continues {
				t.Errorf("a part %+v of which Parse says %v", part, err)
			}
		}
		joined, err := p.Join(parts)
		if !bytes.Equal(parts[0], a) || !bytes.Equal(parts[1], b) {
			t.Error("the parts were changed")
		}
		if err != nil {
			return
		}
		if len(joined) > len(a)+len(b)+2 {
			t.Errorf("%d bytes of %d and %d", len(joined), len(a), len(b))
		}
		again, err := p.Join([][]byte{joined})
		if ends := "\r\n"; err != nil || !bytes.Equal(bytes.TrimRight(again, ends), bytes.TrimRight(joined, ends)) {
			t.Errorf("joined again: %q, %v; want %q", again, err, joined)
		}
	})
}
