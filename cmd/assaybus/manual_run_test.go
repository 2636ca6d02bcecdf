package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec/codectest"
)

// printedLimit is how long a printed command may take to do what it is for.
const printedLimit = time.Minute

// Every block of commands in README and docs runs, in the order of its page, in
// a folder of its own, beside a bridge that has stored messages. Left to other
// tests are the chapter on consumers of one's own (TestSnippet…) and what needs
// openssl (TestSnippetCertificates).
func TestManualCommands(t *testing.T) {
	m := openManual(t)
	blocks := 0
	for name, page := range codectest.Manual(t) {
		folder := m.folder()
		for _, script := range scripts(page) {
			if strings.Contains(script, "openssl") {
				continue
			}
			blocks++
			m.run(name, folder, script)
		}
	}
	if blocks < 10 {
		t.Errorf("%d blocks were run: the test does not see them", blocks)
	}
}

// scripts are the blocks of commands of a page, without those of the chapter
// that snippet reads.
func scripts(page string) []string {
	if before, chapter, found := strings.Cut(page, "\n## Your own consumer\n"); found {
		_, after, _ := strings.Cut(chapter, "\n## ")
		page = before + "\n" + after
	}
	var all []string
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		all = append(all, block[1])
	}
	return all
}

// manual is where printed commands run.
type manual struct {
	t        *testing.T
	programs string            // the folder of what they call
	replace  *strings.Replacer // what this machine has in place of what is printed
	env      []string
}

// openManual starts a bridge with messages of one instrument.
func openManual(t *testing.T) *manual {
	t.Helper()
	s := startServe(t, "instruments:\n  - {id: xn1000, listen: '127.0.0.1:0'}\n")
	address := s.call("xn1000").RemoteAddr().String()
	if code, _, complaint := runText(t, "", "simulate", "--to", address, "--protocol", "astm", "--count", "2", "--rate", "100/s"); code != exitOK {
		t.Fatalf("simulate: exit %d\n%s", code, complaint)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	makes, err := exec.LookPath("make")
	if err != nil {
		t.Fatalf("%v: the manual's commands are run by make and bash", err)
	}
	m := &manual{t: t, programs: t.TempDir(), replace: strings.NewReplacer(
		"--to 127.0.0.1:5001", "--to "+address,
		"0.0.0.0:5001", "127.0.0.1:0",
		"127.0.0.1:5001", "127.0.0.1:0",
		"127.0.0.1:5002", "127.0.0.1:0",
		"postgres://lab@db:5432/results", "lis.db", // TestPostgres has a server
		"--url https://bridge:8600 --ca ca.pem --cert me.pem --key me.key", "--url "+s.page, // TestStatusTLS has certificates
	)}
	for name, script := range map[string]string{
		"assaybus": fmt.Sprintf("exec '%s' printed \"$@\"", program),
		"sqlite3":  fmt.Sprintf("exec '%s' printed sqlite3 \"$@\"", program),
		"make":     fmt.Sprintf("exec '%s' -n -C '%s' \"$@\"", makes, codectest.Root(t)),
	} {
		if err := os.WriteFile(filepath.Join(m.programs, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m.env = slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, prefix+"_") && !strings.HasPrefix(pair, prefix+"_PRIVACY")
	})
	m.env = append(m.env, "PATH="+m.programs+":"+os.Getenv("PATH"), "ASSAYBUS_NATS_URL="+s.bus, "ASSAYBUS_HTTP="+strings.TrimPrefix(s.page, "http://"), busOfManual+"="+s.bus, "LAB_PASSWORD=change-me")
	return m
}

// folder is a new one with what a reader has: an instruments file, a capture.
func (m *manual) folder() string {
	m.t.Helper()
	folder := m.t.TempDir()
	capture, err := os.ReadFile(filepath.Join(codectest.Root(m.t), "testdata", "astm", "messages", "aborted.raw"))
	if err != nil {
		m.t.Fatal(err)
	}
	for name, text := range map[string][]byte{"instruments.yaml": []byte("instruments: [{id: xn1000, listen: '127.0.0.1:0'}]\n"), "capture.astm": capture} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	return folder
}

// run runs one block as it is printed, but for addresses.
func (m *manual) run(page, folder, script string) {
	m.t.Helper()
	first, _, _ := strings.Cut(script, "\n")
	m.t.Run(page+" "+strings.Fields(first)[0], func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*printedLimit)
		defer cancel()
		c := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", m.replace.Replace(script))
		var complaint bytes.Buffer // standard output may show messages
		c.Dir, c.Env, c.Stderr = folder, m.env, &complaint
		if err := c.Run(); err != nil {
			t.Errorf("%v\n%s", err, complaint.String())
		}
	})
}

// busOfManual names the bus of the bridge that runs beside printed commands.
const busOfManual = "MANUAL_BUS"

// printed is the program as the manual's commands call it: a serve has a bus,
// ports and a store of its own, and what has no end is interrupted once it does
// what it is for.
func printed(args []string) int {
	if args[0] == "sqlite3" {
		return query(args[1], args[2])
	}
	endless, sign := false, ""
	switch {
	case args[0] == "serve" && os.Getenv("ASSAYBUS_NATS_URL") != os.Getenv(busOfManual):
		if _, err := loadConfig(); err != nil { // a cluster: TestClusterKilledTwice runs it
			fmt.Fprintln(os.Stderr, err)
			return exitUsage
		}
		return exitOK
	case args[0] == "serve":
		folder, err := os.MkdirTemp(".", "data")
		if err != nil {
			return exitFailed
		}
		for name, value := range map[string]string{"NATS_URL": "", "NATS_LISTEN": "127.0.0.1:0", "HTTP": "127.0.0.1:0", "DATA": folder, "STORE_MAX": "1GiB"} {
			_ = os.Setenv(prefix+"_"+name, value)
		}
		endless, sign = true, "serving"
	case args[0] == "ingest" && !slices.Contains(args, "--until-empty"):
		endless, sign = true, "ingesting"
	case args[0] == "tail", slices.Contains(args, "--watch"):
		endless = true
	}
	ctx, cancel := context.WithTimeout(context.Background(), printedLimit)
	defer cancel()
	if !endless {
		return hearing(ctx, args, os.Stdin, os.Stdout, os.Stderr)
	}
	seen := &watchword{sign: sign, found: cancel}
	code := hearing(ctx, args, os.Stdin, io.MultiWriter(os.Stdout, seen), io.MultiWriter(os.Stderr, seen))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		fmt.Fprintf(os.Stderr, "%s did not say %q within %v\n", args[0], sign, printedLimit)
		return exitFailed
	}
	return code
}

// watchword calls found when what is written holds the sign.
type watchword struct {
	sign  string
	found func()
	mu    sync.Mutex
	text  bytes.Buffer
}

func (w *watchword) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.sign) {
		w.found()
	}
	return len(p), nil
}

// query is sqlite3 FILE STATEMENT, which people have and a test need not.
func query(file, statement string) int {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err == nil {
		defer db.Close()
		var rows *sql.Rows
		if rows, err = db.QueryContext(context.Background(), statement); err == nil {
			err = errors.Join(rows.Close(), rows.Err())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return exitOK
}
