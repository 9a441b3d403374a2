// Package monitoring holds examples/monitoring against the page of metrics.
package monitoring

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const (
	examples = "../../examples/monitoring/"
	page     = "../../host/METRICS.md"
	runbook  = "../../host/RUNBOOK.md"
)

// described returns the labels of each metric of the page, and what a query may name besides of a histogram.
func described(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string][]string{"up": nil}
	row := regexp.MustCompile("(?m)^\\| `(ichor_[a-z_]+)`<br>([a-z]+), [^|]*?(?:, by ([^|]*))? \\|")
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for _, l := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, l[1])
		}
		metrics[m[1]] = labels
		if m[2] == "histogram" {
			delete(metrics, m[1])
			metrics[m[1]+"_bucket"], metrics[m[1]+"_count"], metrics[m[1]+"_sum"] = append(labels, "le"), labels, labels
		}
	}
	if len(metrics) < 80 {
		t.Fatalf("the page has %d metrics: this test does not see what it should", len(metrics))
	}
	return metrics
}

// scraped are the labels that Prometheus adds.
var scraped = []string{"job", "instance", "cohort"}

// variables are what Grafana puts in the place of its own.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$cohort", ".*", "$instance", ".*")

// check parses a query and holds what it names against the page.
func check(t *testing.T, where, query string, metrics map[string][]string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(variables.Replace(query))
	if err != nil {
		t.Errorf("%s: %s: %v", where, query, err)
		return
	}
	var known, asked []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			labels, there := metrics[n.Name]
			if !there {
				t.Errorf("%s: %s: no host has %s", where, query, n.Name)
			}
			known = append(known, labels...)
			for _, m := range n.LabelMatchers {
				if m.Name != "__name__" && !slices.Contains(slices.Concat(labels, scraped), m.Name) {
					t.Errorf("%s: %s: %s has no label %s", where, query, n.Name, m.Name)
				}
			}
		case *parser.AggregateExpr:
			asked = append(asked, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				asked = append(asked, n.VectorMatching.MatchingLabels...)
			}
		}
		return nil
	})
	for _, label := range asked {
		if !slices.Contains(slices.Concat(known, scraped), label) {
			t.Errorf("%s: %s: nothing in it has a label %s", where, query, label)
		}
	}
}

// rules returns the alerts.
func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	text, err := os.ReadFile(examples + "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	groups, wrong := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	return groups.Groups[0].Rules
}

// anchor is the section of the runbook that an alert has: its name in lower case with hyphens.
func anchor(alert string) string {
	words := regexp.MustCompile("[A-Z][a-z]*").FindAllString(strings.TrimPrefix(alert, "Ichor"), -1)
	return "host/RUNBOOK.md#" + strings.ToLower(strings.Join(words, "-"))
}

// Each alert asks for what hosts have, and says how urgent it is and where the runbook has it.
func TestEachAlertHasItsRunbook(t *testing.T) {
	metrics := described(t)
	for _, r := range rules(t) {
		check(t, r.Alert, r.Expr, metrics)
		want := anchor(r.Alert)
		if r.Alert == "IchorNotProgressing" { // the section of the reason
			want = `host/RUNBOOK.md#{{ reReplaceAll "_" "-" $labels.reason }}`
		}
		if got := r.Annotations["runbook"]; got != want {
			t.Errorf("%s has the runbook %q, want %q", r.Alert, got, want)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s lacks a severity, a summary or a description", r.Alert)
		}
	}
}

// Each query of the runbook is one that a Prometheus can answer from hosts.
func TestTheRunbookAsksForWhatHostsHave(t *testing.T) {
	text, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	metrics, found := described(t), 0
	for _, block := range regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			if regexp.MustCompile(`^([a-z]+ by |[a-z_]+\(|ichor_)`).MatchString(line) {
				check(t, runbook, strings.TrimSpace(line), metrics)
				found++
			}
		}
	}
	if found < 12 {
		t.Errorf("the runbook has %d queries: this test does not see what it should", found)
	}
}

// Each alert has a test in which it fires, and one in which it does not.
func TestEachAlertHasItsTests(t *testing.T) {
	text, err := os.ReadFile(examples + "rules_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name     string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			tested[fmt.Sprint(a.Name, len(a.Expected) > 0)] = true
		}
	}
	for _, r := range rules(t) {
		for _, fires := range []bool{true, false} {
			if !tested[fmt.Sprint(r.Alert, fires)] {
				t.Errorf("%s has no test in which it fires: %v", r.Alert, fires)
			}
		}
	}
}
