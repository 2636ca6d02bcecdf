package broker_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/minio/highwayhash"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// writeMeta edits a stream's description in a closed store, checksum included.
func writeMeta(t *testing.T, c broker.Config, stream string, edit func(map[string]any)) {
	t.Helper()
	folder := filepath.Join(c.Data, "jetstream", "$G", "streams", stream)
	text, err := os.ReadFile(filepath.Join(folder, "meta.inf"))
	if err != nil {
		t.Fatal(err)
	}
	var meta map[string]any
	if err := json.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	edit(meta)
	if text, err = json.Marshal(meta); err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256([]byte(stream))
	h, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		t.Fatal(err)
	}
	_, _ = h.Write(text)
	for name, data := range map[string][]byte{"meta.inf": text, "meta.sum": []byte(hex.EncodeToString(h.Sum(nil)))} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What a killed process leaves is a folder nobody closed: everything that was
// acknowledged is in it.
func TestKilledKeepsAcknowledged(t *testing.T) {
	c := config(t)
	b := open(t, c)
	for i := range 100 {
		publish(t, b, raw(i))
	}
	left := c
	left.Data = filepath.Join(t.TempDir(), "left")
	if err := os.CopyFS(left.Data, os.DirFS(c.Data)); err != nil {
		t.Fatal(err)
	}
	b = open(t, left)
	if got := messages(t, b, subjects.StreamRaw); got != 100 {
		t.Errorf("got %d messages, want 100", got)
	}
	if !publish(t, b, raw(42)).Duplicate {
		t.Error("the ids of the last minutes are forgotten")
	}
}
