package installer_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// credit is a template as a guest declares it.
func credit() *installer.Template {
	return &installer.Template{ID: 3, Name: "credit", SQL: "update account set amount = amount + $2 where id = $1", Params: []string{"integer", "numeric"}, Rows: installer.AnyRows}
}

// watched is a lane of a host that looks at the tables of one template.
type watched struct {
	*base
	in       *installer.Installer
	lane     *installer.Lane
	template *installer.Template
	next     talos.Version
	said     string // why the last version waits
}

func newWatched(t *testing.T, path string) *watched {
	b := newBase(t)
	b.exec("create schema before")
	in, err := installer.New(installer.Options{URL: b.dsn, Owner: "test", Lanes: 1, SearchPath: path}, slog.New(slog.DiscardHandler))
	if err == nil {
		err = in.Init(t.Context())
	}
	if err == nil {
		_, err = take(in, "cluster", "topic")
	}
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{base: b, in: in, lane: b.lane(in, 0), template: credit(), next: 1}
	w.look()
	w.install("")
	return w
}

func (w *watched) look() {
	w.t.Helper()
	if err := w.in.Look(w.t.Context(), []*installer.Template{w.template}); err != nil {
		w.t.Fatal(err)
	}
}

// install installs a version, which must wait for what refused says, or be installed if that is empty.
func (w *watched) install(refused string) {
	w.t.Helper()
	err := install(w.lane, frontier(w.next-1, w.next, work(w.next, w.template, 1, 1)))
	switch {
	case refused == "" && err != nil:
		w.t.Fatal(err)
	case refused == "":
		w.next++
	case err == nil:
		w.t.Fatalf("version %d is installed although %s", w.next, refused)
	case !installer.IsNoLongerTaken(err) || !strings.Contains(err.Error(), refused):
		w.t.Fatalf("version %d waits because of %v, want %s", w.next, err, refused)
	default:
		w.said = err.Error()
		if got, want := class(err), fmt.Sprintf("%d IC008 culprit %d lost false doubt false", installer.Transient, w.next); got != want {
			w.t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}

// changes are what may become of a table after a guest was accepted, of which the server says nothing.
var changes = []struct{ name, path, begin, end, refused string }{
	{"unlogged", "public", "alter table account set unlogged", "alter table account set logged", "relation public.account is temporary, or unlogged"},
	{"a rule", "public", "create rule off as on update to account do instead nothing", "drop rule off on account", "rule off of public.account makes the statement do nothing"},
	{"a trigger", "public", "create or replace function eat() returns trigger language plpgsql as 'begin return null; end'; create trigger eats before update on account for each row execute function eat()",
		"drop trigger eats on account", "relation public.account has a trigger eats"},
	{"a view in its place", "public", "alter table account rename to hidden; create view account as select * from hidden", "drop view account; alter table hidden rename to account",
		"another relation public.account than when the guest was accepted"},
	{"another table in its place", "public", "alter table account rename to hidden; create table account (like hidden including all); insert into account values (1, 0)",
		"drop table account; alter table hidden rename to account", "another relation public.account than when the guest was accepted"},
	{"a table before it in the search path", "before,public", "create table before.account (like public.account); insert into before.account values (1, 0)", "drop table before.account",
		"it names before.account now, where it named public.account when the guest was accepted"},
}

// TestATableThatChangesAfterItWasAccepted is about what is noticed while a host runs, when it looks and when it connects.
func TestATableThatChangesAfterItWasAccepted(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			w := newWatched(t, c.path)
			w.exec(c.begin)
			w.look()
			w.install(c.refused)
			if says := "; what was installed after "; !strings.Contains(w.said, says) || !strings.Contains(w.said, " may lack its effects: ichor verify --scratch") {
				t.Errorf("%s, want %q: between the change and the look it was", w.said, says)
			}
			w.exec(c.end)
			w.look()
			w.install("")
			w.exec(c.begin)
			if _, err := w.lane.Connect(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			w.install(c.refused)
		})
	}
}

// TestARuleThatIsGoneTakesItsPlanAlong is about what PostgreSQL remembers of a statement that it prepared while a rule put nothing in
// its place: nothing, and on no table, so that nothing makes it think again.
func TestARuleThatIsGoneTakesItsPlanAlong(t *testing.T) {
	w := newWatched(t, "public")
	w.exec("create rule off as on update to account do instead nothing")
	w.install("") // nobody looked: it is lost
	w.want("select amount from account where id = 1", "(1)")
	w.exec("drop rule off on account")
	w.install("") // as is this one
	w.want("select amount from account where id = 1", "(1)")
	w.look()
	w.install("")
	w.want("select amount from account where id = 1", "(2)")
}

// TestALookThatFindsNothingJudgesNothing counts the functions that are made of templates, each time that they are judged.
func TestALookThatFindsNothingJudgesNothing(t *testing.T) {
	w := newWatched(t, "public")
	w.exec("create sequence judged; create function counted() returns event_trigger language plpgsql as $$ begin perform nextval('judged'); end $$")
	w.exec("create event trigger counts on ddl_command_start when tag in ('CREATE FUNCTION') execute function counted()")
	for range 3 {
		w.look()
		w.install("")
		w.exec("vacuum analyze account")
	}
	w.exec("create table besides (id int)")
	w.look()
	w.want("select is_called from judged", "(f)")
	w.exec("alter table account add column note text")
	w.look()
	w.want("select is_called from judged", "(t)")
	w.install("")
}

// One table that was altered speaks against many templates; people are told once.
func TestWhatIsWrongWithManyTemplatesIsSaidOnce(t *testing.T) {
	w := newWatched(t, "")
	all := []*installer.Template{w.template, credit(), credit(), {ID: 6, Name: "other", SQL: "update account set id = $1 where id = $1", Params: []string{"integer"}, Rows: installer.AnyRows}}
	all[1].ID, all[1].SQL = 4, all[1].SQL+" and amount >= 0"
	all[2].ID, all[2].SQL = 5, all[2].SQL+" and amount >= 1"
	look := func() {
		t.Helper()
		if err := w.in.Look(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	look()
	if err := installer.Refused(all); err != nil {
		t.Fatal(err)
	}
	w.exec("alter table account set unlogged")
	look()
	err := installer.Refused(all)
	if err == nil || strings.Count(err.Error(), "unlogged") != 1 || !strings.HasSuffix(err.Error(), "\nthe same of 3 more") {
		t.Errorf("it says %v", err)
	}
}
