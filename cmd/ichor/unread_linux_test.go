package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAReaderThatHasSeenEnoughIsNoError: a verb whose output goes to head ends without a word and with what it found.
func TestAReaderThatHasSeenEnoughIsNoError(t *testing.T) {
	settings := func(level string) string {
		file := filepath.Join(t.TempDir(), "ichor.yaml")
		text := fmt.Sprintf("source: {brokers: [\"127.0.0.1:1\"], topic: cohort}\ndatabase: {url: \"postgres://ichor@127.0.0.1:1/cohort\"}\nguests: {directory: %q, routes: [{cohort: \"*\", guest: banking}]}\nlog: {level: %s}\n", t.TempDir(), level)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	host := saying(t, strings.Replace(fmt.Sprintf(toldStatus, true, "", 0), `"from":7`, `"from":7,"shadow":{"digest":"ab","of":5}`, 1))
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"settings", []string{"run", "--print-config", "-c", settings("info")}, exitOK, ""},
		{"settings that are wrong", []string{"run", "--print-config", "-c", settings("loud")}, exitSettings, "ichor: settings: log.level is \"loud\": choose debug, info, warn or error\n"},
		{"one object", []string{"guest", "shadow", "bank", "--json", "--address", host}, exitOK, ""},
		{"text", []string{"status", "--address", host}, exitOK, ""},
		{"for ever", []string{"top", "--every", "100ms", "--address", host}, exitOK, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			var said bytes.Buffer
			command := exec.Command(os.Args[0], c.args...)
			command.Env = append(os.Environ(), asIchor+"=1")
			command.Stdout, command.Stderr = w, &said
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			endless := time.AfterFunc(20*time.Second, func() { _ = command.Process.Kill() })
			_ = command.Wait() // the exit code tells
			if !endless.Stop() {
				t.Error("it does not end")
			}
			if code := command.ProcessState.ExitCode(); code != c.code || said.String() != c.says {
				t.Errorf("exit code %d, want %d; it says %q, want %q", code, c.code, said.String(), c.says)
			}
		})
	}
}

// TestWhatCannotBeWrittenIsAnError: a verb whose output goes to a full disk does not end as one whose output is there.
func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	host := saying(t, fmt.Sprintf(toldStatus, true, "", 0))
	for _, args := range [][]string{
		{"db", "init", "--print"},
		{"status", "--address", host},
		{"status", "--json", "--address", host},
		{"top", "--every", "100ms", "--address", host},
	} {
		t.Run(strings.Join(args[:min(2, len(args))], " "), func(t *testing.T) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer full.Close()
			var said bytes.Buffer
			command := exec.CommandContext(t.Context(), os.Args[0], args...)
			command.Env = append(os.Environ(), asIchor+"=1")
			command.Stdout, command.Stderr = full, &said
			_ = command.Run() // the exit code tells
			if code := command.ProcessState.ExitCode(); code != exitRuntime || !strings.Contains(said.String(), "no space left on device") {
				t.Errorf("exit code %d, want %d; it says %q", code, exitRuntime, &said)
			}
		})
	}
}
