package main

import (
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// forsaken is a database as another replicator leaves it: rows and cohort_snapshot.
func forsaken(t *testing.T) *deployment {
	d := installed(t, 40, 228, talostest.Small)
	d.sql("truncate ichor.state, ichor.lane, ichor.guest_history, ichor.audit; create table kept as table bank_accounts")
	return d
}

// TestHolesBelowAForeignSnapshot is about a replicator that takes the highest version that it installed for
// its snapshot.
func TestHolesBelowAForeignSnapshot(t *testing.T) {
	d := forsaken(t)
	code, out := d.ichor("check", "-c", d.settings)
	if code != exitOK || !strings.Contains(out, "ok      adoption: the guarded statements of the newest 66 versions up to the snapshot, 1 to 228, would change nothing") {
		t.Fatalf("a whole database: %d\n%s", code, out)
	}
	code, out = d.ichor("check", "-c", d.settings, "--look-back", "10")
	if code != exitOK || !strings.Contains(out, "the newest 10 versions") {
		t.Errorf("ten versions: %d\n%s", code, out)
	}

	// The account that was written last is as it was before that.
	d.sql("update bank_accounts set amount = amount + 1, version = version - 1 where version = (select max(version) from bank_accounts)")
	var broken string
	if err := d.conn.QueryRow(t.Context(), "select string_agg(b::text, ' ' order by number) from bank_accounts b").Scan(&broken); err != nil {
		t.Fatal(err)
	}
	code, out = d.ichor("check", "-c", d.settings)
	if code != exitEnvironment || !strings.Contains(out, "failed  adoption: 1 of the newest 66 versions up to the snapshot, 1 to 228, are not wholly installed, and would never be; the first are [") ||
		!strings.Contains(out, "would make it {") || !strings.Contains(out, "ichor db adopt --accept-holes") {
		t.Errorf("a hole: %d\n%s", code, out)
	}
	if code, out = d.ichor("check", "-c", d.settings, "--look-back", "0"); code != exitOK || strings.Contains(out, "adoption") {
		t.Errorf("nothing is looked at: %d\n%s", code, out)
	}

	adopt := []string{"db", "adopt", "-c", d.settings, "--resume", "229", "--reason", "it was served by another"}
	beyond := []string{"db", "adopt", "-c", d.settings, "--resume", "100000", "--reason", "a typing error"}
	if code, out = d.ichor(beyond...); code != exitSettings || !strings.Contains(out, "--resume is 100000, and the log ends at ") {
		t.Errorf("adopt beyond the log's end: %d\n%s", code, out)
	}
	if code, out = d.ichor(adopt...); code != exitEnvironment || !strings.Contains(out, "1 of the newest 66 versions") {
		t.Errorf("adopt: %d\n%s", code, out)
	}
	d.sql("do $$ begin assert not exists (select 1 from ichor.state) and not exists (select 1 from ichor.audit); end $$")
	if code, out = d.ichor(append(adopt, "--accept-holes")...); code != exitOK || !strings.Contains(out, "accepted: 1 of the newest 66 versions") {
		t.Errorf("adopt, accepted: %d\n%s", code, out)
	}
	d.sql("do $$ begin assert exists (select 1 from ichor.audit where deed like '%accepted: 1 versions up to the snapshot are not wholly installed, the first are [%'); end $$")

	var after string
	if err := d.conn.QueryRow(t.Context(), "select string_agg(b::text, ' ' order by number) from bank_accounts b").Scan(&after); err != nil {
		t.Fatal(err)
	}
	if after != broken {
		t.Errorf("the trial changed\n%s\nto\n%s", broken, after)
	}
	// From now on the database is Ichor's own, and what lies below is settled.
	if code, out = d.ichor("check", "-c", d.settings); code != exitOK || strings.Contains(out, "adoption") {
		t.Errorf("adopted: %d\n%s", code, out)
	}
}
