package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestLoggerFormats(t *testing.T) {
	for _, tt := range []struct {
		format string
		json   bool
	}{{"auto", true}, {"json", true}, {"text", false}} {
		t.Run(tt.format, func(t *testing.T) {
			var b strings.Builder
			log, err := newLogger(&b, logConfig{Level: "warn", Format: tt.format})
			if err != nil {
				t.Fatal(err)
			}
			log.Info("not this")
			log.Warn("refused", "instrument", "xn1000")
			if got := json.Valid([]byte(b.String())); got != tt.json {
				t.Errorf("JSON %v, want %v: %q", got, tt.json, b.String())
			}
			if !strings.Contains(b.String(), "xn1000") || strings.Contains(b.String(), "not this") {
				t.Errorf("logged %q", b.String())
			}
			if strings.Contains(b.String(), "\x1b") {
				t.Errorf("colour where there is no terminal: %q", b.String())
			}
		})
	}
	if _, err := newLogger(&strings.Builder{}, logConfig{Level: "loud"}); err == nil {
		t.Error("level loud: no error")
	}
}

func TestIsTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, stream := range map[string]any{"null device": null, "file": file, "buffer": &strings.Builder{}} {
		if isTerminal(stream) {
			t.Errorf("%s is a terminal", name)
		}
	}
}
