//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// imageBytes is the size of a file system of the harness.
const imageBytes = 96 << 20

// errMount says what the harness needs and does not get.
var errMount = errors.New("faults 5 and 6 need a file system of their own: run as root with mkfs.ext4, mount and free loop devices, or leave them out with --no-mount")

// mayMount makes and mounts a small file system, to fail before anything is
// played rather than in the middle.
func mayMount(ctx context.Context, folder string) error {
	image := filepath.Join(folder, "probe.img")
	unmount, err := makeDisk(ctx, image, filepath.Join(folder, "probe"))
	if err != nil {
		return err
	}
	unmount()
	return os.Remove(image)
}

// makeDisk makes an ext4 file system in a file and mounts it at folder.
func makeDisk(ctx context.Context, image, folder string) (unmount func(), err error) {
	if err := os.MkdirAll(filepath.Dir(image), 0o700); err != nil {
		return nil, err
	}
	f, err := os.Create(image)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(imageBytes)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	if err := command(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", image); err != nil {
		return nil, err
	}
	return mountDisk(ctx, image, folder)
}

// mountDisk mounts the file system in image at folder.
func mountDisk(ctx context.Context, image, folder string) (unmount func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if err := command(ctx, "mount", "-o", "loop", image, folder); err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), exitLimit)
		defer cancel()
		if command(ctx, "umount", folder) != nil { // somebody still holds it
			_ = command(ctx, "umount", "-l", folder)
		}
	}, nil
}

// command runs one of the system's programs; its error says what is missing.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s\n%w", name, strings.Join(args, " "), err, bytes.TrimSpace(out), errMount)
	}
	return nil
}

// snapshot copies the backing file of a file system whose writers are stopped.
// A copy during which the kernel wrote is taken again: it would be of two
// moments.
func snapshot(image, copied string) error {
	for range 10 {
		before, err := os.Stat(image)
		if err != nil {
			return err
		}
		if err := copyFile(image, copied); err != nil {
			return err
		}
		after, err := os.Stat(image)
		if err != nil {
			return err
		}
		if after.ModTime().Equal(before.ModTime()) {
			return nil
		}
	}
	return fmt.Errorf("%s is never at rest for the length of a copy", image)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// fillDisk writes until the file system that holds name is full.
func fillDisk(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	began := time.Now()
	for size := 1 << 20; size >= 512; {
		if _, err := f.Write(bytes.Repeat([]byte{0xaa}, size)); err != nil {
			size /= 2
		}
		if time.Since(began) > exitLimit {
			return fmt.Errorf("%s: the disk does not fill up", name)
		}
	}
	return nil
}
