package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Rescue is a folder for what the bus cannot take when the program has to
// stop: an ill store must not cost a message whose frames were acknowledged.
// The next start takes it in first. A nil Rescue keeps nothing.
type Rescue struct{ dir string }

const (
	reserveName   = "reserve"
	rescuedSuffix = ".rescued"
)

// errNoRescue is a server that was made without a rescue folder.
var errNoRescue = errors.New("there is no rescue folder")

// OpenRescue makes the folder, readable for this user only.
func OpenRescue(dir string) (*Rescue, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("rescue folder: %w; see that ASSAYBUS_DATA can be written", err)
	}
	return &Rescue{dir: dir}, nil
}

// Reserve sets bytes of room aside in the folder, so that it can be written to
// when the disk is full: a file of zeros, whose blocks are taken.
func (r *Rescue) Reserve(bytes int64) error {
	name := filepath.Join(r.dir, reserveName)
	if info, err := os.Stat(name); err == nil && info.Size() >= bytes {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	zeros := make([]byte, 1<<20)
	for left := bytes; left > 0; left -= int64(len(zeros)) {
		if _, err := f.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
			_ = os.Remove(name)
			return fmt.Errorf("set %d bytes aside in %s: %w; make room on the disk", bytes, r.dir, err)
		}
	}
	return f.Sync()
}

// rescued is one message in the folder; its bytes follow the header's line.
type rescued struct {
	name      string
	Reception Reception
	raw       []byte
}

// put writes a message to the folder and returns when it is on disk.
func (r *Rescue) put(of Reception, raw []byte) error {
	if r == nil {
		return errNoRescue
	}
	head, err := json.Marshal(rescued{Reception: of})
	if err != nil {
		return err
	}
	_ = os.Remove(filepath.Join(r.dir, reserveName)) // its room is for this
	name := filepath.Join(r.dir, fmt.Sprintf("%s.%d%s", of.Session, of.N, rescuedSuffix))
	return writeSynced(name, append(append(head, '\n'), raw...))
}

// writeSynced replaces a file and returns when it is on disk.
func writeSynced(name string, text []byte) error {
	f, err := os.OpenFile(name+".next", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(name+".next", name)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// all are the messages in the folder. What cannot be read is left there and
// is part of the error.
func (r *Rescue) all() ([]rescued, error) {
	if r == nil {
		return nil, nil
	}
	entries, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []rescued
	var bad error
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), rescuedSuffix) {
			continue
		}
		one := rescued{name: filepath.Join(r.dir, e.Name())}
		text, err := os.ReadFile(one.name)
		if err == nil {
			end := bytes.IndexByte(text, '\n')
			if end < 0 {
				end = len(text)
			}
			if err = json.Unmarshal(text[:end], &one); err == nil {
				one.raw = text[min(end+1, len(text)):]
				err = intact(one.Reception, one.raw)
			}
		}
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("%s: %w", one.name, err))
			continue
		}
		found = append(found, one)
	}
	return found, bad
}

// remove takes a message out of the folder: it is in the log.
func (r *Rescue) remove(one rescued) error { return os.Remove(one.name) }
