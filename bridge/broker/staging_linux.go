package broker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// stagingFolder is where JetStream collects the messages of an atomic batch
// of a stream before it commits them, as a store of its own with its own
// files, directory syncs and deletion. It is nats-server's (2.15:
// batchesDir); should another version use another, nothing is lost but speed.
const stagingFolder = "batches"

// stagingOwner points from a home back to the data folder: a copy of that one
// has the same links, and must not remove what they point to.
const stagingOwner = "data"

// stagingLock in a home is locked for as long as its process lives.
const stagingLock = "lock"

const (
	sharedMemory  = "/dev/shm"
	tmpfsMagic    = 0x01021994 // statfs(2)
	stagingMemory = 32 << 20   // two batches of the largest size and their files
)

// staging is where an embedded server collects its batches: a home, one for
// every process, in this user's folder in memory. Everything there is reached
// through a handle of that folder ([os.Root]), whose owner, mode and kind were
// looked at through a handle too: what another user of the machine puts into
// shared memory is never followed, opened, filled or removed. A home's name
// cannot be guessed, so one that has gone (logind's RemoveIPC) cannot be made
// again by another.
type staging struct {
	home string   // "" = none
	lock *os.File // held with it
}

// memoryParents are where this user may have a folder in memory: what the
// service manager or the session made for it, then what all users share.
func memoryParents() []string {
	given, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	return slices.DeleteFunc([]string{given, os.Getenv("XDG_RUNTIME_DIR"), sharedMemory},
		func(path string) bool { return !filepath.IsAbs(path) })
}

// ownName is the name of this user's folder.
func ownName() string { return "assaybus-" + strconv.Itoa(os.Geteuid()) }

// ownMemory opens this user's folder in parent, which it makes when make is
// set. An error says that there is none, or that it is not safe.
func ownMemory(parent string, make bool) (*os.Root, error) {
	at, err := openFolder(os.OpenRoot, os.Lstat, parent, func(info fs.FileInfo, owner uint32) bool {
		shut := info.Mode().Perm()&0o022 == 0
		return shut && int(owner) == os.Geteuid() || owner == 0 && (shut || info.Mode()&fs.ModeSticky != 0)
	})
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if make {
		if !roomy(at) {
			return nil, fmt.Errorf("%s: no memory with 32 MiB free: %w", parent, fs.ErrNotExist)
		}
		if err := at.Mkdir(ownName(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%s: %w", parent, fs.ErrNotExist) // not ours to write
		}
	}
	return openFolder(at.OpenRoot, at.Lstat, ownName(), func(info fs.FileInfo, owner uint32) bool {
		return int(owner) == os.Geteuid() && info.Mode().Perm() == 0o700
	})
}

// errForeign is a place in memory that another user has made or may change.
var errForeign = errors.New("not a folder of this user's own")

// openFolder opens a folder that is no link and that safe approves of. What
// was looked at is what was opened.
func openFolder(open func(string) (*os.Root, error), look func(string) (fs.FileInfo, error), name string, safe func(fs.FileInfo, uint32) bool) (*os.Root, error) {
	seen, err := look(name)
	if err != nil {
		return nil, err
	}
	if !seen.IsDir() { // a link among others
		return nil, fmt.Errorf("%s: %w", name, errForeign)
	}
	folder, err := open(name)
	if err != nil {
		return nil, err
	}
	info, err := folder.Stat(".")
	if err == nil {
		owner, ok := info.Sys().(*syscall.Stat_t)
		if ok && info.IsDir() && os.SameFile(info, seen) && safe(info, owner.Uid) {
			return folder, nil
		}
		err = fmt.Errorf("%s: %w", folder.Name(), errForeign)
	}
	folder.Close()
	return nil, err
}

// roomy reports whether a folder is memory with room for batches.
func roomy(folder *os.Root) bool {
	f, err := folder.Open(".")
	if err != nil {
		return false
	}
	defer f.Close()
	var s syscall.Statfs_t
	return syscall.Fstatfs(int(f.Fd()), &s) == nil && s.Type == tmpfsMagic && int64(s.Bavail)*s.Bsize >= stagingMemory
}

// stage has the named streams collect their batches in memory instead, where
// there is some. What is collected is not custody: an acknowledgement follows
// the commit, which writes the stream's own file and syncs it. A power cut in
// the middle of a commit leaves a part of a batch, each message whole and none
// of them confirmed; after the end of the process the server finds the rest.
//
// It is called when the server runs and the streams are there; the server
// removes the links at every start.
func (e *embedded) stage(streams []string) {
	e.unstage(e.staged())
	if len(streams) == 0 {
		return
	}
	for _, parent := range memoryParents() {
		own, err := ownMemory(parent, true)
		if errors.Is(err, errForeign) {
			e.c.Log.Warn("memory where batches could be collected is not used: another user made it, or may change it", "folder", filepath.Join(parent, ownName()), "error", err)
		}
		if err != nil {
			continue
		}
		removeOrphans(own)
		err = e.moveIn(own, streams)
		own.Close()
		if err == nil {
			return
		}
	}
}

// moveIn makes a home in own and has the streams' folders point to it.
func (e *embedded) moveIn(own *os.Root, streams []string) error {
	name := rand.Text()
	if err := own.Mkdir(name, 0o700); err != nil {
		return err
	}
	lock, err := lockHome(own, name) // before the owner: see removeOrphans
	if err != nil {
		return errors.Join(err, own.RemoveAll(name))
	}
	e.staging = staging{home: filepath.Join(own.Name(), name), lock: lock}
	if data, err := filepath.Abs(e.c.Data); err == nil {
		_ = own.Symlink(data, filepath.Join(name, stagingOwner))
	}
	for i, folder := range e.streamFolders() {
		if !slices.Contains(streams, filepath.Base(folder)) {
			continue
		}
		target := filepath.Join(name, strconv.Itoa(i))
		if own.Mkdir(target, 0o700) == nil {
			_ = os.Symlink(filepath.Join(own.Name(), target), filepath.Join(folder, stagingFolder)) // a folder that is there stays, on the disk
		}
	}
	return nil
}

func lockHome(own *os.Root, name string) (*os.File, error) {
	f, err := own.OpenFile(filepath.Join(name, stagingLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return f, lockOpen(f)
}

// unstage removes what is in memory, and the links to it that are left.
func (e *embedded) unstage(homes []string) {
	for _, home := range homes {
		if own := ownerOf(home); own != nil {
			_ = own.RemoveAll(filepath.Base(home))
			own.Close()
		}
	}
	if e.staging.lock != nil {
		unlockFile(e.staging.lock)
	}
	e.staging = staging{}
	for link := range e.stagingLinks() {
		_ = os.Remove(link)
	}
}

// ownerOf opens this user's folder that a home is in; nil where it is in none.
func ownerOf(home string) *os.Root {
	for _, parent := range memoryParents() {
		if filepath.Dir(home) != filepath.Join(parent, ownName()) {
			continue
		}
		if own, err := ownMemory(parent, false); err == nil {
			return own
		}
	}
	return nil
}

// staged are our homes in memory that the streams' folders point to.
func (e *embedded) staged() []string {
	var homes []string
	if e.staging.home != "" {
		homes = append(homes, e.staging.home)
	}
	data, err := os.Stat(e.c.Data)
	if err != nil {
		return homes
	}
	for _, target := range e.stagingLinks() {
		home := filepath.Dir(target)
		own := ownerOf(home)
		if own == nil || slices.Contains(homes, home) {
			continue
		}
		at, err := own.Readlink(filepath.Join(filepath.Base(home), stagingOwner))
		own.Close()
		if err != nil {
			continue
		}
		if owner, err := os.Stat(at); err == nil && os.SameFile(owner, data) {
			homes = append(homes, home)
		}
	}
	return homes
}

// dropForeignLinks removes the links that do not lead into this user's own
// memory: after a start of the machine another may have their targets' names,
// and the server would read what he put there. It is called before each start
// of the server.
func (e *embedded) dropForeignLinks() {
	for link, target := range e.stagingLinks() {
		home := filepath.Dir(target)
		own := ownerOf(home)
		if own != nil {
			info, err := own.Lstat(filepath.Join(filepath.Base(home), filepath.Base(target)))
			own.Close()
			if err == nil && info.IsDir() {
				continue
			}
		}
		_ = os.Remove(link)
	}
}

// stagingLinks are the links and their targets.
func (e *embedded) stagingLinks() map[string]string {
	links := map[string]string{}
	for _, folder := range e.streamFolders() {
		link := filepath.Join(folder, stagingFolder)
		if target, err := os.Readlink(link); err == nil {
			links[link] = filepath.Clean(target)
		}
	}
	return links
}

// removeOrphans removes what processes of this user that were killed left in
// memory when their data folder was removed after them: no next start would
// come for it, and it may hold messages of patients.
func removeOrphans(own *os.Root) {
	homes, _ := fs.ReadDir(own.FS(), ".")
	for _, home := range homes {
		data, err := own.Readlink(filepath.Join(home.Name(), stagingOwner))
		if err != nil {
			continue // one that is just being made
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			continue
		}
		// A live process may have a data folder that cannot be seen from here:
		// containers may share their memory.
		if lock, err := lockHome(own, home.Name()); err == nil {
			_ = own.RemoveAll(home.Name())
			unlockFile(lock)
		}
	}
}
