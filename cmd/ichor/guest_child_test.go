package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

// endless puts a guest that does not come up for hours in the place of the bank's.
func (d *deployment) endless() {
	d.t.Helper()
	module, err := os.ReadFile("../../host/guest/testdata/loops_in_describe.wasm")
	if err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.guests, "banking.wasm"), module, 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.set("guests:\n", "guests:\n  fuel: {start: 1000000000000}\n")
}

// set replaces a part of the settings.
func (d *deployment) set(old, new string) {
	d.t.Helper()
	text, err := os.ReadFile(d.settings)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.settings, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// children waits until the process has started another, and returns it.
func (p *process) child() string {
	p.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
		if err != nil || len(files) == 0 {
			continue
		}
		for _, file := range files {
			text, _ := os.ReadFile(file) // a thread may have ended
			if words := strings.Fields(string(text)); len(words) > 0 {
				return words[0]
			}
		}
	}
	p.t.Fatal("no child is started")
	return ""
}

// TestSIGTERMDuringALoadEndsEverything stops check, run and a verb while a guest is checked, and the child
// with them, at once: it takes 0.1 to 0.3 s. A busy machine is given three tries.
func TestSIGTERMDuringALoadEndsEverything(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the children of a process are known on Linux alone")
	}
	d := deploy(t, 1)
	d.endless()
	if code, out := d.ichor("db", "init", "-c", d.settings); code != exitOK {
		t.Fatal(out)
	}
	place := filepath.Join(d.guests, "banking.wasm")
	for _, c := range []struct {
		words []string
		code  int
	}{
		{[]string{"run", "-c", d.settings}, exitOK},
		{[]string{"check", "-c", d.settings, "--timeout", "1h"}, exitEnvironment},
		{[]string{"guest", "inspect", place, "-c", d.settings}, exitRuntime},
	} {
		took := d.terminated(c.code, c.words...)
		for try := 1; try < 3 && took > time.Second; try++ {
			took = min(took, d.terminated(c.code, c.words...))
		}
		if took > time.Second {
			t.Errorf("%v ends after %v at best, want less than a second", c.words, took)
		}
	}
}

// terminated sends SIGTERM to a command that has a child, and says how long it took to end with this code.
func (d *deployment) terminated(want int, words ...string) time.Duration {
	d.t.Helper()
	p := d.begin(words...)
	child := p.child()
	sent := time.Now()
	p.signal(syscall.SIGTERM)
	code, out := p.wait()
	took := time.Since(sent)
	if code != want {
		d.t.Errorf("%v ends with %d, want %d:\n%s", words, code, want, out)
	}
	if _, err := os.Stat("/proc/" + child); err == nil {
		d.t.Errorf("%v leaves its child", words)
	}
	return took
}

// TestAHostThatIsKilledDuringALoadLeavesNoChild, not even one that loops.
func TestAHostThatIsKilledDuringALoadLeavesNoChild(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the children of a process are known on Linux alone")
	}
	d := deploy(t, 1)
	d.endless()
	p := d.begin("run", "-c", d.settings)
	child := p.child()
	p.signal(syscall.SIGKILL)
	p.wait()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s lives on", child)
		}
	}
}

// TestARestartAsksTheDatabaseWhatPassed starts with a cache and a database that were never used,
// then again: no child is needed. What was planted in the cache does not count.
func TestARestartAsksTheDatabaseWhatPassed(t *testing.T) {
	d := deploy(t, 1)
	d.exec("delete from ichor.guest_check") // of other tests
	cache := filepath.Join(t.TempDir(), "cache")
	d.set(fmt.Sprintf("%q", guesttest.CacheDir(t)), fmt.Sprintf("%q", cache))
	passed := func() (n int) {
		t.Helper()
		if err := d.conn.QueryRow(t.Context(), "select count(*) from ichor.guest_check").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	run := func() (out string) {
		t.Helper()
		p := d.begin("run", "-c", d.settings)
		d.ready(p)
		p.signal(syscall.SIGTERM)
		code, out := p.wait()
		if code != exitOK {
			t.Fatal(out)
		}
		return out
	}
	run()
	if passed() != 1 {
		t.Errorf("%d checks are kept", passed())
	}
	if code, out := d.ichor("check", "-c", d.settings); code != exitOK || !strings.Contains(out, "kept in "+cache) || passed() != 1 {
		t.Errorf("check keeps %d and says %s", passed(), out)
	}
	bad, err := os.ReadFile("../../host/guest/testdata/declares_a_commit.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.guests, "banking.wasm"), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(); !strings.Contains(out, "the module before it goes on") || !strings.Contains(out, "refused at sql") || passed() != 1 {
		t.Errorf("a guest that declares a commit: %d checks are kept: %s", passed(), out)
	}
}

// ready waits until the host says so.
func (d *deployment) ready(p *process) {
	d.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, out := d.ichor("status", "-c", d.settings); strings.Contains(out, "running, ready") {
			return
		}
		if time.Now().After(deadline) {
			p.signal(syscall.SIGKILL)
			_, out := p.wait()
			d.t.Fatalf("it does not become ready\n%s", out)
		}
	}
}
