package broker_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/subjects"
)

const (
	storeKey   = "bm90IGEgcmVhbCBrZXksIGJ1dCBsb25nIGVub3VnaCE="
	anotherKey = "YW5vdGhlciBrZXkgdGhhdCBpcyBsb25nIGVub3VnaCEh"
)

// found tells whether any file under folder holds text.
func found(t *testing.T, folder, text string) bool {
	t.Helper()
	var hit bool
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		hit = hit || bytes.Contains(content, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hit
}

// With a key nothing of a message is readable on disk; without one it is,
// which shows that the test looks where it should.
func TestEncryptionAtRest(t *testing.T) {
	for _, key := range []string{"", storeKey} {
		var log logBuffer
		c := config(t)
		c.Log = log.logger(slog.LevelDebug)
		if key != "" {
			c.StoreKey = secretFile(t, key+"\n")
		}
		b := open(t, c)
		p := parsed(1)
		p.Body = []byte(strings.Repeat("specimen-S4711 ", 3))
		p.Subject = "lab.parsed.main.secretive.result"
		publish(t, b, p)
		shut(t, b)
		if got, want := found(t, c.Data, "S4711"), key == ""; got != want {
			t.Errorf("key %t: content readable on disk: %t, want %t", key != "", got, want)
		}
		if strings.Contains(log.String(), storeKey) {
			t.Error("the log holds the key")
		}
		b = open(t, c)
		if n := messages(t, b, subjects.StreamParsed); n != 1 {
			t.Errorf("%d messages after a restart, want 1", n)
		}
		shut(t, b)
	}
}

// A wrong key, or none, stops the start; nothing is created, and the right
// key then finds everything.
func TestWrongKey(t *testing.T) {
	c := config(t)
	right := secretFile(t, storeKey)
	c.StoreKey = right
	b := open(t, c)
	publish(t, b, raw(1))
	publish(t, b, parsed(1))
	shut(t, b)
	for _, wrong := range []string{secretFile(t, anotherKey), ""} {
		c.StoreKey = wrong
		refused(t, c, "LAB_", "ASSAYBUS_STORE_KEY_FILE")
	}
	c.StoreKey = right
	b = open(t, c)
	if r, p := messages(t, b, subjects.StreamRaw), messages(t, b, subjects.StreamParsed); r != 1 || p != 1 {
		t.Errorf("%d raw and %d parsed messages, want what was there", r, p)
	}
}

func TestKeyFile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		file  func() string
		words []string
	}{
		{"missing", func() string { return filepath.Join(t.TempDir(), "none") }, []string{"no such file", "name a file that this user may read"}},
		{"short", func() string { return secretFile(t, "hunter2\n") }, []string{"holds 7 characters", "head -c 32 /dev/urandom"}},
		{"blank", func() string { return secretFile(t, strings.Repeat(" ", 64)) }, []string{"holds 0 characters"}},
		{"folder", t.TempDir, []string{"ASSAYBUS_STORE_KEY_FILE"}},
		{"for all to read", func() string {
			name := secretFile(t, storeKey)
			if err := os.Chmod(name, 0o604); err != nil {
				t.Fatal(err)
			}
			return name
		}, []string{"0604", "chmod 600"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config(t)
			c.StoreKey = tt.file()
			refused(t, c, append(tt.words, "ASSAYBUS_STORE_KEY_FILE")...)
		})
	}
	t.Run("external", func(t *testing.T) {
		c := config(t)
		c.URL, c.StoreKey = "nats://127.0.0.1:1", secretFile(t, storeKey)
		refused(t, c, "is for the embedded server")
	})
}
