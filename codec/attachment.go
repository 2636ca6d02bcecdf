package codec

import (
	"encoding/base64"
	"strings"
)

// DescribeAttachment describes encapsulated data by what it holds, not by
// what is said of it. encoding is the sender's word (base64, hex; anything
// else means that the data stand as they are); without one, data that look
// like base64 are taken as such. intact is false when the data do not decode
// to their end; they are described all the same.
func DescribeAttachment(data, encoding string) (a Attachment, intact bool) {
	switch {
	case strings.EqualFold(encoding, "base64"), encoding == "" && LooksEncapsulated(data):
		a.Encoding = "base64"
		a.Bytes, intact = base64Size(data)
		a.Type = magicType(base64Head(data))
	case strings.EqualFold(encoding, "hex"):
		a.Encoding = "hex"
		var digits int
		digits, intact = hexDigits(data)
		a.Bytes = digits / 2
		a.Type = magicType(hexHead(data))
	default:
		a.Encoding, a.Bytes, intact = "none", len(data), true
		a.Type = magicType([]byte(data[:min(len(data), 32)]))
	}
	return a, intact
}

// LooksEncapsulated tells whether a text is an image or a document in base64:
// long, of base64's alphabet, and beginning with a format's magic bytes.
func LooksEncapsulated(text string) bool {
	const shortest = 64 // no image is smaller, many a name is
	if len(text) < shortest || magicType(base64Head(text)) == unknownType {
		return false
	}
	for i := range min(len(text), 1024) {
		if !inBase64(text[i]) && text[i] != '=' && text[i] > ' ' {
			return false
		}
	}
	return true
}

const unknownType = "application/octet-stream"

// magicType is the media type that the first bytes tell.
func magicType(head []byte) string {
	s := string(head)
	switch {
	case strings.HasPrefix(s, "\x89PNG"):
		return "image/png"
	case strings.HasPrefix(s, "\xFF\xD8\xFF"):
		return "image/jpeg"
	case strings.HasPrefix(s, "GIF8"):
		return "image/gif"
	case strings.HasPrefix(s, "%PDF"):
		return "application/pdf"
	case strings.HasPrefix(s, "II*\x00"), strings.HasPrefix(s, "MM\x00*"):
		return "image/tiff"
	case strings.HasPrefix(s, "BM") && len(s) >= 6 && (len(s) < 10 || s[6:10] == "\x00\x00\x00\x00"):
		return "image/bmp" // the four bytes behind the size are reserved
	}
	return unknownType
}

// base64Head decodes the first bytes, as many as magicType looks at.
func base64Head(data string) []byte {
	var quads [16]byte
	n := 0
	for i := 0; i < len(data) && n < len(quads); i++ {
		if c := data[i]; inBase64(c) {
			quads[n] = c
			n++
		} else if c > ' ' {
			break
		}
	}
	head := make([]byte, 12)
	n, err := base64.StdEncoding.Decode(head, quads[:n/4*4])
	if err != nil {
		return nil
	}
	return head[:n]
}

// base64Size is the size of the decoded data: blanks and line ends do not
// count, padding may be missing.
func base64Size(data string) (int, bool) {
	letters, intact := 0, true
	for i := range len(data) {
		switch c := data[i]; {
		case inBase64(c):
			letters++
		case c == '=' || c <= ' ':
		default:
			intact = false
		}
	}
	return letters * 6 / 8, intact && letters%4 != 1
}

func inBase64(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}

func hexDigits(data string) (int, bool) {
	digits, intact := 0, true
	for i := range len(data) {
		switch c := data[i]; {
		case hexValue(c) >= 0:
			digits++
		case c > ' ':
			intact = false
		}
	}
	return digits, intact && digits%2 == 0
}

func hexHead(data string) []byte {
	var head []byte
	high := -1
	for i := 0; i < len(data) && len(head) < 12; i++ {
		v := hexValue(data[i])
		switch {
		case v < 0:
		case high < 0:
			high = v
		default:
			head, high = append(head, byte(high<<4|v)), -1
		}
	}
	return head
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
