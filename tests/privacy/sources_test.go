package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every test that lets product code speak lets the privacy test listen: its
// loggers are made by privacytest, the parts that take one are given one, it
// reads errors through privacytest, and commands run through hearing.
func TestEveryTestLetsUsListen(t *testing.T) {
	top, err := root()
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != top && (strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "privacy")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") || slices.ContainsFunc(exempt(), func(end string) bool { return strings.HasSuffix(path, end) }) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, complaint := range deaf(t, path, text) {
			t.Error(complaint)
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files, %v", files, err)
	}
}

// exempt are ends of names of files that are no tests of what the product says.
func exempt() []string {
	return []string{
		"codectest/codectest_test.go", // a protocol and errors of its own
		"bench_test.go",               // not run by the suite
		"example_test.go",             // documentation: people read what stands there
	}
}

// The rules bite.
func TestDeafTestsAreFound(t *testing.T) {
	for _, body := range []string{
		`slog.New(slog.NewTextHandler(w, nil))`,
		`slog.New(slog.DiscardHandler)`,
		`broker.Open(ctx, broker.Config{Data: d})`,
		`x := &simulator.Instrument{Next: n}`,
		`strings.Contains(err.Error(), "x")`,
		`run(ctx, args, in, out, out)`,
	} {
		if len(deaf(t, "cmd/assaybus/x_test.go", []byte("package x\nfunc f() { "+body+" }"))) == 0 {
			t.Errorf("nothing is said of %s", body)
		}
	}
	for _, body := range []string{
		`privacytest.Logger(slog.NewTextHandler(w, nil))`,
		`open(t, broker.Config{URL: u})`,
		`broker.Open(ctx, broker.Config{Data: d, Log: l})`,
		`t.Error("x")`,
		`hearing(ctx, args, in, out, out)`,
	} {
		if complaints := deaf(t, "cmd/assaybus/x_test.go", []byte("package x\nfunc f() { "+body+" }")); len(complaints) > 0 {
			t.Errorf("%s: %v", body, complaints)
		}
	}
}

// deaf is what in a test's source keeps the privacy test from listening.
func deaf(t *testing.T, path string, text []byte) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var complaints []string
	add := func(n ast.Node, what string) {
		complaints = append(complaints, fmt.Sprintf("%s: %s", set.Position(n.Pos()), what))
	}
	given := map[ast.Node]bool{} // configurations that a helper completes
	command, inHearing := strings.Contains(filepath.ToSlash(path), "cmd/assaybus/"), ast.Node(nil)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "hearing" {
				inHearing = n
			}
		case *ast.CallExpr:
			switch name := called(n.Fun); {
			case name == "slog.New":
				add(n, "take privacytest.Logger in place of slog.New")
			case strings.HasSuffix(name, ".Error") && len(n.Args) == 0:
				add(n, "take privacytest.Error(err) in place of err.Error()")
			case name == "run" && command && (inHearing == nil || n.Pos() < inHearing.Pos() || n.Pos() > inHearing.End()):
				add(n, "take hearing in place of run")
			case slices.Contains([]string{"open", "refused", "ingestAll", "run"}, name):
				for _, argument := range n.Args {
					if pointer, ok := argument.(*ast.UnaryExpr); ok {
						argument = pointer.X
					}
					given[argument] = true
				}
			}
		case *ast.CompositeLit:
			if slices.Contains([]string{"broker.Config", "ingest.Config", "web.Config", "bridge.Config", "simulator.Instrument"}, called(n.Type)) && !given[n] && !logs(n) {
				add(n, "give it Log: privacytest.Logger(nil)")
			}
		}
		return true
	})
	return complaints
}

// called is the name of a function or a type: "slog.New", "run".
func called(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x := called(e.X); x != "" {
			return x + "." + e.Sel.Name
		}
		return "." + e.Sel.Name
	}
	return ""
}

func logs(literal *ast.CompositeLit) bool {
	return slices.ContainsFunc(literal.Elts, func(e ast.Expr) bool {
		pair, ok := e.(*ast.KeyValueExpr)
		return ok && called(pair.Key) == "Log"
	})
}
