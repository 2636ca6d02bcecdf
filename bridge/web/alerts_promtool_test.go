//go:build promtool

package web_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPromtoolDashboard has Prometheus' own parser read every expression of
// the dashboard: as rules, which is what promtool can check without a server.
func TestPromtoolDashboard(t *testing.T) {
	variables := strings.NewReplacer("$instrument", "xn1000|cobas", "$__rate_interval", "5m")
	check := func(exprs ...string) (string, error) {
		var rules strings.Builder
		rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
		for n, expr := range exprs {
			fmt.Fprintf(&rules, "      - {record: 'dashboard:panel:%d', expr: '%s'}\n", n, strings.ReplaceAll(variables.Replace(expr), "'", "''"))
		}
		file := filepath.Join(t.TempDir(), "dashboard.rules.yml")
		if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", file).CombinedOutput()
		return string(out), err
	}
	var exprs []string
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	if out, err := check(exprs...); err != nil || !strings.Contains(out, fmt.Sprintf("%d rules found", len(exprs))) {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	if out, err := check(exprs[0] + ")"); err == nil {
		t.Errorf("promtool takes a wrong expression: %s", out)
	}
}
