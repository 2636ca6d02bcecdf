package web

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Audit is a file with one JSON line for every view of a message's content:
// who, when, which; never what it says.
type Audit struct {
	path string
	mu   sync.Mutex // one line at a time
}

// NewAudit appends to the file at path, which is made with the first view.
func NewAudit(path string) *Audit { return &Audit{path: path} }

// View is one line of the audit log.
type View struct {
	At         time.Time `json:"at"`
	Viewer     string    `json:"viewer"` // and its address
	Action     string    `json:"action"` // show, download
	Instrument string    `json:"instrument"`
	Sequence   uint64    `json:"sequence"`              // in LAB_PARSED
	Raw        uint64    `json:"rawSequence,omitempty"` // in LAB_RAW
}

// Write has v on disk when it returns nil. Content must not be shown before.
func (a *Audit) Write(v View) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = os.MkdirAll(filepath.Dir(a.path), 0o700) // with an external bus nobody else makes it
	f, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("audit log: %w; make it writable, nothing is shown without it", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("audit log: %w; make room for it, nothing is shown without it", err)
	}
	return nil
}
