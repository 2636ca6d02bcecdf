package web_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// known is every series that /metrics has.
func known(t *testing.T) map[string]bool {
	t.Helper()
	l := newLab(t)
	code, body, _ := l.ask(http.MethodGet, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics answers %d", code)
	}
	names := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^(assaybus_[a-z_]+)`).FindAllStringSubmatch(body, -1) {
		names[m[1]] = true
	}
	return names
}

// checkExpression wants an expression of known metrics whose brackets match.
func checkExpression(t *testing.T, where, expr string, names map[string]bool) {
	t.Helper()
	found := regexp.MustCompile(`assaybus_[a-z_]+`).FindAllString(expr, -1)
	if len(found) == 0 && !strings.HasPrefix(expr, "up{") {
		t.Errorf("%s asks for no metric of ours: %s", where, expr)
	}
	for _, name := range found {
		if !names[name] {
			t.Errorf("%s: /metrics has no %s", where, name)
		}
	}
	for _, pair := range []string{"()", "[]", "{}"} {
		if strings.Count(expr, pair[:1]) != strings.Count(expr, pair[1:]) {
			t.Errorf("%s: %s do not match in %s", where, pair, expr)
		}
	}
}

func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile("alerts/assaybus.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	names, seen := known(t), make(map[string]bool)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			checkExpression(t, r.Alert, r.Expr, names)
			if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
				t.Errorf("%s: for %v", r.Alert, err)
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s does not say what is wrong and what to do", r.Alert)
			}
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Assaybus") {
				t.Errorf("%s stands twice, or is not ours", r.Alert)
			}
			seen[r.Alert] = true
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d rules", len(seen))
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("alerts/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID, Title    string
		SchemaVersion int
		Panels        []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr, RefID string }
		}
		Templating struct {
			List []struct{ Name string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" || board.SchemaVersion == 0 || len(board.Panels) == 0 {
		t.Errorf("not a dashboard: %+v", board)
	}
	names, ids := known(t), make(map[int]bool)
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			t.Errorf("panel %d %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			checkExpression(t, p.Title, target.Expr, names)
			for _, m := range regexp.MustCompile(`\$([a-z]+)`).FindAllStringSubmatch(target.Expr, -1) {
				found := false
				for _, v := range board.Templating.List {
					found = found || v.Name == m[1]
				}
				if !found {
					t.Errorf("%s: variable %s is not there", p.Title, m[1])
				}
			}
		}
	}
}
