package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/assaybus/assaybus/bridge"
)

// rescueReserve is the room on the disk that is set aside for messages that
// the bus cannot take at a stop; on a small disk an eighth of what is free.
const rescueReserve = 64 << 20

// openRescue makes sure of what outlives a run beside the bus: the name under
// which this bridge keeps open messages, and the rescue folder.
func (s *service) openRescue() (id string, rescue *bridge.Rescue, err error) {
	data := s.config.Data
	if rescue, err = bridge.OpenRescue(filepath.Join(data, "rescue")); err != nil {
		return "", nil, err
	}
	if free, known := s.bus.DiskFree(); known {
		if err := rescue.Reserve(min(rescueReserve, free/8)); err != nil {
			s.log.Warn("no room is set aside for what the bus cannot take at a stop", "error", err)
		}
	}
	id, err = bridgeID(filepath.Join(data, "bridge.id"))
	return id, rescue, err
}

// bridgeID is the name of the bridge whose data folder it is, made at its
// first start.
func bridgeID(file string) (string, error) {
	text, err := os.ReadFile(file)
	if id := strings.TrimSpace(string(text)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("name of this bridge: %w; see that ASSAYBUS_DATA can be read", err)
	}
	id := rand.Text()
	if err := os.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("name of this bridge: %w; see that ASSAYBUS_DATA can be written", err)
	}
	return id, nil
}
