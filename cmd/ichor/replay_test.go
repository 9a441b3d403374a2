package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/replay"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// moduleFile writes a module to a file of a name.
func moduleFile(t *testing.T, name string, module []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, module, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// replayed runs ichor replay, compares how it ends and what it says, and returns that.
func (d *deployment) replayed(code int, says []string, args ...string) string {
	d.t.Helper()
	is, out := d.ichor(append([]string{"replay", "-c", d.settings}, args...)...)
	if is != code {
		d.t.Errorf("replay %v ends with %d, want %d", args, is, code)
	}
	for _, want := range says {
		if !strings.Contains(out, want) {
			d.t.Errorf("replay %v does not say %q", args, want)
		}
	}
	if d.t.Failed() {
		d.t.Fatal(out)
	}
	return out
}

var digestLine = regexp.MustCompile(`(?m)^differences (sha256:[0-9a-f]{64})$`)

// TestReplayComparesANewModuleWithThePast has a host install a recorded topic, and then asks what other
// modules would have made of it, from the topic and from a recording.
func TestReplayComparesANewModuleWithThePast(t *testing.T) {
	d := installed(t, 40, 228, talostest.Small)
	beside := scratch(t, 40)
	before := d.digest()
	inRust := moduleFile(t, "banking.wasm", guesttest.BankingIn(t, guests.Rust))
	changed := moduleFile(t, "changed.wasm", guesttest.Changed(t))
	recording := "../../host/talos/talostest/testdata/small.jsonl.gz"

	d.replayed(exitOK, []string{"66 committed", "old     banking 1.0.0 (", "): 66 versions", "new     banking 1.0.0 (", "result  66 same, 0 differ, 0 the new one rejects, 0 the old one rejected"}, "--guest", inRust)
	d.replayed(exitOK, []string{
		"versions 100 to 228", "rows    below the range: ", "rows    by the old modules: ", "rows    by the new module: ", " 0 refused", "table   public.bank_accounts: 40 rows, 0 differ",
	}, "--guest", inRust, "--from", "100", "--install", "--scratch", beside, "--log", recording)
	out := d.replayed(exitRuntime, []string{
		"new     banking 1.1.0 (", "xid ", `statemap [{"TRANSFER": {"amount":1.0,"from":"00`, "old converted\n  transfer\n    update bank_accounts", "    $3 numeric = \"1.0\"\n", "new ",
		"the new module does not make the same; see above", "\nand ",
	}, "--guest", changed, "--name", "banking", "--differences", "2")
	if strings.Count(out, "\nversion ") != 2 {
		t.Errorf("not two differences are shown:\n%s", out)
	}
	name := digestLine.FindStringSubmatch(out)
	if name == nil {
		t.Fatalf("the differences have no digest:\n%s", out)
	}
	d.replayed(exitRuntime, []string{name[1], "table   public.bank_accounts: 40 rows, ", "          old {", "          new {", "          last written by version "},
		"--guest", changed, "--name", "banking", "--log", recording, "--install", "--scratch", beside, "--differences", "100")

	var report replay.Report
	_, text := d.ichor("replay", "-c", d.settings, "--guest", changed, "--name", "banking", "--json")
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&report); err != nil || report.Compared.Digest != name[1] || len(report.Compared.First) != 10 || report.Compared.First[0].Old.Statements[0].SQL == "" {
		t.Errorf("as JSON: %v\n%s", err, text)
	}
	one := fmt.Sprint(report.Compared.First[0].Version)
	d.replayed(exitRuntime, []string{"versions " + one + " to " + one + ": 1 committed", "result  0 same"}, "--guest", changed, "--name", "banking", "--from", one, "--to", one)
	if after := d.digest(); after != before || d.snapshot() != 228 {
		t.Error("the cohort's database was changed")
	}
}

// TestReplaySaysWhatItCannotDo is about the exit codes.
func TestReplaySaysWhatItCannotDo(t *testing.T) {
	d := deploy(t, 9)
	d.bare()
	module := moduleFile(t, "banking.wasm", guesttest.BankingIn(t, guests.C))
	d.replayed(exitSettings, []string{"missing flags: --guest=FILE"})
	d.replayed(exitSettings, []string{`no route of the settings names a guest "other"`}, "--guest", moduleFile(t, "other.wasm", nil))
	d.replayed(exitSettings, []string{"--install needs a database", "--scratch"}, "--guest", module, "--install")
	d.replayed(exitSettings, []string{"--scratch is for --install"}, "--guest", module, "--scratch", "postgres://x")
	d.replayed(exitSettings, []string{"--differences"}, "--guest", module, "--differences=-1")
	d.replayed(exitEnvironment, []string{"--guest: ", "no such file"}, "--guest", filepath.Join(t.TempDir(), "nope.wasm"))
	d.replayed(exitEnvironment, []string{"--log: ", "no such file"}, "--guest", module, "--log", filepath.Join(t.TempDir(), "log"))
	d.replayed(exitEnvironment, []string{"the database has no table ichor.schema"}, "--guest", module)
	if code, out := d.ichor("db", "init", "-c", d.settings); code != exitOK {
		t.Fatal(out)
	}
	d.replayed(exitEnvironment, []string{"the history names no module of guest banking"}, "--guest", module)
}

// TestReplayReadsATopicThatBeginsLater: what comes before the range is not asked for, and what was deleted is
// told of.
func TestReplayReadsATopicThatBeginsLater(t *testing.T) {
	h := byHand(t)
	h.says(exitOK, "the schema is there", "db", "init")
	p := h.start()
	first := h.deposit("0001")
	held := h.candidate("0002", `[{"NOTHING":{}}]`)
	h.commit(first, held)
	h.until(first, p)
	h.eventually("(1)", "select count(*) from ichor.quarantine where held")
	last := h.deposit("0003")
	undecided := h.deposit("0004")
	h.commit(last)
	h.eventually(fmt.Sprintf("(%d)", last), "select version from ichor.ledger")
	p.signal(syscall.SIGTERM)
	p.wait()

	changed := moduleFile(t, "banking.wasm", guesttest.Changed(t))
	bad := moduleFile(t, "banking.wasm", []byte("no module"))
	h.says(exitOK, fmt.Sprintf("versions %d to %d: 1 committed", first, first), "replay", "--guest", changed)
	out := h.says(exitRuntime, "result  1 same, 0 differ, 0 the new one rejects, 1 the old one rejected", "replay", "--guest", changed, "--from", fmt.Sprint(held), "--to", fmt.Sprint(last))
	for _, want := range []string{"old rejected, unknown_action 0: ", "new skipped", `statemap [{"NOTHING": {}}]`} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	h.says(exitSettings, "it has no decision yet", "replay", "--guest", changed, "--from", fmt.Sprint(held), "--to", fmt.Sprint(undecided))
	h.says(exitSettings, "at this position stands no candidate", "replay", "--guest", changed, "--from", fmt.Sprint(undecided+1), "--to", fmt.Sprint(undecided+1))
	h.says(exitEnvironment, "guest banking refused at scan", "replay", "--guest", bad)

	if err := h.broker.DeleteRecordsBefore(t.Context(), "certification", int64(held)); err != nil {
		t.Fatal(err)
	}
	h.says(exitEnvironment, fmt.Sprintf("begin with --from %d, or give a recording that has it with --log", held), "replay", "--guest", changed, "--from", fmt.Sprint(first), "--to", fmt.Sprint(last))
	h.says(exitRuntime, "1 same", "replay", "--guest", changed, "--from", fmt.Sprint(held), "--to", fmt.Sprint(last))
	h.sql("delete from ichor.guest_module")
	h.says(exitEnvironment, "and ichor.guest_module does not have that module any more", "replay", "--guest", changed, "--from", fmt.Sprint(last), "--to", fmt.Sprint(last))
}
