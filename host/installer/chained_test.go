package installer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// begin puts groups on the way, one after the other.
func begin(t *testing.T, l *installer.Lane, groups ...*installer.Group) {
	t.Helper()
	for _, g := range groups {
		if err := l.Begin(g); err != nil {
			t.Fatal(err)
		}
	}
}

// A second group is executed before the answer of the first is taken.
func TestAChainedGroupIsOnItsWayBeforeTheFirstIsAnswered(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	start := time.Now()
	begin(t, l, frontier(0, 1, work(1, add, 1, 5)), frontier(1, 2, work(2, add, 1, 7)))
	for b.text("select amount from account where id = 1") != "(12)" { // no answer was taken yet
		if time.Since(start) > time.Minute {
			t.Fatal("the second group waits for somebody to take the answer of the first")
		}
		time.Sleep(time.Millisecond)
	}
	for range 2 {
		if r := result(l); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	b.want("select snapshot from ichor.state", "(2)")
	if err := install(l, frontier(2, 3, work(3, add, 1, 1))); err != nil {
		t.Errorf("the next group: %v", err)
	}
}

// When the first group fails the second has no effect and no result, whatever the first failed by; the
// lane then takes both again.
func TestAChainedGroupFailsWithTheFirst(t *testing.T) {
	broken := work(1, &installer.Template{SQL: "update account set amount = amount / $2::numeric where id = $1::int", Rows: installer.AnyRows}, 1, 0)
	unknown := work(1, &installer.Template{SQL: "update nothing set amount = $2::numeric where id = $1::int", Rows: installer.AnyRows}, 1, 0)
	late := work(1, &installer.Template{SQL: "insert into late (id, parent) values ($1::int, $2::int)", Rows: installer.AnyRows}, 1, 2)
	miscounted := work(1, &installer.Template{SQL: "update account set amount = amount + $2::numeric where id = $1::int", Rows: 1}, 77, 5)
	for name, c := range map[string]struct {
		first *installer.Group
		code  string
	}{
		"its statement":                 {frontier(0, 1, broken), "22012"},
		"a statement that is not known": {frontier(0, 1, unknown), "42P01"},
		"its fence":                     {frontier(7, 8, work(8, add, 1, 1)), "IC002"},
		"its COMMIT":                    {frontier(0, 1, late), "23503"}, // a constraint that is checked then
		"a count of rows":               {frontier(0, 1, miscounted), "IC004"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBase(t)
			b.exec("create table late (id int primary key, parent int references late deferrable initially deferred)")
			in, _ := b.take(1)
			l := b.lane(in, 0)
			begin(t, l, c.first, frontier(c.first.Advance.Snapshot, 9, work(9, add, 1, 100)))
			r := result(l)
			var e *installer.Error
			if !errors.As(r.Err, &e) || e.Code != c.code || e.Lost {
				t.Errorf("the first says %v, want %s on a connection that lives", r.Err, c.code)
			}
			b.want("select count(*) from account where amount <> 0", "(0)")
			begin(t, l, frontier(0, 1, work(1, add, 1, 5)), frontier(1, 2, work(2, add, 1, 7)))
			for range 2 {
				if r := result(l); r.Err != nil {
					t.Errorf("the lane afterwards: %v", r.Err)
				}
			}
			b.want("select amount from account where id = 1", "(12)")
		})
	}
}

// A group whose counts of rows are checked holds back the one behind it until it is committed.
func TestAChainedGroupWaitsForAGroupThatIsChecked(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	addOne := &installer.Template{SQL: add.SQL, Rows: 1}
	begin(t, l, frontier(0, 1, work(1, addOne, 1, 5)), frontier(1, 2, work(2, addOne, 1, 7)))
	for range 2 {
		if r := result(l); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	b.want("select amount from account where id = 1", "(12)")
	b.want("select snapshot from ichor.state", "(2)")
}

// The connection is lost with two groups on their way: the snapshot tells what became of both.
func TestTwoGroupsInDoubt(t *testing.T) {
	for name, c := range map[string]struct {
		fault    pgtest.Fault
		snapshot talos.Version
	}{
		"cut before the first commit":  {pgtest.CutBeforeCommit, 0},
		"cut after the first commit":   {pgtest.CutAfterCommit, 1},
		"silence":                      {pgtest.SilenceBeforeCommit, 0},
		"fatal after the first commit": {pgtest.FatalAfterCommit, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBase(t)
			in, proxy := b.through(1)
			l := b.lane(in, 0)
			proxy.Next(c.fault)
			begin(t, l, frontier(0, 1, work(1, add, 1, 5)), frontier(1, 2, work(2, add, 1, 7)))
			r := result(l)
			var e *installer.Error
			if !errors.As(r.Err, &e) || !e.Lost || !e.InDoubt {
				t.Fatalf("the first says %v, want a lost connection in doubt", r.Err)
			}
			up, err := l.Connect(t.Context(), &installer.Doubt{Frontier: true, Versions: []talos.Version{1}})
			if err != nil {
				t.Fatal(err)
			}
			// The second may have been committed behind the first, never without it.
			if up.Snapshot < c.snapshot || up.Snapshot > c.snapshot && c.snapshot == 0 {
				t.Errorf("the snapshot is %d, want %d", up.Snapshot, c.snapshot)
			}
			b.want("select amount from account where id = 1", [...]string{"(0)", "(5)", "(12)"}[up.Snapshot])
		})
	}
}

// A server keeps a plan of what it was told, so it is told when no guest declares a template any more; one that
// comes again all the same is understood.
func TestAServerForgetsTemplatesThatAreDropped(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	known := &installer.Template{SQL: "update account set amount = (select count(*) from pg_prepared_statements where name like 'guest%') where id = $1::int and $2::numeric > 0", Rows: installer.AnyRows}
	for v := range talos.Version(20) {
		one := &installer.Template{SQL: "update account set amount = amount + $2::numeric where id = $1::int", Rows: installer.AnyRows}
		begin(t, l, frontier(3*v, 3*v+1, work(3*v+1, one, 1, 1)), frontier(3*v+1, 3*v+2, work(3*v+2, known, 2, 1)))
		if v%2 == 0 { // while the second is under way
			one.Drop()
		}
		for range 2 {
			if r := result(l); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		one.Drop()
		if err := install(l, frontier(3*v+2, 3*v+3, work(3*v+3, one, 1, 1))); err != nil {
			t.Fatal(err)
		}
	}
	b.want("select amount from account where id < 3 order by id", "(40) (2)")
}
