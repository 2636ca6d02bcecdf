// Command privacy runs the suite, or any program of it, with the folder set that
// privacytest writes to, and looks for patients and specimens in everything
// that was heard and in the output of the run itself.
//
//	go run ./tests/privacy -suite -- go test -json -count=1 ./...
//	go run ./tests/privacy -- make chaos ARGS='--only 1'
//
// It prints one line: files, lines, ids, hits. It exits 1 when an id was heard,
// when the program failed, and when less was heard than the suite says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "privacy:", err)
		os.Exit(1)
	}
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("privacy", flag.ContinueOnError)
	suite := f.Bool("suite", false, "the program is go test -json of the whole module: every package must have been heard")
	folder := f.String("folder", "", "where to write what is heard (default: a new folder under .tmp/privacy, removed when all is well)")
	read := f.Bool("read", false, "run nothing: search once more what an earlier run has written to -folder")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *read != (f.NArg() == 0) || *read && *folder == "" {
		return errors.New("name the program to listen to, as in: privacy -- go test -json PACKAGES; or -read and -folder")
	}
	top, err := root()
	if err != nil {
		return err
	}
	keep := *folder != ""
	if !keep {
		*folder = filepath.Join(top, ".tmp", "privacy", time.Now().Format("20060102-150405.000"))
	}
	if *folder, err = filepath.Abs(*folder); err != nil {
		return err
	}
	if err := os.MkdirAll(*folder, 0o700); err != nil {
		return err
	}
	known, err := newIDs()
	if err != nil {
		return err
	}
	if err := known.collect(top); err != nil {
		return err
	}
	var program *output
	var failed error // what it said before is searched all the same
	if !*read {
		if program, failed = listen(ctx, f.Args(), *folder, out); program == nil {
			return failed
		}
	}
	heard, err := search(*folder, known, program)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, heard)
	if err := errors.Join(heard.verdict(), heard.enough(*suite, top), failed); err != nil {
		return fmt.Errorf("%w\nwhat was heard is in %s", err, *folder)
	}
	if keep {
		return nil
	}
	return os.RemoveAll(*folder)
}

// listen runs the program with the folder set; its error is the program's, or
// with a nil output that nothing can be kept.
func listen(ctx context.Context, args []string, folder string, out io.Writer) (*output, error) {
	o, err := newOutput(folder, out)
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = time.Minute
	c.Env = append(os.Environ(), privacytest.Env+"="+folder)
	c.Stdout, c.Stderr = o, o
	err = c.Run()
	if closing := o.close(); err == nil {
		err = closing
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", args[0], err)
	}
	return o, nil
}
