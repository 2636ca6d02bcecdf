package codec_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
)

func TestDescribeAttachment(t *testing.T) {
	pad := strings.Repeat("\x00", 90)
	b64 := base64.StdEncoding.EncodeToString
	png, bmp := "\x89PNG\r\n\x1a\n"+pad, "BM\x66\x00\x00\x00\x00\x00\x00\x00"+pad
	for _, c := range []struct {
		name, data, encoding string
		want                 codec.Attachment
		intact               bool
	}{
		{"png", b64([]byte(png)), "Base64", codec.Attachment{Type: "image/png", Encoding: "base64", Bytes: len(png)}, true},
		{"bmp, nothing said", b64([]byte(bmp)), "", codec.Attachment{Type: "image/bmp", Encoding: "base64", Bytes: len(bmp)}, true},
		{"jpeg", b64([]byte("\xff\xd8\xff\xe0" + pad)), "base64", codec.Attachment{Type: "image/jpeg", Encoding: "base64", Bytes: 94}, true},
		{"gif", b64([]byte("GIF89a" + pad)), "base64", codec.Attachment{Type: "image/gif", Encoding: "base64", Bytes: 96}, true},
		{"pdf", b64([]byte("%PDF-1.4" + pad)), "base64", codec.Attachment{Type: "application/pdf", Encoding: "base64", Bytes: 98}, true},
		{"tiff", b64([]byte("II*\x00" + pad)), "base64", codec.Attachment{Type: "image/tiff", Encoding: "base64", Bytes: 94}, true},
		{"hex", hex.EncodeToString([]byte(png)), "Hex", codec.Attachment{Type: "image/png", Encoding: "hex", Bytes: len(png)}, true},
		{"broken in lines", b64([]byte(png))[:40] + "\r\n " + b64([]byte(png))[40:], "base64", codec.Attachment{Type: "image/png", Encoding: "base64", Bytes: len(png)}, true},
		{"padding lost", strings.TrimRight(b64([]byte(png)), "="), "base64", codec.Attachment{Type: "image/png", Encoding: "base64", Bytes: len(png)}, true},
		{"unknown", b64([]byte("histogram" + pad)), "base64", codec.Attachment{Type: "application/octet-stream", Encoding: "base64", Bytes: 99}, true},
		{"elided", "Qk32lgMAAA……", "Base64", codec.Attachment{Type: "image/bmp", Encoding: "base64", Bytes: 7}, false},
		{"plain", "%PDF-1.4 text", "A", codec.Attachment{Type: "application/pdf", Encoding: "none", Bytes: 13}, true},
		{"odd hex", "89504E470", "hex", codec.Attachment{Type: "image/png", Encoding: "hex", Bytes: 4}, false},
		{"empty", "", "", codec.Attachment{Type: "application/octet-stream", Encoding: "none"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, intact := codec.DescribeAttachment(c.data, c.encoding)
			if got != c.want || intact != c.intact {
				t.Errorf("got %+v %v, want %+v %v", got, intact, c.want, c.intact)
			}
		})
	}
}

func TestLooksEncapsulated(t *testing.T) {
	for text, want := range map[string]bool{
		"Qk":                                           false, // short for Quick, not for a bitmap
		"BMI above the range":                          false,
		strings.Repeat("A", 200):                       false,
		"iVBORw0KGgo" + strings.Repeat("A", 60):        true,
		"iVBORw0KGgo" + strings.Repeat("A^", 60):       false,
		"/9j/4AAQSkZJRgABAQ" + strings.Repeat("A", 60): true,
	} {
		if got := codec.LooksEncapsulated(text); got != want {
			t.Errorf("%.20s: got %v, want %v", text, got, want)
		}
	}
}
