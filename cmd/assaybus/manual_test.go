package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/assaybus/assaybus/codec/codectest"
)

// pages are the manual and what else people read, by path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := codectest.Manual(t)
	for _, name := range []string{"SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		all[name] = string(repositoryFile(t, name))
	}
	return all
}

// prose is a page without its code blocks.
func prose(page string) string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(page, "")
}

// Every link to a file of the repository leads to one, and every anchor to a
// heading; every page of docs is reached from README.
func TestManualLinks(t *testing.T) {
	all := pages(t)
	links, reached := 0, map[string]bool{}
	for _, from := range slices.Sorted(maps.Keys(all)) {
		for _, target := range targets(all[from]) {
			links++
			file, anchor, _ := strings.Cut(target, "#")
			to := from
			if file != "" {
				to = path.Join(path.Dir(from), file)
			}
			if from == "README.md" {
				reached[to] = true
			}
			if _, err := os.Stat(filepath.Join(codectest.Root(t), filepath.FromSlash(to))); err != nil {
				t.Errorf("%s: %s leads nowhere", from, target)
			} else if anchor != "" && !slices.Contains(anchors(all[to]), anchor) {
				t.Errorf("%s: %s has no heading #%s", from, to, anchor)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(name, "docs/") && !reached[name] {
			t.Errorf("README.md does not lead to %s", name)
		}
	}
	if links < 30 {
		t.Errorf("%d links were followed: the test does not see them", links)
	}
}

// targets are the links of a page that stay in the repository.
func targets(page string) []string {
	var all []string
	for _, found := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(prose(page), -1) {
		if !strings.Contains(found[1], "://") {
			all = append(all, found[1])
		}
	}
	return all
}

// anchors are the headings of a page as GitHub names them.
func anchors(page string) []string {
	var all []string
	for _, found := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(prose(page), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, found[1]))
	}
	return all
}

func TestAnchors(t *testing.T) {
	got := fmt.Sprint(anchors("# One `two`, Three\n```\n# no heading\n```\n## a_b-c 4\n"))
	if want := "[one-two-three a_b-c-4]"; got != want {
		t.Errorf("anchors %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(targets("[a](b.md#c) ![d](e/f.png) [g](https://h)")), "[b.md#c e/f.png]"; got != want {
		t.Errorf("targets %s, want %s", got, want)
	}
}

// README is a door: it stays short, and its first screen says what this is for,
// how to see it, and what one sees.
func TestReadmeIsShort(t *testing.T) {
	lines := strings.Split(codectest.Manual(t)["README.md"], "\n")
	if len(lines) > 181 {
		t.Errorf("README.md has %d lines, want at most 180: the manual is in docs", len(lines)-1)
	}
	screen := strings.Join(lines[:40], "\n")
	for _, want := range []string{"clinical analyzers", "make demo", "every acknowledged message is on disk"} {
		if !strings.Contains(screen, want) {
			t.Errorf("the first 40 lines of README.md lack %q", want)
		}
	}
}

// Every command that stands in a sentence or a table is one that the program
// has, with its flags, and every target one of the Makefile.
func TestManualNamesCommands(t *testing.T) {
	makefile := string(repositoryFile(t, "Makefile"))
	commands := 0
	for name, page := range pages(t) {
		for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(prose(page), -1) {
			words := strings.Fields(span[1])
			switch {
			case len(words) > 1 && words[0] == "assaybus":
				commands++
				t.Run(name+" "+strings.Join(words, " "), func(t *testing.T) { checkMention(t, words[1:]) })
			case len(words) > 1 && words[0] == "make" && !strings.Contains(makefile, "\n"+words[1]+":"):
				t.Errorf("%s: the Makefile has no target %s", name, words[1])
			}
		}
		for _, line := range regexp.MustCompile(`(?m)^\$ assaybus (.*)$`).FindAllStringSubmatch(page, -1) {
			commands++
			checkCommand(t, strings.Fields(line[1]))
		}
	}
	if commands < 20 {
		t.Errorf("%d commands were found: the test does not see them", commands)
	}
}

// checkMention is checkCommand of a sentence, which may leave out what a command
// takes, or ask for its help.
func checkMention(t *testing.T, words []string) {
	t.Helper()
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "--help" })
	root, _ := newRoot()
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root {
		t.Fatalf("command %v: %v", words, err)
	}
	if len(rest) > 0 {
		checkCommand(t, words)
	}
}

// A message that docs/troubleshooting.md quotes is one that the program has.
func TestTroubleshootingQuotesTheProgram(t *testing.T) {
	var program strings.Builder
	err := fs.WalkDir(os.DirFS(codectest.Root(t)), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		if folder, _, _ := strings.Cut(name, "/"); !slices.Contains([]string{"bridge", "cmd", "codec"}, folder) {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(codectest.Root(t), name))
		program.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	quotes := 0
	for line := range strings.Lines(codectest.Manual(t)["docs/troubleshooting.md"]) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			if strings.HasPrefix(span[1], "assaybus ") || !strings.Contains(span[1], " ") && strings.ToLower(span[1]) != span[1] {
				continue // a command or a setting
			}
			quotes++
			if !strings.Contains(program.String(), span[1]) {
				t.Errorf("the program never says %q", span[1])
			}
		}
	}
	if quotes < 30 {
		t.Errorf("%d quotes were found: the test does not see them", quotes)
	}
}
