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
	for more := field; more != ""; {
		end, next := len(more), len(more)
		for _, d := range [...]string{w.d.repeat, w.d.component} {
			if at := strings.Index(more[:end], d); d != "" && at >= 0 {
				end, next = at, at+len(d)
			}
		}
		leaf := more[:end]
		if encoding := encapsulated(leaf); encoding != "" {
			if blob == nil {
				a, _ := codec.DescribeAttachment(leaf, encoding)
				blob = &a
			}
			leaf = ""
		}
		b.WriteString(leaf)
		b.WriteString(more[end:next])
		more = more[next:]
	}
	if blob == nil {
		return field, nil
	}
	return b.String(), blob
}

// encapsulated is "base64" or "hex" for a long leaf of nothing else.
func encapsulated(leaf string) string {
	leaf = strings.TrimSpace(leaf)
	if len(leaf) < smallestBlob {
		return ""
	}
	hex := true
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
