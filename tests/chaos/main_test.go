//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func TestFlags(t *testing.T) {
	for _, tt := range []struct {
		args string
		only []int
		want string // of the error; "" = none
	}{
		{args: "--only 1,4 --seed 7"},
		{args: "--only 8", want: `"8"`},
		{args: "--only x", want: `"x"`},
		{args: "--lanes 0", want: "--lanes"},
		{args: "--for -1s", want: "--for"},
		{args: "extra", want: `"extra"`},
		{args: "--for", want: "needs an argument"},
	} {
		var stderr bytes.Buffer
		o, err := parse(strings.Fields(tt.args), &stderr)
		switch {
		case tt.want == "" && (err != nil || !slices.Equal(o.only, []int{1, 4}) || o.seed != 7):
			t.Errorf("%s: got %+v, %v", tt.args, o, err)
		case tt.want != "" && (err == nil || !strings.Contains(privacytest.Error(err), tt.want)):
			t.Errorf("%s: got %v, want an error with %s", tt.args, err, tt.want)
		}
	}
	if o, err := parse(nil, &bytes.Buffer{}); err != nil || o.seed == 0 {
		t.Errorf("without flags: %+v, %v; want a seed that can be given again", o, err)
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"--help"}, exitOK},
		{[]string{"--only", "99"}, exitUsage},
		{[]string{"--bogus"}, exitUsage},
		{[]string{"--only", "5,6", "--no-mount"}, exitFailed},
		{[]string{natsCommand, "-listen", "nowhere"}, exitFailed},
		{[]string{"--only", "1", "--binary", filepath.Join(t.TempDir(), "none")}, exitFailed},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), tt.args, &stdout, &stderr); got != tt.want {
			t.Errorf("%v: exit code %d, want %d\n%s", tt.args, got, tt.want, &stderr)
		}
	}
}

// Without the right to mount the harness fails before it plays anything, and
// names what is missing and the flag that leaves the faults out.
func TestMountIsNotSkipped(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), []string{"--only", "5,6", "--binary", "/bin/true"}, &stdout, &stderr); got != exitFailed {
		t.Errorf("exit code %d, want %d", got, exitFailed)
	}
	for _, word := range []string{"mkfs.ext4", "root", "--no-mount"} {
		if !strings.Contains(stderr.String(), word) {
			t.Errorf("the complaint lacks %q: %s", word, &stderr)
		}
	}
	if stdout.Len() > 0 {
		t.Errorf("a table although nothing was played:\n%s", &stdout)
	}
}

func TestReport(t *testing.T) {
	chosen := []scene{{number: 1, title: "one"}, {number: 2, title: "two"}}
	r := newReport(&bytes.Buffer{}, chosen)
	for range 2 { // two rounds
		r.end(chosen[0], 0, &Row{Faults: 3, Sent: 10, Acknowledged: 9, Stored: 9, Repeats: 4, Longest: 1500 * time.Millisecond})
	}
	if r.violated() {
		t.Error("violated although nothing is wrong")
	}
	for _, bad := range []*Row{{Lost: 1}, {Wrong: 1}, {Problems: []string{"could not be played"}}} {
		broken := newReport(&bytes.Buffer{}, chosen)
		if broken.end(chosen[1], 1, bad); !broken.violated() {
			t.Errorf("%+v is no violation", bad)
		}
	}
	var table, lines bytes.Buffer
	if err := errors.Join(r.write(&table, false), r.write(&lines, true)); err != nil {
		t.Fatal(err)
	}
	row := strings.Fields(strings.Split(table.String(), "\n")[1])
	if want := []string{"1", "6", "20", "18", "18", "8", "0", "0", "1.5s", "one"}; !slices.Equal(row, want) {
		t.Errorf("table row %q, want %q", row, want)
	}
	var first Row
	if err := json.NewDecoder(&lines).Decode(&first); err != nil || first.LongestMS != 1500 || first.Rounds != 2 || first.Sent != 20 {
		t.Errorf("JSON row %+v, %v", first, err)
	}
}
