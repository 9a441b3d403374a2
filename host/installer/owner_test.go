package installer_test

import (
	"errors"
	"log/slog"
	"reflect"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Of two hosts that saw the same owner one takes the cohort over.
func TestOneHostTakesOverFromAnOwner(t *testing.T) {
	b := newBase(t)
	b.take(1)
	owner, waiting, err := b.installer(1).Standbys(t.Context())
	if err != nil || owner.Epoch != 1 || waiting != 0 {
		t.Fatalf("owner %+v, %d wait, %v", owner, waiting, err)
	}
	if _, err := b.installer(1).Take(t.Context(), owner, "", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.installer(1).Take(t.Context(), owner, "", ""); !errors.Is(err, installer.ErrOvertaken) {
		t.Errorf("the second takes it from an owner that is gone: %v", err)
	}
	b.want("select epoch, released from ichor.beat", "(2,f)")
}

// A take-over whose answer was lost is found to be this host's own.
func TestATakeOverWhoseAnswerIsLostIsFoundAgain(t *testing.T) {
	b := newBase(t)
	in, proxy := b.through(1)
	owner, _, err := in.Standbys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	proxy.Next(pgtest.CutAfterPlainCommit)
	var e *installer.Error
	if _, err := in.Take(t.Context(), owner, "", ""); !errors.As(err, &e) || !e.Lost {
		t.Fatalf("the answer was not lost: %v", err)
	}
	b.want("select epoch from ichor.state", "(2)")
	s, err := in.Take(t.Context(), owner, "", "")
	if err != nil || s.Epoch != 2 {
		t.Fatalf("epoch %d, %v", s.Epoch, err)
	}
	if err := install(b.lane(in, 0), frontier(0, 1, work(1, add, 1, 1))); err != nil {
		t.Errorf("it is not this host's: %v", err)
	}
	if s, err := in.Take(t.Context(), owner, "", ""); !errors.Is(err, installer.ErrOvertaken) {
		t.Errorf("epoch %d, %v: what was answered is not taken again", s.Epoch, err)
	}
}

// A copy of the database from before, in its place, has a lower claim than the lane had taken.
func TestAClaimThatWentDownIsARegress(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.exec("update ichor.lane set claim = 0")
	_, err := l.Connect(t.Context(), nil)
	var e *installer.Error
	if !errors.As(err, &e) || e.Class != installer.Regressed {
		t.Errorf("%v, want a regress", err)
	}
}

// What somebody wrote into ichor.request by hand keeps no host from starting.
func TestOddRequestsCanBeRead(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	b.exec("insert into ichor.request (verb, who, reason, asked_at) values ('retry', 'hand', repeat('x', 5000000), 'infinity'), ('skip', 'hand', '', '-infinity')")
	b.exec("insert into ichor.request (id, verb, who, reason) overriding system value values (0, 'pause', 'hand', '')")
	s, err := in.Read(t.Context())
	if err != nil || len(s.Requests) != 2 || len(s.Requests[0].Reason) != 1000 || s.Requests[0].AskedAt.IsZero() {
		t.Errorf("%d requests, %v", len(s.Requests), err)
	}
}

// TestRoutesAreKeptFromWhereTheyAreOthers has hosts with different routes take over from one another: what went ahead of the
// snapshot before, went by the routes of before.
func TestRoutesAreKeptFromWhereTheyAreOthers(t *testing.T) {
	b := newBase(t)
	b.take(1) // without routes, and the schema
	takes := func(routes string) *installer.Installer {
		in, err := installer.New(installer.Options{URL: b.dsn, Owner: "test", Lanes: 2, Routes: routes}, slog.New(slog.DiscardHandler))
		if err == nil {
			_, err = take(in, "", "")
		}
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	in := takes("a")
	if err := install(b.lane(in, 1), &installer.Group{Works: []installer.Work{work(5, add, 1, 1), work(3, add, 2, 1)}}); err != nil {
		t.Fatal(err)
	}
	takes("a")
	in = takes("b")
	if err := install(b.lane(in, 0), frontier(0, 2, work(2, add, 3, 1))); err != nil {
		t.Fatal(err)
	}
	takes("a")
	b.exec("update ichor.state set resume = 9; delete from ichor.ledger") // as an operator adopts what lies above
	takes("b")
	s, err := in.Read(t.Context())
	want := []cohort.Routes{{From: 1, Earlier: []talos.Version{}, Text: "a"}, {From: 1, Earlier: []talos.Version{3, 5}, Text: "b"}, {From: 3, Earlier: []talos.Version{3, 5}, Text: "a"}, {From: 9, Earlier: []talos.Version{}, Text: "b"}}
	if err != nil || !reflect.DeepEqual(s.Routes, want) {
		t.Errorf("%v, %v", s.Routes, err)
	}
}
