package main

import (
	"strings"
	"testing"
)

// TestAValueOfAnotherTypeIsToldInPlainWords: no word of YAML's or Go's types.
func TestAValueOfAnotherTypeIsToldInPlainWords(t *testing.T) {
	for text, want := range map[string]string{
		"guests: {limits: {versions: 1.5}}":                  "line 1: `1.5` stands where a whole number is wanted",
		"guests:\n  limits: {versions: many}":                "line 2: `many` stands where a whole number is wanted",
		"guests: {limits: [1]}":                              "line 1: a list stands where a mapping of settings is wanted",
		"installer: 5":                                       "line 1: `5` stands where a mapping of settings is wanted",
		"installer: {deadline: soon}":                        `line 1: "soon" is no duration: write a number with a unit, as in 500ms or 2m`,
		"installer:\n  lanes: x\n  deadline: soon":           "line 2: `x` stands where a whole number is wanted\nline 3: \"soon\" is no duration: write a number with a unit, as in 500ms or 2m",
		"source: {brokers: 5}":                               "line 1: `5` stands where a list is wanted",
		"source: {tls: {enabled: maybe}}":                    "line 1: `maybe` stands where true or false is wanted",
		"source: {topic: [a]}":                               "line 1: a list stands where a text is wanted",
		"trace: {share: lots}":                               "line 1: `lots` stands where a number is wanted",
		"source: {topic: {a: b}}":                            "line 1: a mapping stands where a text is wanted",
		"guests: {limits: {input: 12 potatoes}}":             `line 1: "12 potatoes" is no size: write a number with a unit, as in 256MiB`,
		"guests: {routes: [{cohort: a, guest: b, action: [}": "yaml: line 1: did not find expected node content",
	} {
		s := defaultSettings()
		if err := decodeSettings(strings.NewReader(text), &s); err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}
