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

// known is every series that /metrics has, with its labels.
func known(t *testing.T) map[string]map[string]bool {
	t.Helper()
	l := newLab(t)
	code, body, _ := l.ask(http.MethodGet, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics answers %d", code)
	}
	series := map[string]map[string]bool{"up": {}}
	for _, m := range regexp.MustCompile(`(?m)^(assaybus_[a-z_]+)(?:{(.*)})? `).FindAllStringSubmatch(body, -1) {
		labels := map[string]bool{"job": true, "instance": true} // Prometheus adds these
		for _, label := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(m[2], -1) {
			labels[label[1]] = true
		}
		series[m[1]] = labels
	}
	return series
}

// checkExpression wants an expression of known series, asked for by labels
// that they have; promtool checks that it parses (make alerts).
func checkExpression(t *testing.T, where, expr string, series map[string]map[string]bool) {
	t.Helper()
	for _, fault := range faults(expr, series) {
		t.Errorf("%s: %s", where, fault)
	}
}

func faults(expr string, series map[string]map[string]bool) (out []string) {
	found := regexp.MustCompile(`\b(assaybus_[a-z_]+|up)\b(?:{([^}]*)})?`).FindAllStringSubmatch(expr, -1)
	if len(found) == 0 {
		out = append(out, "it asks for no metric of ours: "+expr)
	}
	some := map[string]bool{"le": true}
	for _, m := range found {
		labels, there := series[m[1]]
		if !there {
			out = append(out, "/metrics has no "+m[1])
		}
		for label := range labels {
			some[label] = true
		}
		for _, label := range regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`).FindAllStringSubmatch(m[2], -1) {
			if m[1] != "up" && !labels[label[1]] {
				out = append(out, m[1]+" has no label "+label[1])
			}
		}
	}
	for _, by := range regexp.MustCompile(`\bby \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(by[1], ",") {
			if label = strings.TrimSpace(label); !some[label] {
				out = append(out, "nothing in it has the label "+label)
			}
		}
	}
	return out
}

func TestExpressionsAreChecked(t *testing.T) {
	series := map[string]map[string]bool{"assaybus_x_total": {"instrument": true}}
	for expr, want := range map[string]bool{
		`sum by (instrument) (rate(assaybus_x_total{instrument=~"a|b"}[5m]))`: true,
		`assaybus_y_total`:                     false,
		`rate(other_total[5m])`:                false,
		`assaybus_x_total{kind="a"}`:           false,
		`sum by (reason) (assaybus_x_total)`:   false,
		`sum by (instrument, reason) (up > 0)`: false,
	} {
		if got := faults(expr, series); (len(got) == 0) != want {
			t.Errorf("%s: %q", expr, got)
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

// dashboard is what the tests look at in the file.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr, RefID, LegendFormat string }
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("alerts/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board dashboard
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	return board
}

func TestDashboard(t *testing.T) {
	board := readDashboard(t)
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
			for _, label := range regexp.MustCompile(`{{(.*?)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				checkExpression(t, p.Title, "sum by ("+label[1]+") ("+target.Expr+")", names)
			}
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

// The variables ask for series that are there.
func TestDashboardVariables(t *testing.T) {
	names := known(t)
	for _, v := range readDashboard(t).Templating.List {
		if v.Type != "query" {
			continue
		}
		query, _ := v.Query.(map[string]any)["query"].(string)
		m := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(query)
		if m == nil || !names[m[1]][m[2]] {
			t.Errorf("%s: %s", v.Name, query)
		}
	}
}
