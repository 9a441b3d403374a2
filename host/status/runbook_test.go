package status

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runbook returns the sections about reasons and alerts, by the anchors of their headings.
func runbook(t *testing.T) map[string]string {
	t.Helper()
	sections := map[string]string{}
	for i, part := range regexp.MustCompile(`(?m)^#{1,2} `).Split(read(t, "../RUNBOOK.md"), -1) {
		heading, text, _ := strings.Cut(part, "\n")
		anchor := strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(heading, ":", "")), " ", "-")
		if text = strings.TrimSpace(text); i > 0 && text != "" { // what is empty is a heading of sections
			sections[anchor] = text
		}
	}
	for _, other := range []string{"runbook", "roles-and-rights", "the-first-day", "upgrades"} {
		delete(sections, other)
	}
	return sections
}

// TestTheRunbookHasASectionForEachReasonAndAlert.
func TestTheRunbookHasASectionForEachReasonAndAlert(t *testing.T) {
	sections, rules := runbook(t), read(t, "../../examples/monitoring/rules.yaml")
	for _, e := range Explained {
		if anchor := strings.ReplaceAll(string(e.Reason), "_", "-"); sections[anchor] == "" {
			t.Errorf("the reason %s has no section ## %s", e.Reason, anchor)
		}
	}
	anchors := regexp.MustCompile(`RUNBOOK\.md#([a-z-]+)'`).FindAllStringSubmatch(rules, -1)
	if len(anchors) < 15 {
		t.Fatalf("the rules name %d sections", len(anchors))
	}
	for _, anchor := range append(anchors, regexp.MustCompile(`\]\(#([a-z-]+)\)`).FindAllStringSubmatch(read(t, "../RUNBOOK.md"), -1)...) {
		if sections[anchor[1]] == "" {
			t.Errorf("there is no section ## %s", anchor[1])
		}
	}
}

// What is code in the runbook, by lines, and what of that somebody can type: a command, or a query for Prometheus.
var (
	code     = regexp.MustCompile("(?s)```[a-z]*\n(.*?)```|`([^`]+)`")
	typeable = regexp.MustCompile(`(?m)^(\$ )?(ichor [a-z]+ |psql "\$DATABASE" |kafka-[a-z-]+\.sh --bootstrap-server )|ichor_[a-z]+_[a-z_]+|up\{`)
	next     = regexp.MustCompile(`[.!?] [A-Z]`)
)

// The runbook's first line promises of each section what to do and what happens if nobody does anything.
func TestEachSectionOfTheRunbookHasACommandAndSaysWhatHappensWithout(t *testing.T) {
	const without = "If nobody does anything"
	sections := runbook(t)
	if len(sections) < 30 {
		t.Fatalf("the runbook has %d sections: this test does not see what it should", len(sections))
	}
	for anchor, text := range sections {
		found := false
		for _, c := range code.FindAllStringSubmatch(text, -1) {
			found = found || typeable.MatchString(c[1]+c[2])
		}
		if !found {
			t.Errorf("## %s has no command", anchor)
		}
		at := strings.LastIndex(text, without)
		if at < 0 {
			t.Errorf("## %s does not say what happens if nobody does anything", anchor)
			continue
		}
		last := strings.Join(strings.Fields(text[at:]), " ")
		if len(last) < len(without)+10 || !strings.HasSuffix(last, ".") || next.MatchString(last) {
			t.Errorf("## %s does not end with the sentence %q: %q", anchor, without, last)
		}
	}
}
