package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

// What a run of the suite must come to, so that finding nothing means
// something: half of what it came to when this was written. A run that hears
// less has lost its ears somewhere.
const (
	leastLines    = 24_000
	leastIDs      = 2_000
	leastMessages = 5_000
	// leastOurs is how many ids the files of the repository hold at least.
	leastOurs = 250
	// mostWeak is how many ids of the repository may be too short to be looked
	// for. A new test takes ids that nothing else is: SPCX7, PATX7.
	mostWeak = 90
	// module is the name of ours.
	module = "github.com/assaybus/assaybus"
)

// mute are the packages whose tests have nothing to hear, and why.
func mute() map[string]string {
	return map[string]string{
		module + "/subjects":                    "names of subjects: no logger, no errors, no content",
		module + "/tests/privacy":               "the search itself: its tests speak into folders of their own",
		module + "/codec/codectest/privacytest": "the recorder: its test keeps nothing",
	}
}

// enough is an error when the run heard less than it must have.
func (r *result) enough(suite bool, top string) error {
	if r.lines == 0 {
		return errors.New("nothing was heard: does the program keep the environment?")
	}
	if !suite {
		return nil
	}
	var errs []error
	add := func(ok bool, format string, a ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, a...))
		}
	}
	add(r.lines >= leastLines, "only %d lines were heard, of at least %d", r.lines, leastLines)
	add(r.ids >= leastIDs, "only %d ids are known, of at least %d", r.ids, leastIDs)
	add(r.messages >= leastMessages, "only %d messages passed, of at least %d", r.messages, leastMessages)
	add(r.weak <= mostWeak, "%d ids of tests are too short to be looked for, %d may be: take longer ones, as SPCX7 or PATX7", r.weak, mostWeak)
	for _, kind := range []privacytest.Kind{privacytest.KindLog, privacytest.KindOutput, privacytest.KindError, privacytest.KindPage, privacytest.KindStatus, privacytest.KindStored} {
		add(r.kinds[kind] > 0, "nothing of kind %s was heard", kind)
	}
	packages, err := tested(top)
	add(err == nil && len(packages) > 0, "packages with tests: %d, %w", len(packages), err)
	for _, p := range packages {
		passed, ran := r.tested[p]
		add(ran && passed, "the tests of %s have not passed (ran: %v)", p, ran)
		_, silent := mute()[p]
		add(silent || r.heard[strings.ReplaceAll(p, "/", "_")] > 0, "nothing was heard of the tests of %s", p)
	}
	return errors.Join(errs...)
}

// tested are the packages of the module at top that have tests.
func tested(top string) ([]string, error) {
	found := map[string]bool{}
	var list []string
	err := filepath.WalkDir(top, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != top && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		folder, err := filepath.Rel(top, filepath.Dir(file))
		if name := path.Join(module, filepath.ToSlash(folder)); err == nil && strings.HasSuffix(file, "_test.go") && !found[name] {
			found[name] = true
			list = append(list, name)
		}
		return err
	})
	return list, err
}
