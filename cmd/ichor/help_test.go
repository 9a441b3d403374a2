package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestHelpIsAVerbToo: as --help does, of ichor and of each verb.
func TestHelpIsAVerbToo(t *testing.T) {
	d := &deployment{t: t}
	for words, want := range map[string]string{
		"help": "Usage: ichor <command> [flags]", "help status": "Usage: ichor status [flags]", "help guest": "Usage: ichor guest <command> [flags]",
		"help guest swap": "Usage: ichor guest swap <file> [flags]", "help --help": "Usage: ichor <command> [flags]",
	} {
		if code, out := d.ichor(strings.Fields(words)...); code != exitOK || !strings.HasPrefix(out, want+"\n") {
			t.Errorf("ichor %s: exit code %d: %s", words, code, out)
		}
	}
	if code, out := d.ichor("help", "nosuch"); code != exitSettings || !strings.Contains(out, "unexpected argument nosuch") {
		t.Errorf("of no verb: exit code %d: %s", code, out)
	}
}

// TestReadmesTableHasEveryVerb: what help lists has a row in it, and no row has another.
func TestReadmesTableHasEveryVerb(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "| command | does |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string]bool{}
	for row := range strings.Lines(table) {
		named, _, _ := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(row, "| "), `\|`, ""), " | ")
		within := "" // as show is in `ichor quarantine list`, `show VERSION`
		for _, code := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(named, -1) {
			words := strings.Fields(strings.TrimPrefix(code[1], "ichor "))
			switch {
			case strings.HasPrefix(code[1], "ichor ") && len(words) > 1 && slices.Contains([]string{"db", "guest", "quarantine"}, words[0]):
				within, words = words[0]+" ", words[1:]
			case strings.HasPrefix(code[1], "ichor "):
				within = ""
			}
			rows[within+words[0]] = true
		}
	}
	parser, err := kong.New(new(commands), helpWords())
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range parser.Model.Leaves(true) {
		name := strings.TrimPrefix(verb.FullPath(), parser.Model.Name+" ")
		if !rows[name] {
			t.Errorf("README's table of commands lacks ichor %s", name)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("README's table of commands has ichor %s, which help does not", name)
	}
}

// TestAShellIsToldWhatMayFollow: the verbs, and the options of one.
func TestAShellIsToldWhatMayFollow(t *testing.T) {
	d := &deployment{t: t}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out := d.ichor("completion", shell); code != exitOK || !strings.Contains(out, "to activate tab completion for ichor in "+shell) {
			t.Errorf("%s: exit code %d: %s", shell, code, out)
		}
	}
	for line, want := range map[string]string{"ichor gu": "guest\n", "ichor guest sw": "swap\n", "ichor status --add": "--address\n"} {
		t.Setenv("COMP_LINE", line)
		if code, out := d.ichor(); code != exitOK || out != want {
			t.Errorf("%q: exit code %d: %q, want %q", line, code, out, want)
		}
	}
}
