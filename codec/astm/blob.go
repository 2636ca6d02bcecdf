package astm

import (
	"strings"

	"github.com/assaybus/assaybus/codec"
)

// smallestBlob is how many bytes of base64 or hexadecimal make a leaf an
// attachment: shorter ones are carried as text.
const smallestBlob = 1 << 10

// elide takes the encapsulated data out of a field, so that the parsed
// message does not repeat what the raw one holds (Horiba Yumizen sends its
// histograms in base64). blob describes the first; nil means that there is
// none and short is the field itself.
func (w *walk) elide(field string) (short string, blob *codec.Attachment) {
	var b strings.Builder
	from := 0 // begin of the leaf at hand
	kept := 0 // everything before is in b
	for i := 0; i <= len(field); i++ {
		if i < len(field) && !w.delimits(field[i:]) {
			continue
		}
		if encoding := encapsulated(field[from:i]); encoding != "" {
			if blob == nil {
				a, _ := codec.DescribeAttachment(field[from:i], encoding)
				blob = &a
			}
			b.WriteString(field[kept:from])
			kept = i
		}
		from = i + 1 // the rest of a longer delimiter is no base64
	}
	if blob == nil {
		return field, nil
	}
	b.WriteString(field[kept:])
	return b.String(), blob
}

// delimits reports that text begins with a repeat or component delimiter.
func (w *walk) delimits(text string) bool {
	return w.d.component != "" && strings.HasPrefix(text, w.d.component) ||
		w.d.repeat != "" && strings.HasPrefix(text, w.d.repeat)
}

// encapsulated is "base64" or "hex" for a long leaf of nothing else.
func encapsulated(leaf string) string {
	if len(leaf) < smallestBlob {
		return ""
	}
	hex := true
	leaf = strings.TrimSpace(leaf)
	for i := range len(leaf) {
		switch c := leaf[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		case c >= 'g' && c <= 'z', c >= 'G' && c <= 'Z', c == '+', c == '/', c == '=':
			hex = false
		default:
			return ""
		}
	}
	if hex {
		return "hex"
	}
	return "base64"
}
