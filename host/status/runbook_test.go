package status

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheRunbookHasASectionForEachReasonAndAlert.
func TestTheRunbookHasASectionForEachReasonAndAlert(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	runbook, rules := read("../RUNBOOK.md"), read("../../examples/monitoring/rules.yaml")
	sections := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(runbook, -1) {
		sections[strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(heading[1], ":", "")), " ", "-")] = true
	}
	for _, e := range Explained {
		if anchor := strings.ReplaceAll(string(e.Reason), "_", "-"); !sections[anchor] {
			t.Errorf("the reason %s has no section ## %s", e.Reason, anchor)
		}
	}
	anchors := regexp.MustCompile(`RUNBOOK\.md#([a-z-]+)'`).FindAllStringSubmatch(rules, -1)
	if len(anchors) < 15 {
		t.Fatalf("the rules name %d sections", len(anchors))
	}
	for _, anchor := range append(anchors, regexp.MustCompile(`\]\(#([a-z-]+)\)`).FindAllStringSubmatch(runbook, -1)...) {
		if !sections[anchor[1]] {
			t.Errorf("there is no section ## %s", anchor[1])
		}
	}
}
