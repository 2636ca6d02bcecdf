package codec

import (
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// charsetOf is what a name stands for. A nil enc is ASCII or UTF-8.
type charsetOf struct {
	name        string // IANA
	enc         encoding.Encoding
	wide        bool // UTF-16, UTF-32
	shifts      bool // a set of ISO 2022: the bytes may hold escapes
	approximate bool // the nearest charset that we have
}

// lookup finds a charset by any of its spellings in HL7 table 0211, in the
// names that instruments really send and in the IANA registry; case, blanks
// and punctuation do not matter. The empty name is ASCII.
//
// HL7's 8859/1 is decoded as windows-1252, which holds the same letters and
// gives the bytes 0x80 to 0x9F the meaning that they have in practice.
// UNICODE alone is UTF-8 on the wire (Mindray, EDAN, Getein). ISO IR87 and
// IR159 without escapes are EUC-JP when the bytes are valid EUC-JP, else
// Shift_JIS, which is also what ISO IR14 grew into. CNS 11643 (EUC-TW) is not
// in x/text: Big5, with a warning.
func lookup(name string) (charsetOf, bool) {
	key := letters(name)
	switch key {
	case "", "ASCII", "USASCII", "ISOIR6", "ISO646":
		return charsetOf{name: "US-ASCII"}, true
	case "UNICODE", "UTF8", "UNICODEUTF8", "ISO10646":
		return charsetOf{name: "UTF-8"}, true
	case "UNICODEUTF16", "UTF16", "UTF16LE", "UTF16BE", "UCS2":
		return charsetOf{name: "UTF-16", wide: true}, true
	case "UNICODEUTF32", "UTF32", "UTF32LE", "UTF32BE", "UCS4":
		return charsetOf{name: "UTF-32", wide: true}, true
	case "GB180302000", "GB18030", "GBK", "GB2312", "CP936", "WINDOWS936", "EUCCN":
		return charsetOf{name: "GB18030", enc: simplifiedchinese.GB18030}, true
	case "BIG5", "CP950", "WINDOWS950":
		return charsetOf{name: "Big5", enc: traditionalchinese.Big5}, true
	case "CNS116431992", "CNS11643", "EUCTW":
		return charsetOf{name: "Big5", enc: traditionalchinese.Big5, approximate: true}, true
	case "ISOIR14", "JISX0201", "SHIFTJIS", "SJIS", "MSKANJI", "CP932", "WINDOWS31J":
		return charsetOf{name: "Shift_JIS", enc: japanese.ShiftJIS}, true
	case "ISOIR87", "ISOIR159", "JISX0208", "JISX02081990", "JISX02121990", "ISO2022JP":
		return charsetOf{name: "Shift_JIS", enc: japanese.ShiftJIS, shifts: true}, true
	case "EUCJP":
		return charsetOf{name: "EUC-JP", enc: japanese.EUCJP}, true
	case "KSX1001", "KSC5601", "EUCKR", "CP949", "WINDOWS949", "ISOIR149":
		return charsetOf{name: "EUC-KR", enc: korean.EUCKR}, true
	}
	if cs, ok := lookupSingle(key); ok {
		return cs, true
	}
	enc, err := ianaindex.IANA.Encoding(strings.TrimSpace(name))
	if err != nil || enc == nil {
		return charsetOf{}, false
	}
	iana, err := ianaindex.IANA.Name(enc)
	return charsetOf{name: iana, enc: enc}, err == nil
}

// lookupSingle finds the single-byte charsets.
func lookupSingle(key string) (charsetOf, bool) {
	if key == "LATIN1" {
		key = "88591"
	}
	part := strings.TrimPrefix(strings.TrimPrefix(key, "ISO"), "8859")
	if len(part) < len(key) && strings.Contains(key, "8859") {
		switch part {
		case "1":
			return charsetOf{name: "windows-1252", enc: charmap.Windows1252}, true
		case "2":
			return charsetOf{name: "ISO-8859-2", enc: charmap.ISO8859_2}, true
		case "3":
			return charsetOf{name: "ISO-8859-3", enc: charmap.ISO8859_3}, true
		case "4":
			return charsetOf{name: "ISO-8859-4", enc: charmap.ISO8859_4}, true
		case "5":
			return charsetOf{name: "ISO-8859-5", enc: charmap.ISO8859_5}, true
		case "6":
			return charsetOf{name: "ISO-8859-6", enc: charmap.ISO8859_6}, true
		case "7":
			return charsetOf{name: "ISO-8859-7", enc: charmap.ISO8859_7}, true
		case "8":
			return charsetOf{name: "ISO-8859-8", enc: charmap.ISO8859_8}, true
		case "9":
			return charsetOf{name: "ISO-8859-9", enc: charmap.ISO8859_9}, true
		case "11":
			return charsetOf{name: "windows-874", enc: charmap.Windows874}, true
		case "15":
			return charsetOf{name: "ISO-8859-15", enc: charmap.ISO8859_15}, true
		}
		return charsetOf{}, false
	}
	part = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(key, "WINDOWS"), "CP"), "WIN")
	if len(part) == 4 && len(part) < len(key) && strings.HasPrefix(part, "125") {
		maps := [...]*charmap.Charmap{
			charmap.Windows1250, charmap.Windows1251, charmap.Windows1252, charmap.Windows1253, charmap.Windows1254,
			charmap.Windows1255, charmap.Windows1256, charmap.Windows1257, charmap.Windows1258,
		}
		if n := int(part[3] - '0'); n >= 0 && n < len(maps) {
			return charsetOf{name: "windows-" + part, enc: maps[n]}, true
		}
	}
	return charsetOf{}, false
}

// letters keeps the letters and digits of a name, in upper case.
func letters(name string) string {
	var b [24]byte
	n := 0
	for i := 0; i < len(name) && n < len(b); i++ {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		default:
			continue
		}
		b[n] = c
		n++
	}
	return string(b[:n])
}
