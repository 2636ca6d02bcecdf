package subjects_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/assaybus/assaybus/subjects"
)

// grammar is what every token looks like: whole characters and whole escapes,
// and at most one hash at the end.
var grammar = regexp.MustCompile(`^(?:[A-Za-z0-9_-]|=[0-9A-F]{2})*(?:=-[0-9a-f]{16})?$`)

func TestToken(t *testing.T) {
	for id, want := range map[string]string{
		"xn1000":                "xn1000",
		"XN-1000_2":             "XN-1000_2",
		"":                      "_",
		"_":                     "=5F", // so that it differs from the empty id
		"__":                    "__",
		"a.b":                   "a=2Eb",
		"*":                     "=2A",
		">":                     "=3E",
		"a b":                   "a=20b",
		"a\r\nb":                "a=0D=0Ab",
		"=2A":                   "=3D2A",
		"Ω":                     "=CE=A9",
		"\xff":                  "=FF",
		"a/b":                   "a=2Fb",
		strings.Repeat("x", 64): strings.Repeat("x", 64),
		strings.Repeat(".", 21): strings.Repeat("=2E", 21), // 63
		strings.Repeat("x", 65): strings.Repeat("x", 46) + "=-9537c5fdf120482f",
		strings.Repeat("x", 45) + strings.Repeat(".", 30): strings.Repeat("x", 45) + "=-7f99a06ede3d343b",
	} {
		if got := subjects.Token(id); got != want {
			t.Errorf("Token(%.20q, %d bytes): got %s, want %s", id, len(id), got, want)
		}
	}
}

func TestTokenGrammar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := anyID().Draw(t, "id")
		got := subjects.Token(id)
		if got == "" || len(got) > 64 || !grammar.MatchString(got) {
			t.Errorf("Token(%q): got %q", id, got)
		}
		if again := subjects.Token(id); again != got {
			t.Errorf("Token(%q): got %q, then %q", id, got, again)
		}
	})
}

func TestTokenTellsIDsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyID().Draw(t, "a"), anyID().Draw(t, "b")
		if a != b && subjects.Token(a) == subjects.Token(b) {
			t.Errorf("%q and %q give %q", a, b, subjects.Token(a))
		}
		// The hardest neighbours: a token taken for an id, a long id with one more.
		for _, other := range []string{subjects.Token(a), a + "x", a + ".", strings.ToUpper(a)} {
			if other != a && subjects.Token(other) == subjects.Token(a) && subjects.Token(a) != a {
				t.Errorf("%q and %q give %q", a, other, subjects.Token(a))
			}
		}
	})
}

func anyID() *rapid.Generator[string] {
	bytes := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) })
	return rapid.OneOf(rapid.StringN(0, 80, 400), bytes,
		rapid.StringMatching(`[a-z.=_*> -]{0,70}`), rapid.SampledFrom([]string{"", "_", "=5F", "=", "=-", "."}))
}

func TestSubjects(t *testing.T) {
	for want, got := range map[string]string{
		"lab.raw.main.xn1000":             subjects.Raw("main", "xn1000"),
		"lab.parsed.main.xn1000.result":   subjects.Parsed("main", "xn1000", "result"),
		"lab.failed.main.xn1000.oversize": subjects.Failed("main", "xn1000", subjects.ReasonOversize),
		"lab.link.a=2Eb._.silent":         subjects.Link("a.b", "", subjects.EventSilent),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Whatever the ids are, a subject has its number of tokens, no wildcard, and
// stays far below the control line's 4096 bytes.
func TestSubjectShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		site, id, kind := anyID().Draw(t, "site"), anyID().Draw(t, "id"), anyID().Draw(t, "kind")
		for s, tokens := range map[string]int{
			subjects.Raw(site, id): 4, subjects.Parsed(site, id, kind): 5,
			subjects.Failed(site, id, kind): 5, subjects.Link(site, id, kind): 5,
		} {
			if strings.ContainsAny(s, "*> \t\r\n\x00") || strings.Count(s, ".") != tokens-1 || strings.Contains(s, "..") || len(s) > 256 {
				t.Errorf("got %q", s)
			}
		}
	})
}

func TestServicesAreOutsideTheStreams(t *testing.T) {
	for _, all := range []string{subjects.AllRaw, subjects.AllParsed, subjects.AllFailed, subjects.AllLink} {
		root, ok := strings.CutSuffix(all, ">")
		if !ok || !strings.HasPrefix(root, "lab.") || root == "labsvc." {
			t.Errorf("%s reaches labsvc", all)
		}
	}
}

func TestBaseID(t *testing.T) {
	const base = "main.xn.0123"
	for _, tt := range []struct{ id, subject, run string }{
		{base, "lab.parsed.main.xn.result", ""},
		{subjects.FailedID(base, subjects.ReasonUnparsable), subjects.Failed("main", "xn", subjects.ReasonUnparsable), ""},
		{subjects.ReplayID(base, "r1"), "lab.parsed.main.xn.result", "r1"},
		{subjects.ReplayID(base, "r1"), "lab.failed.main.xn.unparsable", "r1"},
		{subjects.ReplayID(base, "r1"), "test.main.xn.failed", "r1"},
	} {
		if got := subjects.BaseID(tt.id, tt.subject, tt.run); got != base {
			t.Errorf("BaseID(%q, %q, %q) = %q, want %q", tt.id, tt.subject, tt.run, got, base)
		}
	}
	if got := subjects.BaseID(base+".unparsable", "lab.parsed.main.xn.result", ""); got != base+".unparsable" {
		t.Errorf("a parsed message's id lost its end: %q", got)
	}
}
