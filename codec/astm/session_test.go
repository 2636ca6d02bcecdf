package astm_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/astm"
	"github.com/assaybus/assaybus/codec/codectest"
)

func build(o codec.Options) codec.Protocol {
	p, err := astm.New(o)
	if err != nil {
		panic(err)
	}
	return p
}

func with(quirks ...string) codec.Protocol { return build(codec.Options{Quirks: quirks}) }

// root is the repository's folder.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

func TestConversations(t *testing.T) {
	codectest.Run(t, build, filepath.Join(root(t), "testdata", "astm", "link"))
}

// capture is an entry of the corpus's expect.json.
type capture struct {
	File     string
	Protocol string
	Framed   bool
	Messages *int
	Options  struct{ Quirks []string }
	Accept   bool `json:"accept_error"`
	bytes    []byte
}

// corpus reads the ASTM captures, which are not part of the repository.
func corpus(t testing.TB) []capture {
	t.Helper()
	dir := os.Getenv("ASSAYBUS_CORPUS")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "corpus")
	}
	text, err := os.ReadFile(filepath.Join(dir, "expect.json"))
	if err != nil {
		t.Skipf("the corpus of captures is not here: set ASSAYBUS_CORPUS (%v)", err)
	}
	var all, some []capture
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if !strings.HasPrefix(c.File, "astm/") {
			continue
		}
		if c.bytes, err = os.ReadFile(filepath.Join(dir, c.File)); err != nil {
			t.Fatal(err)
		}
		some = append(some, c)
	}
	return some
}

// TestCorpus: with the quirks that its entry names, every capture gives the
// messages that it holds, and no message vanishes.
func TestCorpusSessions(t *testing.T) {
	for _, c := range corpus(t) {
		t.Run(filepath.Base(c.File), func(t *testing.T) {
			var host codectest.Host
			written, err := codectest.Play(t, with(c.Options.Quirks...), &host, c.bytes)
			if err != nil {
				t.Fatal(err)
			}
			stored, lost := host.Stored(), host.GivenUp()
			switch {
			case c.Accept:
				if len(stored)+len(lost)+host.Events(codec.EventNakSent)+host.Events(codec.EventNoise) == 0 {
					t.Error("it vanished")
				}
			case len(stored) != *c.Messages || len(lost) > 0:
				t.Errorf("stored %d and gave up %d, want %d and 0", len(stored), len(lost), *c.Messages)
			}
			if c.Framed && !c.Accept && bytes.IndexByte(written, 0x15) >= 0 {
				t.Errorf("refused something: %q", written)
			}
		})
	}
}

// TestCorpusSplit: however a capture arrives, the outcome is the same.
func TestCorpusSplit(t *testing.T) {
	for _, c := range corpus(t) {
		t.Run(filepath.Base(c.File), func(t *testing.T) {
			codectest.Split(t, with(c.Options.Quirks...), c.bytes)
		})
	}
}
