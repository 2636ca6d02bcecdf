package codec

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// DefaultFallback is the charset of bytes that nobody has named and that are
// not UTF-8.
const DefaultFallback = "windows-1252"

// Decode turns the bytes of a message into UTF-8. declared is what the message
// says of itself (MSH-18 with its repetitions joined by "~"; empty in ASTM),
// override what the instrument's configuration says, fallback the charset of
// bytes that nobody has named (empty: [DefaultFallback]). A byte order mark
// wins over everything and is dropped, then override wins, then declared.
// Nothing or ASCII declared with bytes of 0x80 and above is UTF-8 if it is
// valid UTF-8, else fallback; the same holds, with [WarnUnknownCharset], for a
// name that is not known.
//
// charset is the IANA name of what was used, warn holds the codes of
// [Warning]. Decode never fails: what is no character becomes U+FFFD with
// [WarnBadBytes]. When nothing has to change, text is raw itself.
func Decode(raw []byte, declared, override, fallback string) (text []byte, charset string, warn []string) {
	if text, charset, ok := decodeMarked(raw); ok {
		return text, charset, badBytes(raw, text)
	}
	name := declared
	if override != "" {
		name = override
	}
	first, others, _ := strings.Cut(name, "~")
	cs, known := lookup(first)
	if !known || cs.wide && !looksWide(raw) {
		warn = append(warn, WarnUnknownCharset)
		cs = charsetOf{name: "US-ASCII"}
	}
	if cs.approximate {
		warn = append(warn, WarnUnknownCharset)
	}
	if (cs.shifts || announcesShifts(others)) && bytes.IndexByte(raw, esc) >= 0 {
		text = decodeShifts(raw, cs, fallback)
		if cs.enc == nil && cs.name == "US-ASCII" || cs.shifts {
			cs.name = "ISO-2022-JP"
		}
		return text, cs.name, append(warn, badBytes(raw, text)...)
	}
	text, charset = decodePlain(raw, cs, fallback)
	return text, charset, append(warn, badBytes(raw, text)...)
}

// KnownCharset reports whether name is a charset that [Decode] knows.
func KnownCharset(name string) bool {
	_, known := lookup(name)
	return known
}

// decodeMarked decodes what begins with a byte order mark.
func decodeMarked(raw []byte) ([]byte, string, bool) {
	switch {
	case bytes.HasPrefix(raw, []byte("\xEF\xBB\xBF")):
		return validUTF8(raw[3:]), "UTF-8", true
	case bytes.HasPrefix(raw, []byte("\xFF\xFE\x00\x00")), bytes.HasPrefix(raw, []byte("\x00\x00\xFE\xFF")):
		return transcode(utf32.UTF32(utf32.BigEndian, utf32.UseBOM), raw), "UTF-32", true
	case bytes.HasPrefix(raw, []byte("\xFF\xFE")), bytes.HasPrefix(raw, []byte("\xFE\xFF")):
		return transcode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM), raw), "UTF-16", true
	}
	return nil, "", false
}

// decodePlain decodes bytes without ISO 2022 escapes.
func decodePlain(raw []byte, cs charsetOf, fallback string) ([]byte, string) {
	switch {
	case cs.wide:
		return transcode(wideEncoding(cs.name, raw), raw), cs.name
	case isASCII(raw):
		return raw, cs.name
	case cs.name == "UTF-8":
		return validUTF8(raw), cs.name
	case cs.shifts && eucJP(raw):
		return transcode(eucJPEncoding(), raw), "EUC-JP"
	case cs.enc != nil:
		return transcode(cs.enc, raw), cs.name
	case utf8.Valid(raw):
		return raw, "UTF-8"
	}
	back, ok := lookup(fallback)
	if fallback == "" || !ok || back.wide || back.enc == nil && back.name != "UTF-8" {
		back, _ = lookup(DefaultFallback)
	}
	return decodePlain(raw, back, "")
}

// transcode never fails: the decoders of x/text write U+FFFD for what they do
// not know, and replace what is cut at the end.
func transcode(enc encoding.Encoding, raw []byte) []byte {
	text, err := enc.NewDecoder().Bytes(raw)
	if err != nil {
		return validUTF8(raw)
	}
	return text
}

func validUTF8(raw []byte) []byte {
	if utf8.Valid(raw) {
		return raw
	}
	return bytes.ToValidUTF8(raw, []byte("\uFFFD"))
}

// badBytes tells whether decoding brought in the replacement character.
func badBytes(raw, text []byte) []string {
	if len(text) > 0 && len(raw) > 0 && &text[0] == &raw[0] {
		return nil
	}
	if bytes.Contains(text, []byte("\uFFFD")) && !bytes.Contains(raw, []byte("\uFFFD")) {
		return []string{WarnBadBytes}
	}
	return nil
}

// looksWide tells whether bytes declared UTF-16 or UTF-32 can be that: text
// of instruments is mostly ASCII, so every other byte is zero. Most senders
// that say so send UTF-8.
func looksWide(raw []byte) bool {
	return len(raw) >= 2 && bytes.Count(raw[:min(len(raw), 256)], []byte{0}) >= min(len(raw), 256)/3
}

func wideEncoding(name string, raw []byte) encoding.Encoding {
	little := len(raw) > 0 && raw[0] != 0
	if name == "UTF-32" {
		if little {
			return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
		}
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	}
	if little {
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	}
	return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
}

// isASCII looks at eight bytes at a time: nearly every message is.
func isASCII(raw []byte) bool {
	for len(raw) >= 8 {
		if binary.LittleEndian.Uint64(raw)&0x8080808080808080 != 0 {
			return false
		}
		raw = raw[8:]
	}
	for _, c := range raw {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
