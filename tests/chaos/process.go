//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// process is a program that the harness started and may end at any moment.
// Its output goes to a file that later starts append to.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read after done
}

// started counts what must be ended when the harness ends.
type started struct {
	mu   sync.Mutex
	list map[*process]struct{}
}

// exitLimit is how long an ended process may take to be gone.
const exitLimit = 10 * time.Second

// start runs path with the environment of the harness, without settings of
// assaybus but those given.
func (s *started) start(name, path string, args, env []string, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{name: name, cmd: exec.Command(path, args...), done: make(chan struct{})}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "ASSAYBUS_") {
			p.cmd.Env = append(p.cmd.Env, e)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	before, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.mu.Lock()
	if s.list == nil {
		s.list = map[*process]struct{}{}
	}
	s.list[p] = struct{}{}
	s.mu.Unlock()
	go func() {
		p.err = p.cmd.Wait()
		hear(log, before)
		s.mu.Lock()
		delete(s.list, p)
		s.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

// hear tells the privacy test what a process has written since it began.
func hear(log string, since int64) {
	f, err := os.Open(log)
	if err != nil {
		return // the folder is gone already
	}
	defer f.Close()
	lines := bufio.NewScanner(io.NewSectionReader(f, since, 1<<40))
	for lines.Scan() {
		privacytest.Text(privacytest.KindLog, lines.Text())
	}
}

// end kills what still runs and waits for it.
func (s *started) end() {
	s.mu.Lock()
	var left []*process
	for p := range s.list {
		left = append(left, p)
	}
	s.mu.Unlock()
	for _, p := range left {
		_ = p.kill()
	}
}

func (p *process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// kill ends the process without a chance to do anything, stopped or not.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(exitLimit):
		return fmt.Errorf("%s lives %v after SIGKILL", p.name, exitLimit)
	}
}

// wait waits for the process to end by itself with exit code 0.
func (p *process) wait(limit time.Duration) error {
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%s: %w", p.name, p.err)
		}
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%s has not ended after %v", p.name, limit)
	}
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// build makes the program that is attacked.
func build(ctx context.Context, folder string) (string, error) {
	path := filepath.Join(folder, "assaybus")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/assaybus")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build assaybus: %w\n%s", err, bytes.TrimSpace(out))
	}
	return path, nil
}

// moduleRoot is the folder with go.mod above the working directory.
func moduleRoot() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", errors.New("no go.mod above the working directory: run the harness inside the repository, or name a program with --binary")
		}
		at = up
	}
}
