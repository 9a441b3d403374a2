package main

import (
	"strings"
	"testing"
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
