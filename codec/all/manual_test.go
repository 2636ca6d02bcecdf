package all_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
)

// The manual explains every field that the schema has, and no other.
func TestManualExplainsEveryField(t *testing.T) {
	const file = "docs/message.md"
	_, section, found := strings.Cut(codectest.Manual(t)[file], "\n## Fields of a parsed message\n")
	if !found {
		t.Fatalf("%s has no section of fields", file)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	explained := map[string]bool{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 2 {
			continue
		}
		for _, name := range regexp.MustCompile("`[^`]+`").FindAllString(cells[1], -1) {
			name = strings.Trim(name, "`")
			explained[name[strings.LastIndexByte(name, '.')+1:]] = true
			parent, _, _ := strings.Cut(strings.TrimSuffix(name, "[]"), ".")
			explained[strings.TrimSuffix(parent, "[]")] = true
		}
	}
	delete(explained, "")
	var schema any
	if err := json.Unmarshal(codec.SchemaJSON(), &schema); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	properties(schema, names)
	// The parts of these are explained in one line or need no explanation.
	for _, part := range []string{"family", "given", "middle", "type", "encoding", "bytes", "text", "source", "code", "field"} {
		delete(names, part)
		delete(explained, part)
	}
	for name := range names {
		if !explained[name] {
			t.Errorf("%s does not explain %s", file, name)
		}
	}
	for name := range explained {
		if !names[name] {
			t.Errorf("%s explains %s, which no message has", file, name)
		}
	}
}

// properties collects the names of all properties of a JSON Schema.
func properties(value any, names map[string]bool) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for key, child := range object {
		if key == "properties" {
			for name := range child.(map[string]any) {
				names[name] = true
			}
		}
		properties(child, names)
	}
}
