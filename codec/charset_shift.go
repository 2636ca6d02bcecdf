package codec

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

const esc = 0x1B

// announcesShifts tells whether the further repetitions of MSH-18 name a set
// that is reached by ISO 2022 escapes (HL7 v2.3 §2.24.19).
func announcesShifts(others string) bool {
	for others != "" {
		var name string
		name, others, _ = strings.Cut(others, "~")
		if cs, ok := lookup(name); ok && (cs.shifts || cs.enc != nil) {
			return true
		}
	}
	return false
}

// decodeShifts decodes bytes in which ISO 2022 escapes designate G0. A line's
// end brings ASCII back, as RFC 1468 wants and as a cut segment needs.
func decodeShifts(raw []byte, base charsetOf, fallback string) []byte {
	out := make([]byte, 0, len(raw)*3/2)
	set := byte('B')
	for len(raw) > 0 {
		if n, s := designation(raw); n > 0 {
			raw, set = raw[n:], s
			continue
		}
		end := runEnd(raw)
		if set == 'B' {
			plain, _ := decodePlain(raw[:end], base, fallback)
			out = append(out, plain...)
		} else {
			if cut := bytes.IndexAny(raw[:end], "\r\n"); cut >= 0 {
				end = cut
			}
			out = append(out, decodeSet(raw[:end], set)...)
			if end == 0 || end < len(raw) && raw[end] != esc {
				set = 'B'
			}
		}
		raw = raw[end:]
	}
	return out
}

// runEnd is where the next escape begins; an escape that designates nothing
// known stays in the text.
func runEnd(raw []byte) int {
	i := bytes.IndexByte(raw[1:], esc)
	if i < 0 {
		return len(raw)
	}
	return i + 1
}

// designation reads an escape that designates G0: its length and the set. The
// sets are named by their final byte: B ASCII, J Roman, I katakana, and for
// two bytes 0 JIS X 0208, D JIS X 0212, A GB 2312, C KS X 1001.
func designation(raw []byte) (int, byte) {
	for _, d := range [...]struct {
		seq string
		set byte
	}{
		{"\x1b(B", 'B'}, {"\x1b(J", 'B'}, {"\x1b(H", 'B'}, {"\x1b(I", 'I'}, {"\x1b)I", 'I'},
		{"\x1b$@", '0'}, {"\x1b$B", '0'}, {"\x1b$(@", '0'}, {"\x1b$(B", '0'}, {"\x1b$(D", 'D'},
		{"\x1b$A", 'A'}, {"\x1b$(A", 'A'}, {"\x1b$)A", 'A'}, {"\x1b$(C", 'C'}, {"\x1b$)C", 'C'},
	} {
		if len(raw) >= len(d.seq) && string(raw[:len(d.seq)]) == d.seq {
			return len(d.seq), d.set
		}
	}
	return 0, 0
}

// decodeSet decodes 7-bit codes through the 8-bit encoding that holds the
// same set: the codes are those bytes less 0x80.
func decodeSet(raw []byte, set byte) []byte {
	var enc encoding.Encoding
	switch set {
	case 'I':
		enc = japanese.ShiftJIS
	case 'A':
		enc = simplifiedchinese.GBK
	case 'C':
		enc = korean.EUCKR
	default:
		enc = japanese.EUCJP
	}
	high := make([]byte, 0, len(raw)*3/2)
	lead := true
	for _, c := range raw {
		if c <= 0x20 || c >= 0x7F {
			high, lead = append(high, c&0x7F), true
			continue
		}
		if set == 'D' && lead {
			high = append(high, 0x8F) // EUC-JP's single shift to JIS X 0212
		}
		high, lead = append(high, c|0x80), !lead
	}
	return transcode(enc, high)
}

func eucJPEncoding() encoding.Encoding { return japanese.EUCJP }

// eucJP tells whether bytes can be EUC-JP: pairs of 0xA1 to 0xFE, 0x8E with
// one and 0x8F with two such bytes behind it.
func eucJP(raw []byte) bool {
	high := func(i int) bool { return i < len(raw) && raw[i] >= 0xA1 && raw[i] <= 0xFE }
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c < 0x80:
		case c == 0x8F && high(i+1) && high(i+2):
			i += 2
		case (c == 0x8E || high(i)) && high(i+1):
			i++
		default:
			return false
		}
	}
	return true
}
