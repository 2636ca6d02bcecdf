package main

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	_, stdout, _ := runText(t, "", "version")
	if !strings.HasPrefix(stdout, "assaybus ") || !strings.Contains(stdout, runtime.Version()) {
		t.Errorf("version printed %q", stdout)
	}
	_, stdout, _ = runText(t, "", "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(stdout), &b); err != nil || b.Go != runtime.Version() || b.Version == "" {
		t.Errorf("version --json printed %q: %v", stdout, err)
	}
}
