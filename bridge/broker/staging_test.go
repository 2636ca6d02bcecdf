//go:build linux

package broker_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

// inMemory is where batches of a stream are collected, or fails the test.
func inMemory(t *testing.T, data, stream string) string {
	t.Helper()
	if !broker.HasMemory() {
		t.Skip("no /dev/shm with 32 MiB free: batches are collected on the disk here")
	}
	target, err := os.Readlink(filepath.Join(data, "jetstream", "$G", "streams", stream, "batches"))
	if err != nil {
		t.Fatalf("batches of %s are not collected in memory: %v", stream, err)
	}
	return target
}

func TestBatchesAreCollectedInMemory(t *testing.T) {
	c := config(t)
	b := open(t, c)
	target := inMemory(t, c.Data, subjects.StreamRaw)
	if other := inMemory(t, c.Data, subjects.StreamParsed); other == target {
		t.Error("two streams share a folder")
	}
	if info, err := os.Stat(filepath.Dir(target)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder in memory: %v, %v; want it closed to others", info.Mode(), err)
	}
	before, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range together(t, b, some(50), nil) {
		holds(t, b, r)
	}
	after, err := os.Stat(target)
	if err != nil || after.ModTime().Equal(before.ModTime()) || b.Batches(subjects.StreamRaw) != 1 {
		t.Errorf("the batch was not collected there: this nats-server has another place for it (%v)", err)
	}
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(target)); !os.IsNotExist(err) {
		t.Errorf("a restart leaves the folder of before in memory: %v", err)
	}
	target = inMemory(t, c.Data, subjects.StreamRaw)
	shut(t, b)
	if _, err := os.Stat(filepath.Dir(target)); !os.IsNotExist(err) {
		t.Errorf("closing leaves a folder in memory: %v", err)
	}
}

// A copy of a data folder has the same links; it must not take what another
// program is using.
func TestCopiedFolderHasMemoryOfItsOwn(t *testing.T) {
	c := config(t)
	b := open(t, c)
	target := inMemory(t, c.Data, subjects.StreamRaw)
	publish(t, b, raw(1))
	second := config(t)
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", c.Data+"/.", second.Data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	open(t, second)
	if other := inMemory(t, second.Data, subjects.StreamRaw); other == target {
		t.Error("the copy uses the folder of the first")
	}
	for _, r := range together(t, b, some(50)[2:], nil) {
		holds(t, b, r)
	}
	if b.Batches(subjects.StreamRaw) != 1 {
		t.Error("the first cannot commit batches any more")
	}
}

// What a killed process left in memory goes with the next start of any, if its
// data folder is gone; what another lives on or will come back for stays.
func TestOrphansInMemoryAreRemoved(t *testing.T) {
	killed := func() (data, home string) {
		data = filepath.Join(t.TempDir(), "data")
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBatchChild$")
		child.Env = append(os.Environ(), dataOfChild+"="+data, "TMPDIR="+t.TempDir())
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if lines := bufio.NewScanner(out); !lines.Scan() {
			t.Fatal("the child said nothing")
		}
		home = filepath.Dir(inMemory(t, data, subjects.StreamRaw))
		_ = child.Process.Kill()
		_ = child.Wait()
		return data, home
	}
	gone, orphan := killed()
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	_, awaited := killed()
	c := config(t)
	live := open(t, c)
	hidden := filepath.Dir(inMemory(t, c.Data, subjects.StreamRaw))
	if err := os.Remove(filepath.Join(hidden, "data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(gone, filepath.Join(hidden, "data")); err != nil { // as seen from another container
		t.Fatal(err)
	}

	open(t, config(t))
	for home, kept := range map[string]bool{orphan: false, awaited: true, hidden: true} {
		if _, err := os.Stat(home); (err == nil) != kept {
			t.Errorf("%s: %v; want it kept: %v", home, err, kept)
		}
	}
	shut(t, live)
	if err := os.RemoveAll(awaited); err != nil {
		t.Error(err)
	}
}

// Without the place in memory every publication tries itself: nothing fails.
func TestLostMemoryFolder(t *testing.T) {
	c := config(t)
	b := open(t, c)
	if err := os.RemoveAll(filepath.Dir(inMemory(t, c.Data, subjects.StreamRaw))); err != nil {
		t.Fatal(err)
	}
	for _, r := range together(t, b, some(50), nil) {
		holds(t, b, r)
	}
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
}

// dataOfChild names the environment of [TestBatchChild].
const dataOfChild = "ASSAYBUS_TEST_BATCHES"

// TestBatchChild is the process that [TestKilledAmongBatches] kills: it says
// every id that was confirmed.
func TestBatchChild(t *testing.T) {
	data := os.Getenv(dataOfChild)
	if data == "" {
		t.Skip("a process of TestKilledAmongBatches")
	}
	c := config(t)
	c.Data = data
	b := open(t, c)
	var mu sync.Mutex
	for player := range 64 {
		go func() {
			for n := 0; ; n++ {
				p := raw(0)
				p.ID = fmt.Sprintf("%d-%d-%d", os.Getpid(), player, n)
				p.Body = body(p.ID)
				if _, err := b.Publish(t.Context(), p); err == nil {
					mu.Lock()
					fmt.Println("confirmed", p.ID)
					mu.Unlock()
				}
			}
		}()
	}
	select {} // until it is killed
}

// SIGKILL in the middle of batches loses nothing that was confirmed, and
// leaves nothing in memory for longer than until the next start.
func TestKilledAmongBatches(t *testing.T) {
	c := config(t)
	confirmed := map[string]bool{}
	var homes []string
	for range 4 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBatchChild$")
		child.Env = append(os.Environ(), dataOfChild+"="+c.Data, "TMPDIR="+t.TempDir())
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		enough := 300 + rand.IntN(700)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "confirmed "); ok {
				confirmed[id] = true
			}
			if enough--; enough == 0 {
				homes = append(homes, filepath.Dir(inMemory(t, c.Data, subjects.StreamRaw)))
				_ = child.Process.Kill() // what it said meanwhile is read to the end
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = child.Wait()
	}
	b := open(t, c)
	stored := readBack(t, b)
	for id := range confirmed {
		if len(stored[id]) != 1 {
			t.Errorf("%s was confirmed and is there %d times", id, len(stored[id]))
		}
	}
	if len(confirmed) < 1000 {
		t.Errorf("%d confirmed: too few to tell anything", len(confirmed))
	}
	shut(t, b)
	for _, home := range homes {
		if _, err := os.Stat(home); !os.IsNotExist(err) {
			t.Errorf("%s is left in memory: %v", home, err)
		}
	}
}
