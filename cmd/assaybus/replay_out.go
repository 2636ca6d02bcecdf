package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/assaybus/assaybus/bridge"
)

// exporter writes messages to files of one folder. Their names are made of
// sequences alone.
type exporter struct {
	root  *os.Root // nothing outside the folder can be reached
	force bool
}

// newExporter opens the folder, which only its owner can read when it is new.
func newExporter(dir string, force bool) (*exporter, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	return &exporter{root: root, force: force}, nil
}

func (e *exporter) close() { _ = e.root.Close() }

// use is a [user].
func (e *exporter) use(_ context.Context, t *tally, m bridge.Replayed) error {
	name := fmt.Sprintf("%012d", m.Stored.Sequence)
	if err := e.write(name+".raw", m.Stored.Body); err != nil {
		return err
	}
	if err := e.write(name+".json", append(m.Derived.Publication.Body, '\n')); err != nil {
		return err
	}
	t.Exported++
	return nil
}

// write makes a new file that only its owner can read; what stood there is
// replaced, never written through.
func (e *exporter) write(name string, body []byte) error {
	if e.force {
		if err := e.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--out: %w", err)
		}
	}
	f, err := e.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("--out: %s is there already; name another folder, or overwrite with --force", name)
	}
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	_, err = f.Write(body)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}
