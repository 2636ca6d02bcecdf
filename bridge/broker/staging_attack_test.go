//go:build linux

package broker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/assaybus/assaybus/bridge/broker"
	"github.com/assaybus/assaybus/subjects"
)

const nobody = 65534

// asNobody runs a shell script as another user of the machine.
func asNobody(t *testing.T, script string, arguments ...string) (string, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user of the machine")
	}
	shell := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-ec", script, "sh"}, arguments...)...)
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	shell.Dir = "/"
	out, err := shell.CombinedOutput()
	return string(out), err
}

// plant is asNobody for what must succeed.
func plant(t *testing.T, script string, arguments ...string) {
	t.Helper()
	if out, err := asNobody(t, script, arguments...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// everybodys is a folder in memory where every user may create, as /dev/shm.
func everybodys(t *testing.T) string {
	t.Helper()
	if !broker.HasMemory() {
		t.Skip("no /dev/shm with 32 MiB free: batches are collected on the disk here")
	}
	folder, err := os.MkdirTemp("/dev/shm", "assaybus-test-") //nolint:usetesting // shared memory, for every user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	return folder
}

// victims is a folder that only we may write, reachable by its name.
func victims(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "assaybus-victim-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

func untouched(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", folder, names, want)
	}
}

// Another user leaves a folder in /dev/shm that looks like ours of a process
// that is gone, whose lock is a link to a file that only root may create.
func TestOrphanOfAnotherUserIsNotOpened(t *testing.T) {
	victim := victims(t)
	everybodys(t)
	trap := filepath.Join("/dev/shm", "assaybus-batches-"+filepath.Base(victim))
	plant(t, `mkdir "$1"; ln -s /nonexistent/data "$1/data"; ln -s "$2/created" "$1/lock"`, trap, victim)
	t.Cleanup(func() { _ = os.RemoveAll(trap) })
	open(t, config(t))
	untouched(t, victim)
	untouched(t, trap, "data", "lock")
}

// What stands under the name of our folder is not used unless it is a folder,
// ours, and closed to others; the bus then does without.
func TestMemoryFolderOfAnotherUser(t *testing.T) {
	for name, script := range map[string]string{
		"link":   `ln -s "$2" "$1"`,
		"folder": `mkdir -m 0777 "$1"`,
		"file":   `: > "$1"`,
	} {
		t.Run(name, func(t *testing.T) {
			victim, shared := victims(t), everybodys(t)
			ours := filepath.Join(shared, "assaybus-0")
			plant(t, script, ours, victim)
			t.Setenv("RUNTIME_DIRECTORY", shared)
			t.Setenv("XDG_RUNTIME_DIR", "")
			c := config(t)
			b := open(t, c)
			if target, err := os.Readlink(filepath.Join(c.Data, "jetstream", "$G", "streams", subjects.StreamRaw, "batches")); err == nil && strings.HasPrefix(target, shared) {
				t.Error("batches are collected in a place of another user")
			}
			for _, r := range together(t, b, some(50), nil) {
				holds(t, b, r)
			}
			shut(t, b)
			untouched(t, victim)
			if name == "folder" {
				untouched(t, ours)
			}
		})
	}
}

// After a start of the machine the memory is empty and another user may have
// the names that the store's links still hold: he would remove by us, or have
// the server read messages of his.
func TestLinkIntoAFolderOfAnotherUser(t *testing.T) {
	shared := everybodys(t)
	t.Setenv("RUNTIME_DIRECTORY", shared)
	c := config(t)
	b := open(t, c)
	publish(t, b, raw(1))
	shut(t, b)
	for _, home := range []string{"assaybus-batches-1", "assaybus-0/1"} {
		trap, victim := filepath.Join(shared, home), victims(t)
		_ = os.RemoveAll(filepath.Join(shared, "assaybus-0"))
		plant(t, `mkdir -p "$1/0"; ln -s "$2" "$1/data"; ln -s "$3" "$1/0/inner"; chmod -R a+rwX "$1"`, trap, c.Data, victim)
		link := filepath.Join(c.Data, "jetstream", "$G", "streams", subjects.StreamRaw, "batches")
		if err := os.Symlink(filepath.Join(trap, "0"), link); err != nil {
			t.Fatal(err)
		}
		b := open(t, c)
		untouched(t, trap, "0", "data")
		untouched(t, filepath.Join(trap, "0"), "inner")
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, trap) {
			t.Error("the link into a folder of another user is still in force")
		}
		shut(t, b)
		untouched(t, trap, "0", "data")
	}
}

// A folder that the service manager made for us comes first.
func TestMemoryInTheRuntimeFolder(t *testing.T) {
	for _, variable := range []string{"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"} {
		t.Run(variable, func(t *testing.T) {
			folder := everybodys(t)
			if err := os.Chmod(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("RUNTIME_DIRECTORY", "")
			t.Setenv(variable, folder)
			c := config(t)
			b := open(t, c)
			target := inMemory(t, c.Data, subjects.StreamRaw)
			if !strings.HasPrefix(target, folder+"/") {
				t.Errorf("batches are not collected in %s", variable)
			}
			shut(t, b)
			if _, err := os.Stat(filepath.Dir(target)); !os.IsNotExist(err) {
				t.Errorf("closing leaves a folder in memory: %v", err)
			}
		})
	}
}

// A runtime folder that others may write without the sticky bit is no place.
func TestRuntimeFolderOpenToOthers(t *testing.T) {
	folder := everybodys(t)
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RUNTIME_DIRECTORY", folder)
	open(t, config(t))
	untouched(t, folder)
}
