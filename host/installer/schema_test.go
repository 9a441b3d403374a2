package installer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
)

// notReady checks that a database is refused with what is so and what to do.
func notReady(t *testing.T, err error, what, hint string) {
	t.Helper()
	var e *installer.NotReadyError
	if !errors.As(err, &e) || !strings.Contains(e.What, what) || !strings.Contains(e.Hint, hint) {
		t.Errorf("%v, want that it says %q and %q", err, what, hint)
	}
}

// The schema of an earlier Ichor is refused until it is brought up to date, also one that was not numbered yet.
func TestAnOlderSchemaIsRefusedUntilInit(t *testing.T) {
	for _, older := range []string{"update ichor.schema set version = 0", "delete from ichor.schema", "drop table ichor.schema"} {
		b := newBase(t)
		in, _ := b.take(1)
		b.exec(older)
		_, err := in.Read(t.Context())
		notReady(t, err, "schema", "run ichor db init as the owner")
		if err := in.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Read(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A host runs on a newer schema as long as that allows it, and never takes it back.
func TestANewerSchema(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	b.exec("update ichor.schema set version = 2, usable_from = 1")
	if _, err := in.Read(t.Context()); err != nil {
		t.Errorf("on a schema that it may use: %v", err)
	}
	b.exec("drop function ichor.end_request(bigint, text)")
	notReady(t, in.Init(t.Context()), "schema ichor has version 2, and this Ichor makes version 1", "the newer Ichor")
	b.want("select count(*) from pg_proc where proname = 'end_request'", "(0)") // it changed nothing
	b.want("select version from ichor.schema", "(2)")
	b.exec("update ichor.schema set usable_from = 2")
	_, err := in.Read(t.Context())
	notReady(t, err, "a host must know version 2, and this one knows version 1", "the newer Ichor")
}

// What --print prints changes nothing either where it is run by psql, which goes on after an error.
func TestTheSchemaIsOneTransaction(t *testing.T) {
	s := installer.Schema()
	if begin, body := strings.Index(s, "\nbegin;\n"), strings.Index(s, "create schema"); begin < 0 || begin > body || !strings.HasSuffix(s, "\ncommit;\n") {
		t.Error("the schema is not made in one transaction")
	}
}
