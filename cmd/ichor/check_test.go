package main

import (
	"context"
	"strings"
	"testing"
)

// TestCheckPrintsTheGrantsThatMakeItPass executes what check prints, as the owner of the database would.
func TestCheckPrintsTheGrantsThatMakeItPass(t *testing.T) {
	d := deploy(t, 1)
	if code, out := d.ichor("db", "init", "-c", d.settings); code != exitOK {
		t.Fatal(out)
	}
	d.exec("create role checked login")
	t.Cleanup(func() {
		if _, err := d.conn.Exec(context.Background(), "drop owned by checked; drop role checked"); err != nil {
			t.Error(err)
		}
	})
	d.exec("grant usage on schema ichor to checked; grant select, insert, update on all tables in schema ichor to checked; grant delete on ichor.guest_module to checked; grant select on cohort_snapshot to checked")
	d.set("user=postgres", "user=checked")
	code, out := d.ichor("check", "-c", d.settings, "--timeout", "5m") // other tests may have the machine
	grants := 0
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "GRANT ") {
			grants++
			d.exec(line)
		}
	}
	if code != exitEnvironment || grants != 1 || !strings.Contains(out, "\nGRANT SELECT (number, amount, version), UPDATE (amount, version) ON public.bank_accounts TO checked;\n") {
		t.Errorf("exit code %d and %d grants:\n%s", code, grants, out)
	}
	if code, out := d.ichor("check", "-c", d.settings, "--timeout", "5m"); code != exitOK {
		t.Errorf("after what it printed: exit code %d\n%s", code, out)
	}
}

func (d *deployment) exec(sql string) {
	d.t.Helper()
	if _, err := d.conn.Exec(d.t.Context(), sql); err != nil {
		d.t.Fatal(err)
	}
}
