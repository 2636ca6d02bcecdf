package astm_test

import (
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/google/go-cmp/cmp"
)

// What a header declares, and what is made of it (repeat and component shown
// by the flags, escape by the value).
func TestDelimiters(t *testing.T) {
	tests := []struct {
		header string
		r      string // the result record behind a P and an O
		flags  []string
		value  string
		warn   string
	}{
		{`H|\^&`, `R|1||a&F&b|||X\Y^Z`, []string{"X", "Y", "Z"}, "a|b", ""},
		{`H|@^\|`, `R|1||a\R\b|||X@Y^Z`, []string{"X", "Y", "Z"}, "a@b", ""},
		{`H~\^&~`, `R~1~~a&F&b|c~~~X\Y`, []string{"X", "Y"}, "a~b|c", ""},
		{`H|\^|`, `R|1||a&F&b|||X\Y`, []string{"X", "Y"}, "a&F&b", codec.WarnNoEscape},
		{`H|\\^&|`, `R|1||a&S&b|||X\Y`, []string{"X", "Y"}, "a^b", codec.WarnDelimiters},
		{`H|@^\\|`, `R|1||a\E\b|||X@Y`, []string{"X", "Y"}, `a\b`, codec.WarnDelimiters},
		{`H|^~\&|`, `R|1||a\S\b|||X^Y`, []string{"X", "Y"}, "a~b", codec.WarnDelimiters},
		{`H|\^&#|`, `R|1||a&S&b|||X\Y`, []string{"X", "Y"}, "a^b", codec.WarnDelimiters},
		{`H|`, `R|1||a&S&b|||X\Y`, []string{"X", "Y"}, "a^b", codec.WarnDelimiters},
		{`H|\`, `R|1||a&S&b|||X\Y`, []string{"X", "Y"}, "a^b", codec.WarnDelimiters},
		{`H|\\\|`, `R|1||a&S&b|||X\Y`, []string{"X", "Y"}, "a^b", codec.WarnDelimiters},
		{`H|a^&|`, `R|1||a&S&b|||X\Y`, []string{"X", "Y"}, "a^b", codec.WarnDelimiters},
		{`H|\ &|`, `R|1||a&S&b|||X\Y`, []string{"X", "Y"}, "a^b", codec.WarnDelimiters},
		{`H|§^&|`, `R|1||a&R&b|||X§Y`, []string{"X", "Y"}, "a§b", ""},
		{`H^\^`, `R^1^^a&F&b^^^X\Y`, []string{"X", "Y"}, "a^b", codec.WarnDelimiters},
		{`h|\^&`, `r|1||a&F&b|||X\Y`, []string{"X", "Y"}, "a|b", ""},
	}
	for _, tt := range tests {
		f := tt.header[1:2]
		m := parse(t, codec.Options{}, tt.header, "P"+f+"1", "O"+f+"1"+f+"S1", tt.r, "L"+f+"1")
		r := m.Results[0]
		if diff := cmp.Diff(tt.flags, r.Flags); diff != "" || r.Value != tt.value {
			t.Errorf("%s: value %q, want %q, flags (-want +got):\n%s", tt.header, r.Value, tt.value, diff)
		}
		if got := tt.warn == "" || has(m, tt.warn); !got || tt.warn == "" && len(m.Warnings) > 0 {
			t.Errorf("%s: warnings %v, want %q", tt.header, m.Warnings, tt.warn)
		}
	}
}

func TestEscapes(t *testing.T) {
	tests := []struct{ sent, want string }{
		{"&F&&S&&R&&E&", `|^\&`},
		{"a&H&b&N&c", "abc"},
		{"&XA&", "\n"},
		{"a&X0D0A&b", "a\r\nb"},
		{"&X41&&x42&", "A&x42&"},
		{"&XC3A9&", "é"}, // UTF-8
		{"&XE9&", "é"},   // the fallback's é
		{"&X&", "&X&"},
		{"&XG&", "&XG&"},
		{"&Zlocal&", "&Zlocal&"},
		{"A & B", "A & B"},
		{"A & B &F& C", "A & B | C"},
		{"100&", "100&"},
		{"&", "&"},
		{"&&", "&&"},
		{"&&E&", "&&"},
		{"DB&E&23-33E22", "DB&23-33E22"},
		{`PNG&R&20261123&R&a.PNG`, `PNG\20261123\a.PNG`},
		{`pos\reactive`, `pos\reactive`}, // a repeat, never a record's end
	}
	for _, tt := range tests {
		m := parse(t, codec.Options{}, `H|\^&`, "P|1", "O|1|S1", "R|1||"+tt.sent, "L|1|N")
		if got := m.Results[0].Value; got != tt.want {
			t.Errorf("%q: value %q, want %q", tt.sent, got, tt.want)
		}
		if got := m.Records[3][3]; got != tt.sent {
			t.Errorf("%q: record %q is not as sent", tt.sent, got)
		}
	}
}

// &| is a field delimiter in the text only where the header speaks Mindray's
// dialect, and never the end of an escape sequence.
func TestEscapedFieldDelimiter(t *testing.T) {
	tests := []struct {
		processing, sent string
		want             []string
		value            string
	}{
		{"PR", "R|1|T|a&|b|u", []string{"R", "1", "T", "a&|b", "u"}, "a|b"},
		{"PR", "R|1|T|a&F&|u", []string{"R", "1", "T", "a&F&", "u"}, "a|"},
		{"PR", "R|1|T|a & b&|&|c|u", []string{"R", "1", "T", "a & b&|&|c", "u"}, "a & b||c"},
		{"PR", "R|1|T|5|u", []string{"R", "1", "T", "5", "u"}, "5"},
		{"P", "R|1|T|a&|b|u", []string{"R", "1", "T", "a&", "b", "u"}, "a&"},
	}
	for _, tt := range tests {
		m := parse(t, codec.Options{}, `H|\^&||||||||||`+tt.processing, "P|1", "O|1|S1", tt.sent, "L|1|N")
		if diff := cmp.Diff(tt.want, m.Records[3]); diff != "" || m.Results[0].Value != tt.value {
			t.Errorf("%s %s: value %q, want %q (-want +got):\n%s", tt.processing, tt.sent, m.Results[0].Value, tt.value, diff)
		}
	}
}

// A second header declares delimiters anew and forgets every parent.
func TestSecondHeader(t *testing.T) {
	m := parse(t, codec.Options{}, `H|\^&`, "P|1||A", "O|1|S1", `H@~#\`, "R@1@@5", "P@1@@B", "O@1@S2", `R@1@###T@6~7\F\`, "L@1")
	if r := m.Results[0]; r.Specimen != "" || r.Order != nil || r.Patient != nil {
		t.Errorf("a result of nothing belongs to %+v", r)
	}
	if r := m.Results[1]; r.Specimen != "S2" || r.Code != "T" || r.Value != "6~7@" || m.Patients[*r.Patient].ID != "B" {
		t.Errorf("result %+v, want 6~7@ of S2", r)
	}
	for _, code := range []string{codec.WarnExtraHeader, codec.WarnOrphanResult} {
		if !has(m, code) {
			t.Errorf("no warning %s in %v", code, m.Warnings)
		}
	}
}

func TestElision(t *testing.T) {
	long := strings.Repeat("7dR/TJR1", 128)
	hex := strings.Repeat("89504E47", 128)
	tests := []struct {
		name, sent, kept string
		attachment       *codec.Attachment
	}{
		{"base64", long, "", &codec.Attachment{Type: "application/octet-stream", Encoding: "base64", Bytes: 768}},
		{"hex", hex, "", &codec.Attachment{Type: "image/png", Encoding: "hex", Bytes: 512}},
		{"one component of three", `a^` + long + `\b`, `a^\b`, &codec.Attachment{Type: "application/octet-stream", Encoding: "base64", Bytes: 768}},
		{"short", long[:1020], long[:1020], nil},
		{"text", strings.Repeat("long text ", 200), strings.Repeat("long text ", 200), nil},
	}
	for _, tt := range tests {
		m := parse(t, codec.Options{}, `H|\^&`, "P|1", "O|1|S1", "R|1|T|"+tt.sent, "R|2|U|5", "M|1|"+tt.sent, "L|1|N")
		if got := m.Records[3][3]; got != tt.kept {
			t.Errorf("%s: kept %q, want %q", tt.name, got, tt.kept)
		}
		if got := m.Records[5][2]; got != tt.kept {
			t.Errorf("%s: kept %q of M, want %q", tt.name, got, tt.kept)
		}
		if diff := cmp.Diff(tt.attachment, m.Results[0].Attachment); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if m.Results[1].Attachment != nil || has(m, codec.WarnAttachmentElided) != (tt.attachment != nil) {
			t.Errorf("%s: next result %+v, warnings %v", tt.name, m.Results[1], m.Warnings)
		}
	}
}
