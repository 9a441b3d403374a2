package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAValueOfAnotherTypeIsToldInPlainWords: no word of YAML's or Go's types.
func TestAValueOfAnotherTypeIsToldInPlainWords(t *testing.T) {
	for text, want := range map[string]string{
		"guests: {limits: {versions: 1.5}}":                  "line 1: guests.limits.versions: `1.5` stands where a whole number is wanted",
		"guests:\n  limits: {versions: many}":                "line 2: guests.limits.versions: `many` stands where a whole number is wanted",
		"guests: {limits: [1]}":                              "line 1: guests.limits: a list stands where a mapping of settings is wanted",
		"installer: 5":                                       "line 1: installer: `5` stands where a mapping of settings is wanted",
		"installer: {deadline: soon}":                        `line 1: installer.deadline: "soon" is no duration: write a number with a unit, as in 500ms or 2m`,
		"installer:\n  lanes: x\n  deadline: soon":           "line 2: installer.lanes: `x` stands where a whole number is wanted\nline 3: installer.deadline: \"soon\" is no duration: write a number with a unit, as in 500ms or 2m",
		"source: {brokers: 5}":                               "line 1: source.brokers: `5` stands where a list is wanted",
		"source: {tls: {enabled: maybe}}":                    "line 1: source.tls.enabled: `maybe` stands where true or false is wanted",
		"source: {topic: [a]}":                               "line 1: source.topic: a list stands where a text is wanted",
		"trace: {share: lots}":                               "line 1: trace.share: `lots` stands where a number is wanted",
		"source: {topic: {a: b}}":                            "line 1: source.topic: a mapping stands where a text is wanted",
		"guests: {limits: {input: 12 potatoes}}":             `line 1: guests.limits.input: "12 potatoes" is no size: write a number with a unit, as in 256MiB`,
		"guests: {routes: [{cohort: a, guest: b, action: [}": "yaml: line 1: did not find expected node content",
	} {
		s := defaultSettings()
		if err := decodeSettings(strings.NewReader(text), &s); err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// TestAllThatIsWrongWithSettingsIsSaidAtOnce: whoever made five mistakes need not ask five times. What only follows from
// one that was said is not said again.
func TestAllThatIsWrongWithSettingsIsSaidAtOnce(t *testing.T) {
	d := &deployment{t: t}
	file := filepath.Join(t.TempDir(), "ichor.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`source: {brokers: ["127.0.0.1:1"], topik: cohort, decision_overdue: 5 minutes}
database: {url_env: ICHOR_NOWHERE, lease: 2h}
guests:
  directory: /nowhere
  routes: [{cohort: "*", gest: banking}]
  pins: {banking: abc}
  keys: [/nowhere/key, ed25519:AAAA]
  limits: {input: 17MiB}
installer: {lanes: many, group_max: 5000}
log: {level: loud, format: xml}
`)
	all := []string{
		"settings: " + file + ": line 1: there is no setting source.topik: did you mean \"source.topic\"?",
		"line 1: source.decision_overdue: \"5 minutes\" is no duration",
		"line 5: there is no setting guests.routes[0].gest: did you mean \"guests.routes[0].guest\"?",
		"line 9: installer.lanes: `many` stands where a whole number is wanted",
		"database.url_env: the environment variable ICHOR_NOWHERE is not set",
		"guests.pins.banking: \"abc\" is no digest",
		"guests.keys[0]: stat /nowhere/key",
		"guests.keys[1]: it is no public key",
		"database.lease is 2h0m0s",
		"guests.routes[0]: name a cohort and a guest",
		"guests.pins names \"banking\"",
		"guests.limits.input",
		"installer.group_max is 5000",
		"log.level is \"loud\"",
		"log.format is \"xml\"",
	}
	for _, verb := range [][]string{{"check"}, {"run"}, {"run", "--print-config"}, {"verify"}} {
		code, out := d.ichor(append(verb, "-c", file)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if code != exitSettings || len(lines) != len(all) {
			t.Errorf("ichor %v: exit code %d, %d lines and not %d:\n%s", verb, code, len(lines), len(all), out)
			continue
		}
		for i, want := range all {
			if !strings.Contains(lines[i], want) {
				t.Errorf("ichor %v: line %d is %q, want %q", verb, i, lines[i], want)
			}
		}
	}
	write("guests: {memory: much, limits: {input: 17MiB}, keys: [/nowhere/key]}")
	for verb, want := range map[string]string{"inspect": "guests.limits.input", "verify": "guests.keys[0]"} {
		module := filepath.Join(t.TempDir(), "x.wasm")
		if err := os.WriteFile(module, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out := d.ichor("guest", verb, module, "-c", file); code != exitSettings || !strings.Contains(out, "line 1: guests.memory: \"much\"") || !strings.Contains(out, want) {
			t.Errorf("ichor guest %s: exit code %d\n%s", verb, code, out)
		}
	}
}

// TestAZeroIsNoDefault: a setting of 0 is what it says, or is refused; it was taken for one that is not set, and shown as 0.
func TestAZeroIsNoDefault(t *testing.T) {
	for text, want := range map[string]string{
		"database: {lease: 0s, statement_timeout: 0s}":                     "database.statement_timeout is 0: choose more, or leave it out\ndatabase.lease is 0: choose more, or leave it out",
		"guests: {fuel: {item: 0}, limits: {input: 0}}":                    "guests.fuel.item is 0: choose more, or leave it out\nguests.limits.input is 0: choose more, or leave it out",
		"guests: {probation: {versions: 0, rejects: 0, fuel: 0, time: 0}}": "",
		"guests: {shadow: {versions: 0}}\ntrace: {share: 0}":               "",
	} {
		s := defaultSettings()
		if err := decodeSettings(strings.NewReader(text), &s); err != nil {
			t.Fatal(err)
		}
		says := ""
		if err := zeros(&s); err != nil {
			says = err.Error()
		}
		if says != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, says, want)
		}
	}
}
