package broker

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// minKey is what a key file must hold: 32 random bytes are 44 in base64.
const minKey = 32

// readSecret reads a file that only its owner, and perhaps its group, may see.
// setting names it in errors, which never hold the content.
func readSecret(setting, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			err = at.Err // without the path, which is said already
		}
		return nil, fmt.Errorf("%s: %s: %w; name a file that this user may read", setting, path, err)
	}
	if info.Mode().Perm()&0o007 != 0 && runtime.GOOS != "windows" { // where the bits say nothing
		return nil, fmt.Errorf("%s: %s can be read by everyone on this machine (mode %#o); chmod 600 it, and change what it holds if it was so for long", setting, path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; name a file that this user may read", setting, err)
	}
	return text, nil
}

// storeKey reads the key that the store is encrypted with; "" without a file.
func storeKey(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := readSecret("ASSAYBUS_STORE_KEY_FILE", path)
	if err != nil {
		return "", err
	}
	key := bytes.TrimSpace(text)
	if len(key) < minKey {
		return "", fmt.Errorf("ASSAYBUS_STORE_KEY_FILE: %s holds %d characters, a key has at least %d; for a new store make one: (umask 077; head -c 32 /dev/urandom | base64 > %s)", path, len(key), minKey, path)
	}
	return string(key), nil
}
