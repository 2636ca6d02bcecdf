package codectest

import (
	"os"
	"path/filepath"
	"testing"
)

// Manual is what people read, README.md and docs/*.md, by path from [Root].
func Manual(t testing.TB) map[string]string {
	t.Helper()
	root := Root(t)
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("docs has %d files, %v", len(files), err)
	}
	manual := map[string]string{}
	for _, file := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		manual[filepath.ToSlash(name)] = string(text)
	}
	return manual
}
