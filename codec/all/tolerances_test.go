package all_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
	"github.com/assaybus/assaybus/codec/codectest"
)

// Every tolerance that a protocol's code names is in its table with a help,
// every entry of the table is named in the code, and a link notes none under
// another name.
func TestTolerancesAreInTheTable(t *testing.T) {
	for _, k := range all.Protocols {
		t.Run(k.Name, func(t *testing.T) {
			named := map[string]bool{}
			for _, file := range sources(t, k.Name) {
				quirkNames(t, file, named)
			}
			for _, q := range slices.Concat(k.Quirks, k.Noted) {
				if q.Help == "" || !named[q.Name] {
					t.Errorf("%s: no help (%q) or no constant quirk… in the code", q.Name, q.Help)
				}
				delete(named, q.Name)
			}
			for name := range named {
				t.Errorf("%s is in the code, but in no table", name)
			}
		})
	}
}

// sources are the files of a protocol without its tests.
func sources(t *testing.T, protocol string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", protocol, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources of %s (%v)", protocol, err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// quirkNames adds the values of the constants quirk…, and fails the test for a
// quirk that is noted by anything but such a constant or a field named quirk.
func quirkNames(t *testing.T, file *ast.File, into map[string]bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if strings.HasPrefix(name.Name, "quirk") && i < len(n.Values) {
					if lit, ok := n.Values[i].(*ast.BasicLit); ok {
						value, _ := strconv.Unquote(lit.Value)
						into[value] = true
					}
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "NoteQuirk" || f.Sel.Name == "quirk") {
				switch arg := n.Args[len(n.Args)-1].(type) {
				case *ast.Ident:
					if strings.HasPrefix(arg.Name, "quirk") {
						return true
					}
				case *ast.SelectorExpr:
					if arg.Sel.Name == "quirk" {
						return true
					}
				}
				t.Errorf("a quirk is noted under no constant's name, at offset %d", n.Pos())
			}
		}
		return true
	})
}

// The manual shows the table of tolerances and that of warnings.
func TestManualHasTolerancesAndWarnings(t *testing.T) {
	manual := codectest.Manual(t)
	for file, want := range map[string]string{"docs/instruments.md": tolerances(), "docs/message.md": warnings()} {
		if !strings.Contains(manual[file], want) {
			t.Errorf("%s lacks a table; it must hold:\n%s", file, want)
		}
	}
}

// tolerances are the quirks of all protocols, those of one name in one row.
func tolerances() string {
	type row struct {
		protocols, help []string
		option          string
	}
	rows := map[string]*row{}
	add := func(protocol, option string, list []codec.Quirk) {
		for _, q := range list {
			if rows[q.Name] == nil {
				rows[q.Name] = &row{option: option}
			}
			r := rows[q.Name]
			r.protocols = append(r.protocols, strings.ToUpper(protocol))
			if !slices.Contains(r.help, q.Help) {
				r.help = append(r.help, q.Help)
			}
		}
	}
	for _, k := range all.Protocols {
		add(k.Name, "yes", k.Quirks)
		add(k.Name, "", k.Noted)
	}
	var b strings.Builder
	b.WriteString("| quirk | of | option | what is tolerated |\n|---|---|---|---|\n")
	for _, name := range sorted(rows) {
		r := rows[name]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.Join(r.protocols, ", "), r.option, cell(strings.Join(r.help, "; ")))
	}
	return b.String()
}

func warnings() string {
	var b strings.Builder
	b.WriteString("| warning | meaning |\n|---|---|\n")
	for _, code := range sorted(codec.WarningHelp) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", code, cell(codec.WarningHelp[code]))
	}
	return b.String()
}

func sorted[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// cell is text that a table of Markdown shows as it is.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(text)
}
