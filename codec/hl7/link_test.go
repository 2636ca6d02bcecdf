package hl7_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest"
	"github.com/assaybus/assaybus/codec/hl7"
)

func build(o codec.Options) codec.Protocol { return hl7.NewFixed(o) }

func TestConversations(t *testing.T) {
	codectest.Run(t, build, filepath.Join(root(t), "testdata", "hl7", "link"))
}

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
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}
