package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// TestMain lets the test binary be the program that TestSecondSignal ends, the
// replay that runs beside live links, the status that a signal ends, and what
// the manual's commands call.
func TestMain(m *testing.M) {
	privacytest.Hide()
	if len(os.Args) == 2 && os.Args[1] == "hold-on" {
		holdOn()
	}
	if len(os.Args) > 1 && os.Args[1] == "replay" {
		os.Exit(hearing(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "status" {
		ctx, stop := interruptible(context.Background())
		code := hearing(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	if len(os.Args) > 2 && os.Args[1] == "printed" {
		os.Exit(printed(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// holdOn is a command that hears the first signal and never comes to an end.
func holdOn() {
	ctx, stop := interruptible(context.Background())
	defer stop()
	os.Stdout.WriteString("running\n")
	<-ctx.Done()
	for {
		os.Stdout.WriteString("stopping\n")
		time.Sleep(10 * time.Millisecond)
	}
}

// hearing is run, and the privacy test hears what people are told: complaints
// of every command, and the output of those that are not there to show content.
func hearing(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 || !slices.Contains([]string{"decode", "show", "tail"}, args[0]) {
		stdout = privacytest.Tee(privacytest.KindOutput, stdout)
	}
	return run(ctx, args, stdin, stdout, privacytest.Tee(privacytest.KindOutput, stderr))
}

// runText runs the program with text as standard input.
func runText(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaint strings.Builder
	code = hearing(t.Context(), args, strings.NewReader(stdin), &out, &complaint)
	return code, out.String(), complaint.String()
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"help", []string{"--help"}, exitOK, ""},
		{"nothing", nil, exitOK, ""},
		{"version", []string{"version"}, exitOK, ""},
		{"unknown command", []string{"frobnicate"}, exitUsage, `assaybus: unknown command "frobnicate"; see assaybus --help`},
		{"typo", []string{"versio"}, exitUsage, `assaybus: unknown command "versio", did you mean version?; see assaybus --help`},
		{"unknown flag", []string{"version", "--loud"}, exitUsage, "assaybus: unknown flag: --loud; see assaybus version --help"},
		{"too many arguments", []string{"version", "please"}, exitUsage, `assaybus: unknown command "please" for "assaybus version"; see assaybus version --help`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := runText(t, "", tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if got := strings.TrimSpace(stderr); got != tt.stderr {
				t.Errorf("stderr\n got %q\nwant %q", got, tt.stderr)
			}
		})
	}
}

// A command's own failure is told once, without the usage, and is exit code 1;
// its own complaint about usage is exit code 2.
func TestOwnErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{nil, exitOK},
		{errors.New("bus is gone: start it"), exitFailed},
		{usagef("no such quirk"), exitUsage},
	} {
		var started bool
		cmd := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return tt.err }}
		mark(cmd, &started)
		if got := cmd.RunE(cmd, nil); !errors.Is(got, tt.err) || !started {
			t.Errorf("RunE = %v started %v, want %v true", got, started, tt.err)
		}
	}
}

// Every command says what it is for, with an example that names it.
func TestEveryCommandHasHelp(t *testing.T) {
	root, _ := newRoot()
	if got, want := len(root.Commands()), len(commands()); got != want {
		t.Errorf("%d commands, want %d: nothing that was not asked for", got, want)
	}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || !strings.Contains(cmd.Example, cmd.CommandPath()) && cmd.HasParent() {
			t.Errorf("%s: needs a summary and an example", cmd.CommandPath())
		}
		if cmd.Run != nil {
			t.Errorf("%s: uses Run; RunE gives an exit code", cmd.CommandPath())
		}
		args := slices.Concat(strings.Fields(cmd.CommandPath())[1:], []string{"--help"})
		if code, stdout, stderr := runText(t, "", args...); code != exitOK || !strings.Contains(stdout, "Usage:") || stderr != "" {
			t.Errorf("%v: exit %d, stderr %q", args, code, stderr)
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

// The first signal asks, the second one ends the process at once.
func TestSecondSignal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "hold-on")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("line %q, want %q", lines.Text(), want)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	expect("running")
	expect("stopping")
	for lines.Scan() {
		continue
	}
	err = cmd.Wait()
	if ctx.Err() != nil || err == nil {
		t.Errorf("Wait = %v after %v, want an end by the second signal", err, ctx.Err())
	}
}
