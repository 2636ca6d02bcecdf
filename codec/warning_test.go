package codec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
)

// Every code has its help and every help its code.
func TestWarningTableIsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "warning.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Warn") || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			code, _ := strconv.Unquote(lit.Value)
			if codes[code] {
				t.Errorf("code %q twice", code)
			}
			codes[code] = true
			if codec.WarningHelp[code] == "" {
				t.Errorf("code %q has no help", code)
			}
		}
		return true
	})
	if len(codes) != len(codec.WarningHelp) {
		t.Errorf("%d codes, but %d helps", len(codes), len(codec.WarningHelp))
	}
}

// Every code is used, and nothing warns with a code that is not in the table.
func TestWarningCodesAreUsed(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || d.Name() == "warning.go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				used[n.Name] = used[n.Name] || strings.HasPrefix(n.Name, "Warn")
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
					if lit, ok := n.Value.(*ast.BasicLit); ok && codec.WarningHelp[strings.Trim(lit.Value, "`\"")] == "" && strings.Contains(path, "codec") {
						t.Errorf("%s: code %s is in no table", path, lit.Value)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	table, err := parser.ParseFile(token.NewFileSet(), "warning.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(table, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Warn") && spec.Names[0].Name != "WarningHelp" && !used[spec.Names[0].Name] {
			t.Errorf("%s is in the table, but nothing warns with it", spec.Names[0].Name)
		}
		return true
	})
}
