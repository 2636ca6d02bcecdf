//go:build linux || darwin || freebsd

package broker

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock of a store folder; it ends with the file, so a
// process that is killed leaves none. errLocked: somebody else has it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return f, lockOpen(f)
}

// lockOpen is lockFile for a file that is open; it is closed after an error.
func lockOpen(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		f.Close()
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

func unlockFile(f *os.File) { f.Close() }

// diskFree is what an unprivileged process may still write below folder.
func diskFree(folder string) (int64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * s.Bsize, true
}
