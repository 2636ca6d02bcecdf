package codec_test

import (
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func TestPlace(t *testing.T) {
	for _, tt := range []struct{ entry, path, text, want string }{
		{"O.4.3", "O.4.3", " 24-0815 ", " 24-0815 "},
		{"SPM-2.1", "SPM-2.1", "", ""},
		{"SPM-2/[0-9]{6,}$", "SPM-2", "DOE JANE 33038655", "33038655"},
		{"SPM-2/[0-9]{6,}$", "SPM-2", "DOE JANE", ""},
		{"O.3 / [A-Z]/[0-9]+", "O.3", "x A/17", " A/17"},
	} {
		p, err := codec.ParsePlace(tt.entry)
		if err != nil {
			t.Fatalf("%s: %v", tt.entry, err)
		}
		if p.Path != tt.path {
			t.Errorf("%s: path %q, want %q", tt.entry, p.Path, tt.path)
		}
		if got := p.Of(tt.text); got != tt.want {
			t.Errorf("%s of %q: %q, want %q", tt.entry, tt.text, got, tt.want)
		}
	}
}

func TestPlaceThatFindsNothing(t *testing.T) {
	for _, entry := range []string{"SPM-2/[0-9", "SPM-2/", "O.3/[0-9]*"} {
		_, err := codec.ParsePlace(entry)
		if err == nil || !strings.Contains(privacytest.Error(err), "specimen_path") {
			t.Errorf("%s: error %v, want one that names specimen_path", entry, err)
		}
	}
}
