package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestVerbsWaitForNoFile gives a FIFO that nobody writes to, and a device without an end, to
// every verb that reads a module.
func TestVerbsWaitForNoFile(t *testing.T) {
	d := deploy(t, 1)
	if code, out := d.ichor("db", "init", "-c", d.settings); code != exitOK {
		t.Fatal(out)
	}
	place := filepath.Join(d.guests, "banking.wasm")
	for kind, make := range map[string]func() error{
		"a FIFO":   func() error { return syscall.Mkfifo(place, 0o600) },
		"a device": func() error { return os.Symlink("/dev/zero", place) },
		"bytes, a module at most": func() error {
			if err := os.WriteFile(place, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(place, 4<<30)
		},
	} {
		if err := os.Remove(place); err != nil {
			t.Fatal(err)
		}
		if err := make(); err != nil {
			t.Fatal(err)
		}
		for _, words := range [][]string{
			{"check", "-c", d.settings}, {"run", "-c", d.settings},
			{"guest", "inspect", place}, {"guest", "test", place}, {"guest", "convert", place}, {"guest", "bench", place},
			{"guest", "swap", place, "-c", d.settings},
		} {
			if code, out := d.ichor(words...); code != exitEnvironment || !strings.Contains(out, place) || !strings.Contains(out, kind) {
				t.Errorf("%s: %v ends with %d and says %s", kind, words, code, out)
			}
		}
	}
}
