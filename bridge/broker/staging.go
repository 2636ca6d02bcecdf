package broker

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// stagingFolder is where JetStream collects the messages of an atomic batch
// of a stream before it commits them, as a store of its own with its own
// files, directory syncs and deletion. It is nats-server's (2.15:
// batchesDir); should another version use another, nothing is lost but speed.
const stagingFolder = "batches"

// stagingPrefix begins the names of our folders in memory.
const stagingPrefix = "assaybus-batches-"

// stagingOwner points from such a folder back to the data folder: a copy of
// that one has the same links, and must not remove what they point to.
const stagingOwner = "data"

// stagingLock in such a folder is locked for as long as its process lives.
const stagingLock = "lock"

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
	memory := memoryFolder()
	if memory == "" || len(streams) == 0 {
		return
	}
	removeOrphans(memory)
	home, err := os.MkdirTemp(memory, stagingPrefix)
	if err != nil {
		return
	}
	lock, err := lockFile(filepath.Join(home, stagingLock)) // before the owner: see removeOrphans
	if err != nil {
		_ = os.RemoveAll(home)
		return
	}
	e.staging, e.stagingLock = home, lock
	if data, err := filepath.Abs(e.c.Data); err == nil {
		_ = os.Symlink(data, filepath.Join(home, stagingOwner))
	}
	for i, folder := range e.streamFolders() {
		if !slices.Contains(streams, filepath.Base(folder)) {
			continue
		}
		target := filepath.Join(home, strconv.Itoa(i))
		if os.Mkdir(target, 0o700) == nil {
			_ = os.Symlink(target, filepath.Join(folder, stagingFolder)) // a folder that is there stays, on the disk
		}
	}
}

// unstage removes what is in memory, and the links to it that are left.
func (e *embedded) unstage(homes []string) {
	e.staging = ""
	for _, home := range homes {
		_ = os.RemoveAll(home)
	}
	if e.stagingLock != nil {
		unlockFile(e.stagingLock)
		e.stagingLock = nil
	}
	for link := range e.stagingLinks() {
		_ = os.Remove(link)
	}
}

// staged are our folders in memory that the streams' folders point to.
func (e *embedded) staged() []string {
	var homes []string
	if e.staging != "" {
		homes = append(homes, e.staging)
	}
	data, err := os.Stat(e.c.Data)
	if err != nil {
		return homes
	}
	for _, target := range e.stagingLinks() {
		home := filepath.Dir(target)
		owner, err := os.Stat(filepath.Join(home, stagingOwner))
		if err == nil && os.SameFile(owner, data) && strings.HasPrefix(filepath.Base(home), stagingPrefix) && !slices.Contains(homes, home) {
			homes = append(homes, home)
		}
	}
	return homes
}

// stagingLinks are the links and their targets.
func (e *embedded) stagingLinks() map[string]string {
	links := map[string]string{}
	for _, folder := range e.streamFolders() {
		link := filepath.Join(folder, stagingFolder)
		if target, err := os.Readlink(link); err == nil {
			links[link] = target
		}
	}
	return links
}

// removeOrphans removes what processes that were killed left in memory when
// their data folder was removed after them: no next start would come for it,
// and it may hold messages of patients.
func removeOrphans(memory string) {
	homes, _ := filepath.Glob(filepath.Join(memory, stagingPrefix+"*"))
	for _, home := range homes {
		data, err := os.Readlink(filepath.Join(home, stagingOwner))
		if err != nil {
			continue // another user's, or one that is just being made
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			continue
		}
		// A live process may have a data folder that cannot be seen from here:
		// containers may share their memory.
		if lock, err := lockFile(filepath.Join(home, stagingLock)); err == nil {
			_ = os.RemoveAll(home)
			unlockFile(lock)
		}
	}
}
