package replay_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replay"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
)

// withScratch has the range installed too.
func (w *world) withScratch() *world {
	w.options.Scratch = open(w.t, w.scratch)
	return w
}

func row(t *testing.T, conn *pgx.Conn, sql string) (text string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "select coalesce(string_agg(t::text, ' '), '') from ("+sql+") t").Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheSameGuestLeavesTheSameRows(t *testing.T) {
	w := installed(t).withScratch()
	before := row(t, w.scratch, "select * from bank_accounts order by 1")
	r := w.replayed(inRust(t), 100, 0)
	i := r.Installed
	if !r.Same() || i.Below.Installed == 0 || i.Below.Installed+i.Old.Installed != 66 || i.Old.Installed != r.Committed || i.New.Installed != r.Committed ||
		len(i.Tables) != 1 || i.Tables[0].Table != "public.bank_accounts" || i.Tables[0].Rows != 40 {
		t.Errorf("got %+v, below %+v, old %+v, new %+v", r, i.Below, i.Old, i.New)
	}
	if after := row(t, w.scratch, "select * from bank_accounts order by 1"); after != before {
		t.Error("the scratch database was changed")
	}
	if got := row(t, w.cohort, "select max(version) from bank_accounts"); got != "(0)" {
		t.Error("the cohort's database was changed")
	}
}

// TestRowsOfAChangedGuestAreFound: some of its changes change no row, and others do.
func TestRowsOfAChangedGuestAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		same  bool
		says  []string
	}{
		"the number in another way, two statements, other SQL": {
			[]string{transfer("0039", "0001"), transfer("0021", "0002"), transfer("0033", "0003"), "commit 1", "commit 2", "commit 3"}, true, nil},
		"ten times as much": {
			[]string{transfer("0001", "0002"), transfer("0016", "0002"), "commit 1", "commit 2"}, false,
			[]string{"{0002} old {100002.00000,n0002,0002,2} new {100012.00000,n0002,0002,2} by 2", "{0016} old {99999.00000,n0016,0016,2} new {99989.00000,n0016,0016,2} by 2"}},
		"skipped": {
			[]string{transfer("0013", "0002"), "commit 1"}, false, []string{"{0002} old {100001.00000,n0002,0002,1} new {100000.00000,n0002,0002,0} by 1", "{0013} "}},
		"rejected": {
			[]string{transfer("0005", "0002"), "commit 1"}, false, []string{"{0002} old ", "{0005} old "}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).withScratch()
			if _, err := w.scratch.Exec(t.Context(), "update bank_accounts set name = 'n' || number"); err != nil {
				t.Fatal(err)
			}
			w.options.Source = written(t, 1, c.lines...)
			w.converts("banking", inC(t), 1, false)
			w.reached(talos.Version(len(c.lines)))
			r := w.replayed(guesttest.Changed(t), 1, 0)
			table := r.Installed.Tables[0]
			if r.Same() || r.Installed.Same() != c.same || table.Different != len(c.says) {
				t.Fatalf("got %+v, %+v", r.Installed, table)
			}
			for i, d := range table.First {
				got := d.Key + " old " + d.Want + " new " + d.Got + " by " + d.Version
				if !strings.HasPrefix(got, c.says[i]) {
					t.Errorf("got %s, want %s", got, c.says[i])
				}
			}
		})
	}
}

// TestWhatCameBeforeTheRangeIsTheHistorys: the new module converts the range alone.
func TestWhatCameBeforeTheRangeIsTheHistorys(t *testing.T) {
	w := newWorld(t).withScratch()
	w.options.Source = written(t, 1, transfer("0016", "0002"), transfer("0001", "0002"), transfer("0016", "0003"), "commit 1", "commit 2", "commit 3")
	w.converts("banking", inC(t), 1, false)
	w.reached(3)
	if r := w.replayed(guesttest.Changed(t), 2, 2); !r.Same() || r.Installed.Below.Installed != 1 || r.Installed.New.Installed != 1 {
		t.Errorf("got %+v", r.Installed)
	}
	r := w.replayed(guesttest.Changed(t), 2, 3)
	if table := r.Installed.Tables[0]; table.Different != 2 || table.First[0].Key != "{0003}" || table.First[0].Version != "3" || table.First[1].Key != "{0016}" {
		t.Errorf("got %+v", table)
	}
}

// TestAVersionThatTheOldOneRejectedIsInstalledByTheNewOne: a repair shows as rows that differ.
func TestAVersionThatTheOldOneRejectedIsInstalledByTheNewOne(t *testing.T) {
	w := newWorld(t).withScratch()
	w.options.Source = written(t, 1, transfer("0005", "0002"), transfer("0005", "0003"), "commit 1", "commit 2")
	w.converts("banking", guesttest.Changed(t), 1, false)
	w.reached(2)
	w.exec("insert into ichor.quarantine (version, held, kind, message, safepoint, snapshot, resolution) values (2, false, 'guest_reject', '', 0, 0, 'skipped_by_operator')")
	r := w.replayed(inC(t), 1, 0)
	i := r.Installed
	if r.Compared.OldRejected != 2 || i.Old.Refusals != 1 || i.Old.Refused[0].Version != 1 || i.New.Installed != 1 || i.Tables[0].Different != 2 || r.Same() {
		t.Errorf("got %+v, old %+v, new %+v", r.Compared, i.Old, i.New)
	}
}

// TestAVersionThatTheDatabaseRefusesIsSaid: a constraint of the scratch database.
func TestAVersionThatTheDatabaseRefusesIsSaid(t *testing.T) {
	w := newWorld(t).withScratch()
	if _, err := w.scratch.Exec(t.Context(), "alter table bank_accounts add check (amount <= 100005)"); err != nil {
		t.Fatal(err)
	}
	w.options.Source = written(t, 1, transfer("0016", "0002"), transfer("0001", "0003"), "commit 1", "commit 2")
	w.converts("banking", inC(t), 1, false)
	w.reached(2)
	i := w.replayed(guesttest.Changed(t), 1, 0).Installed
	if i.Old.Installed != 2 || i.New.Installed != 1 || i.New.Refusals != 1 || !strings.Contains(i.New.Refused[0].Why, "the scratch database refuses it") || i.Tables[0].Different != 2 || i.Same() {
		t.Errorf("got old %+v, new %+v", i.Old, i.New)
	}
}

// TestARestoredCopyIsTheStart: what it has is not installed again.
func TestARestoredCopyIsTheStart(t *testing.T) {
	w := newWorld(t).withScratch()
	w.options.Source = written(t, 1, transfer("0001", "0002"), transfer("0001", "0002"), transfer("0001", "0002"), "commit 1", "commit 2", "commit 3")
	w.converts("banking", inC(t), 1, false)
	w.reached(3)
	copied := func(snapshot, ledger string) {
		t.Helper()
		if _, err := w.scratch.PgConn().Exec(t.Context(), installer.Schema()+"; truncate ichor.ledger; update cohort_snapshot set version = "+snapshot+"; insert into ichor.ledger select * from unnest('"+ledger+"'::bigint[])").ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	copied("1", "{}")
	if r := w.replayed(inRust(t), 3, 3); !r.Same() || r.Installed.Below.Installed != 1 {
		t.Errorf("from 1: %+v", r.Installed.Below)
	}
	copied("0", "{2}")
	if r := w.replayed(inRust(t), 3, 3); !r.Same() || r.Installed.Below.Installed != 1 {
		t.Errorf("with 2 ahead: %+v", r.Installed.Below)
	}
	for _, c := range []struct{ snapshot, ledger, says string }{
		{"2", "{}", "has everything up to version 2, and the range begins at 2: give an earlier copy, or begin the range with --from 3"},
		{"0", "{3}", "has version 3 installed ahead of its snapshot"},
	} {
		copied(c.snapshot, c.ledger)
		if _, err := w.run(inRust(t), 2, 3); !as[*replay.ScratchError](err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("snapshot %s, ledger %s: %v", c.snapshot, c.ledger, err)
		}
	}
	copied("0", "{}")
	w.options.Source = written(t, 2, transfer("0001", "0002"), transfer("0001", "0002"), "commit 2", "commit 3")
	if _, err := w.run(inRust(t), 3, 3); !as[*replay.ScratchError](err) || !strings.Contains(err.Error(), "the log begins at position 2") {
		t.Errorf("without the log's beginning: %v", err)
	}
}

// TestTheCohortsOwnDatabaseIsNoScratchDatabase.
func TestTheCohortsOwnDatabaseIsNoScratchDatabase(t *testing.T) {
	w := installed(t)
	w.options.Scratch = open(t, w.cohort)
	if _, err := w.run(inRust(t), 0, 0); !as[*installer.ScratchError](err) {
		t.Errorf("got %v", err)
	}
}

// TestOtherGuestsAreInstalledToo, on both sides by the history's modules, which must be there.
func TestOtherGuestsAreInstalledToo(t *testing.T) {
	w := newWorld(t).withScratch()
	w.options.Guests.Routes = []rollout.Route{{Cohort: "c", Guest: "banking"}, {Cohort: "*", Guest: "other"}}
	w.options.Source = written(t, 1, strings.Replace(transfer("0016", "0002"), "c ", "d ", 1), transfer("0001", "0002"), "commit 1", "commit 2")
	w.converts("banking", inC(t), 1, false)
	w.converts("other", inRust(t), 1, false)
	w.reached(2)
	r := w.replayed(guesttest.Changed(t), 1, 0)
	if !r.Same() || r.Elsewhere != 1 || r.Installed.New.Installed != 2 {
		t.Errorf("got %+v", r)
	}
	w.exec("delete from ichor.guest_module where name = 'other'")
	if _, err := w.run(guesttest.Changed(t), 1, 0); !as[*replay.ModuleError](err) || !strings.Contains(err.Error(), "guest other of digest") {
		t.Errorf("without the other guest's module: %v", err)
	}
}

// TestATableThatTheScratchDatabaseLacksIsSaid.
func TestATableThatTheScratchDatabaseLacksIsSaid(t *testing.T) {
	w := installed(t).withScratch()
	if _, err := w.scratch.Exec(t.Context(), "drop table bank_accounts"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.run(inRust(t), 0, 0); err == nil || !strings.Contains(err.Error(), `the scratch database: `) || !strings.Contains(err.Error(), `relation "bank_accounts" does not exist`) {
		t.Errorf("got %v", err)
	}
}
