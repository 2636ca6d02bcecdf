package codec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
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
