package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// scratch makes a bank as it is before anything was installed.
func scratch(t *testing.T, accounts int) string {
	t.Helper()
	db := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := banking.Open(t.Context(), conn, banking.AccountNumbers(accounts), 100_000); err != nil {
		t.Fatal(err)
	}
	return db.DSN
}

func (d *deployment) sql(text string) {
	d.t.Helper()
	if _, err := d.conn.PgConn().Exec(d.t.Context(), text).ReadAll(); err != nil {
		d.t.Fatal(err)
	}
}

// verified runs ichor verify and compares how it ends and what it says.
func (d *deployment) verified(code int, says []string, args ...string) {
	d.t.Helper()
	is, out := d.ichor(append([]string{"verify", "-c", d.settings}, args...)...)
	if is != code {
		d.t.Errorf("verify %v ends with %d, want %d", args, is, code)
	}
	for _, want := range says {
		if !strings.Contains(out, want) {
			d.t.Errorf("verify %v does not say %q", args, want)
		}
	}
	if d.t.Failed() {
		d.t.Fatal(out)
	}
}

// installed is a deployment whose host has installed a recorded topic and was stopped.
func installed(t *testing.T, accounts, last int, records func() ([]talostest.Record, error)) *deployment {
	t.Helper()
	d := deploy(t, accounts)
	d.play(records())
	p := d.begin("run", "-c", d.settings)
	d.until(last, p)
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK {
		t.Fatalf("the host ends with %d\n%s", code, out)
	}
	return d
}

// recorded writes a recorded topic to a file, without the decision that commits one of the versions, which
// it returns.
func recorded(t *testing.T, records []talostest.Record, err error) (file string, undecided talos.Version) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, r := range records {
		var d talos.Decision
		if string(r.Header("messageType")) == "Decision" && undecided == 0 && talos.DecodeDecision(r.Value, &d) == nil && d.Outcome == talos.Committed {
			undecided = d.Version
			continue
		}
		line, err := json.Marshal(map[string]any{"offset": r.Position, "headers": [][2]string{{"messageType", string(r.Header("messageType"))}}, "value": string(r.Value)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s\n", line)
	}
	file = filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, undecided
}

// TestVerifyFindsWhatIsBroken breaks one thing each time on a database that a host has installed.
func TestVerifyFindsWhatIsBroken(t *testing.T) {
	d := installed(t, 40, 228, talostest.Small)
	beside := scratch(t, 40)
	records, err := talostest.Small()
	log, hole := recorded(t, records, err)
	d.sql("create table kept as table bank_accounts; create table kept_history as table ichor.guest_history")
	for _, c := range []struct {
		name, breaks string
		code         int
		says         []string
		args         []string
	}{
		{"nothing", "", exitOK, []string{"ok      the books agree with the log", "66 installable", "replay  versions 1 to 228: 66 installed", "ok      table public.bank_accounts: 40 rows, 0 differ"}, []string{"--rest", "--scratch", beside}},
		{"nothing, and no scratch database", "", exitOK, []string{"no replay: no scratch database is named"}, nil},
		{"a row changed by hand", "update bank_accounts set amount = amount + 0.00001 where number = (select max(number) from bank_accounts where version > 0)", exitRuntime, []string{"40 rows, 1 differ", "last written by version"}, []string{"--scratch", beside}},
		{"a row that names a decision", "update bank_accounts set version = version + 1 where number = (select max(number) from bank_accounts where version > 0)", exitRuntime, []string{"failed  row_claim, 1 times: row {"}, nil},
		{"a ledger below the snapshot", "insert into ichor.ledger values (3)", exitRuntime, []string{"failed  ledger_below, 1 times: the ledger has version 3"}, nil},
		{"two snapshots", "update cohort_snapshot set version = 226", exitRuntime, []string{"failed  snapshot_differs"}, nil},
		{"a wrong digest in the history", "update ichor.guest_history set digest = repeat('0', 64)", exitRuntime, []string{"failed  module_missing, 1 times: the history names guest banking of digest 000000000000", "no replay: not every module"}, []string{"--scratch", beside}},
		{"a hole below the snapshot", "", exitRuntime, []string{fmt.Sprintf("failed  snapshot_passed, 1 times: the snapshot 228 lies above version %d, which is undecided", hole)}, []string{"--log", log}},
		{"a module that is pruned", "update ichor.guest_history set from_version = 100; insert into ichor.guest_history (name, from_version, digest) values ('banking', 1, repeat('1', 64))", exitOK, []string{"ok      the books agree with the log"}, nil},
		{"a module that is pruned, and needed by a replay", "update ichor.guest_history set from_version = 100; insert into ichor.guest_history (name, from_version, digest) values ('banking', 1, repeat('1', 64))", exitEnvironment, []string{"no replay: the module 111111111111 of guest banking, which converted versions from 1 on, is not kept any more"}, []string{"--scratch", beside}},
		{"another module under a digest", "update ichor.guest_module set module = 'x'", exitRuntime, []string{"failed  module_wrong"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.t = t
			d.sql("begin; truncate bank_accounts, ichor.ledger, ichor.guest_history; insert into bank_accounts table kept; insert into ichor.guest_history table kept_history; update cohort_snapshot set version = 228; commit; " + c.breaks)
			d.verified(c.code, c.says, c.args...)
		})
	}
}

// TestVerifySaysWhatItCannotRead is about the exit codes.
func TestVerifySaysWhatItCannotRead(t *testing.T) {
	d := deploy(t, 1)
	d.bare()
	d.verified(exitEnvironment, []string{"the database has no table ichor.schema"})
	d.sql(installer.Schema())
	d.verified(exitOK, []string{"no replay: the history names no guest"})
	d.verified(exitEnvironment, []string{"--log: stat", "no such file"}, "--log", filepath.Join(t.TempDir(), "none"))
	broken := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(broken, []byte("{}\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.verified(exitEnvironment, []string{"line 2: position 0 follows 0"}, "--log", broken)
	d.verified(exitSettings, []string{"--scratch begins with http://"}, "--scratch", "http://nowhere")
	d.verified(exitSettings, []string{"--scratch is empty: "}, "--scratch", "")
	d.verified(exitSettings, []string{"--against is empty: "}, "--against", "")
	d.verified(exitEnvironment, []string{"--log: stat"}, "--log", "")
	d.sql("insert into public.cohort_snapshot (id, version) values ('SINGLETON', 5) on conflict (id) do update set version = 5")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.verified(exitEnvironment, []string{"the recording (no records) ends below the cohort's snapshot 5: take one that reaches further"}, "--log", broken)
	d.verified(exitSettings, []string{"unknown flag"}, "--skratch", "x")
}

// TestVerifyComparesTwoCohorts has two hosts follow one log, and breaks a row of the second.
func TestVerifyComparesTwoCohorts(t *testing.T) {
	d := installed(t, 40, 228, talostest.Small)
	text, err := os.ReadFile(d.settings)
	if err != nil {
		t.Fatal(err)
	}
	first := d.conn.Config().ConnString()
	other, beside := scratch(t, 40), scratch(t, 40)
	settings := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(settings, []byte(strings.Replace(string(text), first, other, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	second := *d
	if second.conn, err = pgx.Connect(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	defer second.conn.Close(t.Context())
	p := d.begin("run", "-c", settings)
	second.until(200, p)
	second.until(228, p)
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK {
		t.Fatalf("the second host ends with %d\n%s", code, out)
	}
	d.verified(exitOK, []string{"ONE AGAINST THE OTHER", "the log allows 228"}, "--against", other)

	second.sql("update bank_accounts set amount = amount + 1 where number = '0001'")
	d.verified(exitRuntime, []string{"{0001} is {", "the other has {"}, "--against", other)
	d.verified(exitRuntime, []string{"THIS COHORT", "40 rows, 0 differ", "THE OTHER COHORT", "40 rows, 1 differ", "the replay has {"}, "--against", other, "--scratch", beside)

	second.sql("update bank_accounts set amount = amount - 1 where number = '0001'; update cohort_snapshot set version = 227; update ichor.state set snapshot = 227")
	d.verified(exitRuntime, []string{"not compared: they stand at snapshots 228 and 227"}, "--against", other)
}

// TestVerifyRunsBesideAHost verifies again and again while the host installs.
func TestVerifyRunsBesideAHost(t *testing.T) {
	d := deploy(t, 100)
	beside := scratch(t, 100)
	text, err := os.ReadFile(d.settings)
	if err != nil {
		t.Fatal(err)
	}
	// Small groups, so that it takes its time.
	if err := os.WriteFile(d.settings, []byte(strings.Replace(string(text), "group_max: 16", "group_max: 2", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	d.play(talostest.Contention())
	p := d.begin("run", "-c", d.settings)
	for from := range 2 {
		d.until(1+6000*from, p)
		d.verified(exitOK, []string{"ok      the books agree with the log", "ok      table public.bank_accounts: 100 rows, 0 differ"}, "--scratch", beside)
	}
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK {
		t.Errorf("the host ends with %d\n%s", code, out)
	}
	d.verified(exitOK, []string{"0 differ"}, "--scratch", beside)
}

// TestVerifyKnowsWhatOperatorsDid holds a version and leaves another undecided; then one is skipped and the
// other abandoned.
func TestVerifyKnowsWhatOperatorsDid(t *testing.T) {
	h := byHand(t)
	h.says(exitOK, "the schema is there", "db", "init")
	beside := scratch(t, 9)
	p := h.start()
	held := h.candidate("0001", `[{"NOTHING":{}}]`)
	waits := h.deposit("0001")
	undecided := h.deposit("0003")
	free := h.deposit("0002")
	h.commit(held, waits, free)
	h.eventually(fmt.Sprintf("(%d)", free), "select version from ichor.ledger")
	h.says(exitOK, "going   past what holds the snapshot 1 versions may go, and 1 are installed", "verify", "--rest", "--scratch", beside)

	hash := lastHash(t, h.says(exitOK, "unknown_action", "quarantine", "list"))
	h.says(exitOK, "done", "quarantine", "skip", fmt.Sprint(held), "--hash", hash, "--reason", "the client was wrong")
	h.says(exitOK, "done", "abandon", fmt.Sprint(undecided), "--reason", "the certifier lost it")
	h.eventually(fmt.Sprintf("(%d)", free), "select version from cohort_snapshot")
	p.signal(syscall.SIGTERM)
	p.wait()
	h.verified(exitOK, []string{"1 skipped by an operator", "1 of the aborted were abandoned by an operator", "ok      the books agree with the log", "9 rows, 0 differ"}, "--rest", "--scratch", beside)
	h.sql("truncate ichor.audit")
	h.says(exitRuntime, "failed  abandoned_without_audit, 1 times", "verify")
}

// TestVerifyGoesByTheRoutesOfTheTime gives the cohort to another guest, whose deposits are a million more, and back again:
// what was installed by either is no difference, also of a version that went ahead of one that is held.
func TestVerifyGoesByTheRoutesOfTheTime(t *testing.T) {
	h := byHand(t)
	if err := os.WriteFile(filepath.Join(h.guests, "lavish.wasm"), lavish(t), 0o644); err != nil {
		t.Fatal(err)
	}
	h.says(exitOK, "the schema is there", "db", "init")
	beside := scratch(t, 9)
	p := h.start()
	h.commit(h.deposit("0001"))
	h.commit(h.candidate("0001", `[{"NOTHING":{}}]`)) // the snapshot stays below it
	for i, guest := range []string{"banking", "lavish", "banking"} {
		if i > 0 {
			p.signal(syscall.SIGTERM)
			p.wait()
			h.set("guest: "+map[string]string{"banking": "lavish", "lavish": "banking"}[guest]+"}", "guest: "+guest+"}")
			p = h.start()
		}
		v := h.deposit(fmt.Sprintf("000%d", i+2))
		h.commit(v)
		h.eventually(fmt.Sprintf("(%d)", v), "select version from ichor.ledger order by version desc limit 1")
		h.verified(exitOK, []string{fmt.Sprintf("%d installed", i+2), "9 rows, 0 differ"}, "--scratch", beside)
	}
	if got, want := h.row("select from_version, cardinality(earlier) from ichor.guest_routes order by id"), "(1,0) (3,1) (3,2)"; got != want {
		t.Errorf("routes %s, want %s", got, want)
	}
	if out := strings.Join(strings.Fields(h.says(exitOK, "", "guest", "history")), " "); !strings.Contains(out, " lavish 3 to ") || strings.Contains(out, "again") {
		t.Errorf("the history does not say from where and up to where lavish converted:\n%s", out)
	}
}
