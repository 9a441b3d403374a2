package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// typed splits a command of the runbook as a shell does: by spaces, but for what stands in quotes.
var typed = regexp.MustCompile(`"[^"]*"|\S+`)

// Each command of the runbook, with its VERSION and FILE, is one that there is, with the flags that it has.
func TestTheCommandsOfTheRunbookAreThere(t *testing.T) {
	text, err := os.ReadFile("../../host/RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, c := range regexp.MustCompile("(?m)(?:^(?:\\$ )?|`)(ichor [a-z][^`\n]* -[^`\n]*)").FindAllStringSubmatch(string(text), -1) {
		line, _, _ := strings.Cut(c[1], " #")
		var args []string
		for _, word := range typed.FindAllString(strings.ReplaceAll(line, "VERSION", "7"), -1) {
			args = append(args, strings.Trim(word, `"`))
		}
		var cli commands
		parser, err := kong.New(&cli, helpWords())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args[1:]); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		found++
	}
	if found < 30 {
		t.Errorf("the runbook has %d commands: this test does not see what it should", found)
	}
}
