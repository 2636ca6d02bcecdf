package codec_test

import (
	"bytes"
	"slices"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"github.com/assaybus/assaybus/codec"
)

func encode(t *testing.T, e encoding.Encoding, s string) string {
	t.Helper()
	b, err := e.NewEncoder().String(s)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b
}

func TestDecode(t *testing.T) {
	sjis, gb := japanese.ShiftJIS, simplifiedchinese.GB18030
	for _, c := range []struct {
		name, raw, declared, override, fallback string
		text, charset                           string
		warn                                    []string
	}{
		{name: "ascii", raw: "WBC", text: "WBC", charset: "US-ASCII"},
		{name: "ascii declared utf-8", raw: "WBC", declared: "UNICODE UTF-8", text: "WBC", charset: "UTF-8"},
		{name: "nothing declared, utf-8", raw: "Müller", text: "Müller", charset: "UTF-8"},
		{name: "nothing declared, latin", raw: "M\xfcller", text: "Müller", charset: "windows-1252"},
		{name: "ascii declared, latin", raw: "M\xfcller", declared: "ASCII", text: "Müller", charset: "windows-1252"},
		{name: "fallback", raw: "\xcf\xf0\xe8", fallback: "CP1251", text: "При", charset: "windows-1251"},
		{name: "unknown fallback", raw: "M\xfcller", fallback: "KLINGON", text: "Müller", charset: "windows-1252"},
		{name: "unicode is utf-8", raw: "通用", declared: "UNICODE", text: "通用", charset: "UTF-8"},
		{name: "bad utf-8", raw: "M\xfcller", declared: "utf8", text: "M\uFFFDller", charset: "UTF-8", warn: []string{codec.WarnBadBytes}},
		{name: "8859/1", raw: "\x80 \xb5g", declared: "8859/1", text: "€ µg", charset: "windows-1252"},
		{name: "8859/2", raw: "\xb3", declared: "iso-8859-2", text: "ł", charset: "ISO-8859-2"},
		{name: "8859/15", raw: "\xa4", declared: "8859/15", text: "€", charset: "ISO-8859-15"},
		{name: "windows-1251", raw: "\xcf", declared: "WINDOWS-1251", text: "П", charset: "windows-1251"},
		{name: "by the IANA registry", raw: "\xf0", declared: "KOI8-R", text: "П", charset: "KOI8-R"},
		{name: "gb18030 with delimiter trail bytes", raw: encode(t, gb, "東區|運銅園^"), declared: "GB 18030-2000", text: "東區|運銅園^", charset: "GB18030"},
		{name: "gbk", raw: encode(t, gb, "红细胞"), declared: "gbk", text: "红细胞", charset: "GB18030"},
		{name: "big5", raw: encode(t, traditionalchinese.Big5, "許功蓋"), declared: "BIG-5", text: "許功蓋", charset: "Big5"},
		{name: "cns", raw: encode(t, traditionalchinese.Big5, "許"), declared: "CNS 11643-1992", text: "許", charset: "Big5", warn: []string{codec.WarnUnknownCharset}},
		{name: "shift-jis", raw: encode(t, sjis, "表示ソ能"), declared: "ISO IR14", text: "表示ソ能", charset: "Shift_JIS"},
		{name: "ir87 is shift-jis in practice", raw: encode(t, sjis, "表示"), declared: "ISO IR87", text: "表示", charset: "Shift_JIS"},
		{name: "ir87 as euc", raw: encode(t, japanese.EUCJP, "表示"), declared: "ISO IR87", text: "表示", charset: "EUC-JP"},
		{name: "ir87 with escapes", raw: encode(t, japanese.ISO2022JP, "A表示B"), declared: "ISO IR87", text: "A表示B", charset: "ISO-2022-JP"},
		{name: "announced in a repetition", raw: encode(t, japanese.ISO2022JP, "A|山田^太郎|B"), declared: "~ISO IR87", text: "A|山田^太郎|B", charset: "ISO-2022-JP"},
		{name: "shift open at the line's end", raw: "\x1b$B;3\rPID|", declared: "~ISO IR87", text: "山\rPID|", charset: "ISO-2022-JP"},
		{name: "katakana", raw: "\x1b(I1\x1b(BA", declared: "~ISO IR87", text: "ｱA", charset: "ISO-2022-JP"},
		{name: "korean by escapes", raw: "\x1b$)C0!\x1b(BA", declared: "~KS X 1001", text: "가A", charset: "ISO-2022-JP"},
		{name: "chinese by escapes", raw: "\x1b$A:l\x1b(BA", declared: "~GB 18030-2000", text: "红A", charset: "ISO-2022-JP"},
		{name: "jis x 0212 by escapes", raw: "\x1b$(D0!\x1b(BA", declared: "~ISO IR159", text: "丂A", charset: "ISO-2022-JP"},
		{name: "utf-32 mark", raw: "\xff\xfe\x00\x00M\x00\x00\x00", text: "M", charset: "UTF-32"},
		{name: "utf-16, big end first", raw: "\x00M\x00\xfc", declared: "UTF-16BE", text: "Mü", charset: "UTF-16"},
		{name: "utf-32 that is", raw: "M\x00\x00\x00", declared: "UNICODE UTF-32", text: "M", charset: "UTF-32"},
		{name: "unknown escape stays", raw: "a\x1bZb", declared: "~ISO IR87", text: "a\x1bZb", charset: "ISO-2022-JP"},
		{name: "euc-kr", raw: encode(t, korean.EUCKR, "김"), declared: "KS X 1001", text: "김", charset: "EUC-KR"},
		{name: "utf-16 that is not", raw: "Müller", declared: "UNICODE UTF-16", text: "Müller", charset: "UTF-8", warn: []string{codec.WarnUnknownCharset}},
		{name: "utf-16 that is", raw: "M\x00\xfc\x00", declared: "UNICODE UTF-16", text: "Mü", charset: "UTF-16"},
		{name: "unknown name", raw: "M\xfcller", declared: "AU", text: "Müller", charset: "windows-1252", warn: []string{codec.WarnUnknownCharset}},
		{name: "override wins over declared", raw: "\xcf", declared: "8859/1", override: "cp1251", text: "П", charset: "windows-1251"},
		{name: "mark wins over override", raw: "\xef\xbb\xbfü", override: "cp1251", text: "ü", charset: "UTF-8"},
		{name: "utf-16 mark", raw: encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "MSH|ü"), text: "MSH|ü", charset: "UTF-16"},
		{name: "replacement character sent", raw: "a\uFFFDb", text: "a\uFFFDb", charset: "UTF-8"},
		{name: "half a character at the end", raw: "a\xd5", declared: "GBK", text: "a\uFFFD", charset: "GB18030", warn: []string{codec.WarnBadBytes}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, charset, warn := codec.Decode([]byte(c.raw), c.declared, c.override, c.fallback)
			if string(text) != c.text || charset != c.charset || !slices.Equal(warn, c.warn) {
				t.Errorf("got %q %s %v, want %q %s %v", text, charset, warn, c.text, c.charset, c.warn)
			}
		})
	}
}

// Table 10.1: every spelling is known, whatever its case and blanks.
func TestDecodeSpellings(t *testing.T) {
	for want, spellings := range map[string][]string{
		"US-ASCII":     {"", "ASCII", "ascii ", "ISO IR6", "US-ASCII"},
		"UTF-8":        {"UNICODE UTF-8", "UNICODE", "UTF-8", "utf8", "Unicode", "UNICODE UTF8", "unicode  utf-8"},
		"ISO-8859-5":   {"8859/5", "ISO-8859-5", "ISO8859-5", "iso 8859/5"},
		"ISO-8859-2":   {"8859/2"},
		"ISO-8859-3":   {"8859/3"},
		"ISO-8859-4":   {"8859/4"},
		"ISO-8859-6":   {"8859/6"},
		"ISO-8859-7":   {"8859/7"},
		"ISO-8859-8":   {"8859/8"},
		"ISO-8859-15":  {"8859/15"},
		"windows-874":  {"8859/11"},
		"windows-1258": {"CP1258", "WIN1258"},
		"ISO-8859-9":   {"8859/9"},
		"GB18030":      {"GB 18030-2000", "GB18030", "GBK", "GB2312", "CP936"},
		"Big5":         {"BIG-5", "BIG5"},
		"Shift_JIS":    {"ISO IR14", "ISO IR87", "ISO IR159", "Shift_JIS", "SJIS"},
		"EUC-KR":       {"KS X 1001", "EUC-KR", "CP949"},
		"windows-1250": {"CP1250", "windows-1250", "WINDOWS 1250"},
		"windows-1252": {"CP1252", "LATIN1", "8859/1", "ISO8859-1"},
	} {
		for _, s := range spellings {
			if _, got, warn := codec.Decode([]byte("x"), s, "", ""); got != want || warn != nil {
				t.Errorf("%q: got %s %v, want %s", s, got, warn, want)
			}
		}
	}
}

func TestDecodeKeepsASCII(t *testing.T) {
	raw := []byte("OBX|1|NM|WBC||5.90")
	for _, declared := range []string{"", "UNICODE UTF-8", "GBK", "8859/1", "ISO IR87"} {
		if text, _, _ := codec.Decode(raw, declared, "", ""); &text[0] != &raw[0] {
			t.Errorf("%q: ASCII was copied", declared)
		}
	}
}

func TestDecodeNeverFails(t *testing.T) {
	names := []string{"", "UTF-8", "8859/7", "GBK", "BIG5", "SJIS", "ISO IR87", "~ISO IR87", "EUC-KR", "UTF-16", "UTF-32", "EUC-JP", "AU", "KOI8-R"}
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
		kept := bytes.Clone(raw)
		text, charset, _ := codec.Decode(raw, rapid.SampledFrom(names).Draw(t, "declared"), "", rapid.SampledFrom(names).Draw(t, "fallback"))
		if !utf8.Valid(text) || charset == "" {
			t.Errorf("got %q in %q", text, charset)
		}
		if !bytes.Equal(raw, kept) {
			t.Error("raw was changed")
		}
	})
}

func TestKnownCharset(t *testing.T) {
	for name, want := range map[string]bool{
		"windows-1252": true, "UTF-8": true, "GBK": true, "Shift_JIS": true, "UNICODE UTF-8": true, "8859/1": true, "ASCII": true,
		"ebcdic-of-mars": false, "ltin1": false,
	} {
		if got := codec.KnownCharset(name); got != want {
			t.Errorf("KnownCharset(%q) = %v, want %v", name, got, want)
		}
	}
}
