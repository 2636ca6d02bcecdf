package codectest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden parses every *.raw of dir and compares the message, as indented JSON,
// with the *.golden.json beside it; -update writes those. What parse refuses
// is compared as {"error": …}. Every message must satisfy the schema.
func Golden(t *testing.T, dir string, parse func(name string, raw []byte) (*codec.Message, error)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.raw"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no messages in %s (%v)", dir, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".raw")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := goldenJSON(t, name, raw, parse)
			golden := filepath.Join(dir, name+".golden.json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: run the test with -update and read what it writes", err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func goldenJSON(t *testing.T, name string, raw []byte, parse func(string, []byte) (*codec.Message, error)) []byte {
	t.Helper()
	m, err := parse(name, bytes.Clone(raw))
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	privacytest.Message(raw)
	if err != nil {
		err = e.Encode(map[string]string{"error": privacytest.Error(err)})
	} else {
		Validate(t, m)
		err = e.Encode(m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(codec.SchemaJSON()))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("message.schema.json", document); err != nil {
		return nil, err
	}
	return compiler.Compile("message.schema.json")
})

// Validate fails the test when m, as JSON, does not satisfy the schema of
// published messages.
func Validate(t testing.TB, m *codec.Message) {
	t.Helper()
	s, err := schema()
	if err != nil {
		t.Fatalf("the schema does not compile: %v", err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(value); err != nil {
		t.Errorf("not a message of the schema: %v", err)
	}
}

// Root is the repository's root: the nearest directory above with a go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		break
	}
	t.Fatalf("no go.mod above the test's directory (%v)", err)
	return ""
}

// Corpus is the directory of real instruments' messages, from ASSAYBUS_CORPUS
// or ../shared/corpus beside the repository; the test is skipped, and says so,
// where it is absent.
func Corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ASSAYBUS_CORPUS")
	if dir == "" {
		dir = filepath.Join(Root(t), "..", "shared", "corpus")
	}
	if _, err := os.Stat(filepath.Join(dir, "expect.json")); err != nil {
		t.Skipf("the corpus of real messages is not at %s: set ASSAYBUS_CORPUS to test against it", dir)
	}
	return dir
}
