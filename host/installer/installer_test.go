package installer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// add is a template that cannot be executed twice without being noticed.
var add = &installer.Template{SQL: "update account set amount = amount + $2::numeric where id = $1::int", Rows: installer.AnyRows}

// addOne must change exactly one row.
var addOne = &installer.Template{SQL: "update account set amount = amount + $2::numeric where id = $1::int and amount >= 0", Rows: 1}

type base struct {
	t    testing.TB
	conn *pgx.Conn
	db   pgtest.Database
	dsn  string
}

func newBase(t testing.TB) *base {
	db := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	b := &base{t: t, conn: conn, db: db, dsn: db.DSN}
	b.exec("create table account (id int primary key, amount numeric not null check (amount < 1000))")
	b.exec("insert into account select n, 0 from generate_series(1, 9) n")
	return b
}

func (b *base) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.conn.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *base) text(sql string) string {
	b.t.Helper()
	var s string
	if err := b.conn.QueryRow(b.t.Context(), "select coalesce(string_agg(t::text, ' '), '') from ("+sql+") t").Scan(&s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *base) want(sql, want string) {
	b.t.Helper()
	if got := b.text(sql); got != want {
		b.t.Errorf("%s: %q, want %q", sql, got, want)
	}
}

func (b *base) installer(lanes int) *installer.Installer {
	b.t.Helper()
	in, err := installer.New(installer.Options{URL: b.dsn, Owner: "test", Lanes: lanes}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	return in
}

// take takes the cohort over from whoever owns it.
func take(in *installer.Installer, cluster, topic string) (installer.State, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	from, err := in.WatchOwner(ctx, "take", time.Second, func(installer.Owner) bool { return true })
	if err != nil {
		return installer.State{}, err
	}
	return in.Take(ctx, from, cluster, topic)
}

// take initialises the database and takes it over.
func (b *base) take(lanes int) (*installer.Installer, installer.State) {
	b.t.Helper()
	in := b.installer(lanes)
	if err := in.Init(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	s, err := take(in, "cluster", "topic")
	if err != nil {
		b.t.Fatal(err)
	}
	return in, s
}

func (b *base) lane(in *installer.Installer, n int) *installer.Lane {
	b.t.Helper()
	l := in.Lane(n)
	if _, err := l.Connect(b.t.Context(), nil); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(l.Close)
	return l
}

func work(v talos.Version, t *installer.Template, id, amount int) installer.Work {
	return installer.Work{Version: v, Statements: []installer.Statement{{Template: t, Args: [][]byte{
		[]byte(strconv.Itoa(id)), []byte(strconv.Itoa(amount)),
	}}}}
}

func frontier(from, to talos.Version, works ...installer.Work) *installer.Group {
	return &installer.Group{Works: works, Advance: &installer.Advance{
		From: from, Snapshot: to, Resume: talos.Position(to) + 1, Anchor: talos.Anchor{Position: talos.Position(to), Hash: 1<<63 + 5},
	}}
}

// install begins a group and waits for its result.
func install(l *installer.Lane, g *installer.Group) error { return installed(l, g).Err }

func installed(l *installer.Lane, g *installer.Group) installer.Result {
	if err := l.Begin(g); err != nil {
		return installer.Result{Err: err}
	}
	return result(l)
}

// result waits for the result of the oldest group that was begun.
func result(l *installer.Lane) installer.Result {
	for {
		if r, done := l.Finish(<-l.Answers()); done {
			return r
		}
	}
}

func class(err error) string {
	var e *installer.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%d %s culprit %d lost %v doubt %v", e.Class, e.Code, e.Culprit, e.Lost, e.InDoubt)
}

func wantClass(t *testing.T, err error, class_ installer.Class, code string, culprit talos.Version) {
	t.Helper()
	if got, want := class(err), fmt.Sprintf("%d %s culprit %d lost false doubt false", class_, code, culprit); got != want {
		t.Errorf("error %v\n is %s, want %s", err, got, want)
	}
}

func TestAGroupIsOneTransactionWithItsSnapshot(t *testing.T) {
	b := newBase(t)
	in, s := b.take(1)
	if s.Snapshot != 0 || s.HasResume || s.Epoch != 1 {
		t.Fatalf("a new database says %+v", s)
	}
	l := b.lane(in, 0)
	g := frontier(0, 12, work(10, add, 1, 5), work(11, add, 1, 7))
	g.Uses = []cohort.Use{{Guest: "banking", Digest: "d1", From: 1}}
	if r := installed(l, g); r.Err != nil || r.Unchanged != 0 {
		t.Fatalf("%d versions changed nothing, %v", r.Unchanged, r.Err)
	}
	b.want("select amount from account where id = 1", "(12)")
	b.want("select version from cohort_snapshot", "(12)")
	s, err := in.Read(t.Context())
	if err != nil || s.Snapshot != 12 || s.Resume != 13 || !s.HasResume || s.Anchor != (talos.Anchor{Position: 12, Hash: 1<<63 + 5}) {
		t.Errorf("state %+v, %v", s, err)
	}
	if len(s.History) != 1 || s.History[0] != g.Uses[0] {
		t.Errorf("history %+v", s.History)
	}
	// An initiator was first: the guard of the second version lets no row change.
	guarded := &installer.Template{SQL: "update account set amount = amount + $2::numeric where id = $1::int and amount < 0", Rows: installer.AnyRows}
	if r := installed(l, frontier(12, 14, work(13, add, 2, 0), work(14, guarded, 2, 1))); r.Err != nil || r.Unchanged != 1 {
		t.Errorf("%d versions changed nothing, want 1; %v", r.Unchanged, r.Err)
	}
	// A flush without statements.
	if err := install(l, frontier(14, 20)); err != nil {
		t.Fatal(err)
	}
	b.want("select version from cohort_snapshot", "(20)")
}

func TestAPoisonStatementNamesItsVersionAndLeavesNothing(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	err := install(l, frontier(0, 3, work(1, add, 1, 5), work(2, add, 1, 5000), work(3, add, 1, 5)))
	wantClass(t, err, installer.Poison, "23514", 2)
	if !strings.Contains(err.Error(), "account_amount_check") {
		t.Errorf("the error does not name the constraint: %v", err)
	}
	err = install(l, frontier(0, 3, installer.Work{Version: 3, Statements: []installer.Statement{
		{Template: &installer.Template{SQL: "update nothing set x = 1", Rows: installer.AnyRows}}}}))
	wantClass(t, err, installer.Poison, "42P01", 3)
	b.want("select sum(amount) from account", "(0)")
	if err := install(l, frontier(0, 1, work(1, add, 1, 5))); err != nil {
		t.Fatalf("the lane is of no use after a poison group: %v", err)
	}
}

func TestACountOfRowsThatIsNotPromisedStopsTheCommit(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	err := install(l, frontier(0, 2, work(1, addOne, 1, 5), work(2, addOne, 77, 5)))
	wantClass(t, err, installer.Poison, "IC004", 2)
	b.want("select sum(amount) from account", "(0)")
	if err := install(l, frontier(0, 1, work(1, addOne, 1, 5))); err != nil {
		t.Fatal(err)
	}
	b.want("select version from cohort_snapshot", "(1)")
}

func TestTheSnapshotIsComparedAndSet(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	wantClass(t, install(l, frontier(5, 6, work(6, add, 1, 1))), installer.Broken, "IC002", 0)
	b.exec("update cohort_snapshot set version = 99")
	wantClass(t, install(l, frontier(0, 6, work(6, add, 1, 1))), installer.Broken, "IC002", 0)
	b.want("select sum(amount) from account", "(0)")
	if _, err := take(in, "", ""); err == nil || !strings.Contains(err.Error(), "cohort_snapshot has 99") {
		t.Errorf("taking over a database whose snapshots differ: %v", err)
	}
}

func TestAnEpochThatIsOverCannotCommit(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(2)
	l0, l1 := b.lane(in, 0), b.lane(in, 1)
	second, s := b.take(1)
	if s.Epoch != 2 {
		t.Fatalf("epoch %d", s.Epoch)
	}
	wantClass(t, install(l0, frontier(0, 1, work(1, add, 1, 1))), installer.Fenced, "IC001", 0)
	wantClass(t, install(l1, &installer.Group{Works: []installer.Work{work(1, add, 1, 1)}}), installer.Fenced, "IC001", 0)
	wantClass(t, l1.Quarantine(t.Context(), []installer.Quarantined{{Version: 1}}), installer.Fenced, "IC001", 0)
	if _, err := l0.Connect(t.Context(), nil); !installer.IsFenced(err) {
		t.Errorf("a fenced host connects: %v", err)
	}
	b.want("select sum(amount) from account", "(0)")
	if err := install(b.lane(second, 0), frontier(0, 1, work(1, add, 1, 1))); err != nil {
		t.Fatal(err)
	}
}

func TestAheadGroupsGoToTheLedgerAndTheNextFrontierPassesThem(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(2)
	l0, l1 := b.lane(in, 0), b.lane(in, 1)
	if err := install(l1, &installer.Group{Works: []installer.Work{work(7, add, 2, 1), work(9, add, 3, 1)}}); err != nil {
		t.Fatal(err)
	}
	b.want("select version from ichor.ledger order by 1", "(7) (9)")
	s, err := in.Read(t.Context())
	if err != nil || fmt.Sprint(s.Ledger) != "[7 9]" || s.Snapshot != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	g := frontier(0, 7, work(5, add, 1, 1))
	wantClass(t, install(l0, g), installer.Broken, "IC003", 0)
	g.Advance.Ledgered = 1
	if err := install(l0, g); err != nil {
		t.Fatal(err)
	}
	b.want("select version from ichor.ledger order by 1", "(9)")
	// Never twice: the key of the ledger says so, and that nobody but this host could have written it.
	wantClass(t, install(l1, &installer.Group{Works: []installer.Work{work(9, add, 3, 1)}}), installer.Broken, "23505", 0)
}

func TestAConnectionThatIsLostLeavesADoubtThatTheNextResolves(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	// The commit happened; the host does not know.
	if err := install(l, frontier(0, 4, work(4, add, 1, 1))); err != nil {
		t.Fatal(err)
	}
	up, err := l.Connect(t.Context(), &installer.Doubt{Frontier: true, Versions: []talos.Version{4}})
	if err != nil || up.Snapshot != 4 {
		t.Fatalf("%+v, %v", up, err)
	}
	if err := install(l, &installer.Group{Works: []installer.Work{work(8, add, 2, 1)}}); err != nil {
		t.Fatal(err)
	}
	up, err = l.Connect(t.Context(), &installer.Doubt{Versions: []talos.Version{8}})
	if err != nil || up.Ledgered != 1 || up.Snapshot != 4 {
		t.Fatalf("%+v, %v", up, err)
	}
	// The server ends the session while a group runs.
	b.exec("create function slow() returns int language plpgsql as $$ begin perform pg_sleep(30); return 1; end $$")
	go func() {
		conn, err := pgx.Connect(context.Background(), b.dsn)
		if err != nil {
			return
		}
		defer conn.Close(context.Background())
		for {
			var n int
			if conn.QueryRow(context.Background(), `select count(pg_terminate_backend(pid)) from pg_stat_activity
				where application_name = 'ichor lane 0' and wait_event = 'PgSleep' and datname = current_database()`).Scan(&n) != nil || n > 0 {
				return
			}
		}
	}()
	slow := &installer.Template{SQL: "update account set amount = slow() where id = 1", Rows: installer.AnyRows}
	err = install(l, frontier(4, 5, installer.Work{Version: 5, Statements: []installer.Statement{{Template: slow}}}))
	var e *installer.Error
	if !errors.As(err, &e) || e.Class != installer.Transient || !e.Lost || !e.InDoubt {
		t.Fatalf("a session that the server ended: %s (%v)", class(err), err)
	}
	up, err = l.Connect(t.Context(), &installer.Doubt{Frontier: true})
	if err != nil || up.Snapshot != 4 {
		t.Fatalf("%+v, %v", up, err)
	}
	if err := install(l, frontier(4, 5, work(5, add, 1, 1))); err != nil {
		t.Fatalf("after the doubt was resolved: %v", err)
	}
}

func TestAnEarlierConnectionCannotCommitAfterTheFenceWasRenewed(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	zombie := b.lane(in, 0)
	fresh := in.Lane(0)
	t.Cleanup(fresh.Close)
	if _, err := fresh.Connect(t.Context(), &installer.Doubt{Versions: []talos.Version{1}}); err != nil {
		t.Fatal(err)
	}
	wantOver(t, install(zombie, &installer.Group{Works: []installer.Work{work(1, add, 1, 1)}}))
	b.want("select sum(amount) from account", "(0)")
}

// A connection that was given up while it waited for the fence may renew it after the one that was made
// instead. The host still owns the cohort: it connects again, and goes on.
func TestARenewalThatComesLateDoesNotFenceItsOwnHost(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	ahead := &installer.Group{Works: []installer.Work{work(3, add, 1, 1)}}
	first := frontier(0, 1, work(1, add, 1, 1))
	l := b.lane(in, 0)
	for name, try := range map[string]struct {
		late string
		do   func() error
	}{
		"a frontier group": {"update ichor.state set claim = claim + 1", func() error { return install(l, first) }},
		"an ahead group":   {"update ichor.lane set claim = claim + 1", func() error { return install(l, ahead) }},
		"the quarantine": {"update ichor.lane set claim = claim + 1", func() error {
			return l.Quarantine(t.Context(), []installer.Quarantined{{Version: 9}})
		}},
	} {
		b.exec(try.late)
		wantOver(t, try.do())
		up, err := l.Connect(t.Context(), nil)
		if err != nil || up.Snapshot != 0 {
			t.Fatalf("after %s: %+v, %v", name, up, err)
		}
	}
	b.want("select sum(amount) from account", "(0)")
	for _, g := range []*installer.Group{ahead, first} {
		if err := install(l, g); err != nil {
			t.Errorf("with the newest claim: %v", err)
		}
	}
}

// wantOver wants that the fence was renewed by another connection of the host, so that this one is over.
func wantOver(t *testing.T, err error) {
	t.Helper()
	var e *installer.Error
	if !errors.As(err, &e) || e.Class != installer.Transient || e.Code != "IC005" || !e.Lost {
		t.Errorf("%v\n is %s, want a lost connection with IC005", err, class(err))
	}
}

func TestTheDatabaseThatIsNotReadySaysWhatToDo(t *testing.T) {
	b := newBase(t)
	in := b.installer(1)
	var missing *installer.NotReadyError
	if _, err := in.Take(t.Context(), installer.Owner{}, "", ""); !errors.As(err, &missing) || !strings.Contains(err.Error(), "run ichor db init") {
		t.Errorf("without a schema: %v", err)
	}
	if err := in.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := in.Init(t.Context()); err != nil {
		t.Errorf("a second init: %v", err)
	}
	b.exec("delete from cohort_snapshot")
	if _, err := take(in, "", ""); !errors.As(err, &missing) || !strings.Contains(err.Error(), "no row SINGLETON") {
		t.Errorf("without the snapshot row: %v", err)
	}
}

func TestADatabaseThatServedTheReferenceIsTakenOver(t *testing.T) {
	b := newBase(t)
	b.exec("create table cohort_snapshot (id char(9) primary key, version bigint not null)")
	b.exec("insert into cohort_snapshot values ('SINGLETON', 1234)")
	if s, err := b.installer(1).Read(t.Context()); err == nil {
		t.Errorf("a database without the schema is read: %+v", s)
	}
	if err := b.installer(1).Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := b.installer(1).Read(t.Context()); err != nil || s.Snapshot != 1234 || s.Epoch != 0 || s.Anchor != talos.NoAnchor {
		t.Errorf("before the first host: %+v, %v", s, err)
	}
	_, s := b.take(1)
	if s.Snapshot != 1234 || s.HasResume {
		t.Errorf("%+v", s)
	}
}

func TestAReadOnlyDatabaseIsTransient(t *testing.T) {
	b := newBase(t)
	b.take(1)
	b.exec("do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$")
	_, err := take(b.installer(1), "", "")
	if !errors.Is(err, installer.ErrStandby) || !installer.IsTransient(err) {
		t.Errorf("%v", err)
	}
}

func TestTheQuarantineKeepsWhatIsNeededToUnderstand(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	row := installer.Quarantined{
		Version: 7, Safepoint: 3, Snapshot: 6, Held: true, Kind: "guest_reject", Code: "12", Message: "bad\x00\xff", Digest: "abc",
		Candidate: &talos.Candidate{XID: "x", Cohort: "c", Agent: "a", Value: []byte("{\x00}")},
	}
	for range 2 {
		if err := l.Quarantine(t.Context(), []installer.Quarantined{row, {Version: 8, Kind: "payload_lost"}}); err != nil {
			t.Fatal(err)
		}
	}
	b.want("select version, held, kind, code, message, safepoint, snapshot, digest, xid, cohort, agent, candidate, times from ichor.quarantine order by 1",
		"(7,t,guest_reject,12,bad\uFFFD\uFFFD,3,6,abc,x,c,a,\"\\\\x7b007d\",2) (8,f,payload_lost,\"\",\"\",0,0,,,,,,2)")
}

// TestTheQuarantineGivesHeldCandidatesBack holds a version again without its record, as when retention
// took that, and one whose row ended, as on another log.
func TestTheQuarantineGivesHeldCandidatesBack(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	hold := func(v talos.Version, value string) {
		t.Helper()
		row := installer.Quarantined{Version: v, Held: true, Kind: "sql"}
		if value != "" {
			row.Candidate = &talos.Candidate{XID: "x", Cohort: "c", Agent: "a", Value: []byte(value)}
		}
		if err := l.Quarantine(t.Context(), []installer.Quarantined{row}); err != nil {
			t.Fatal(err)
		}
	}
	given := func(want string) {
		t.Helper()
		got, err := in.QuarantinedCandidates(t.Context(), []talos.Version{7, 8, 9})
		if err != nil || fmt.Sprintf("%s", got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	given("map[]")
	hold(7, "seven")
	hold(8, "")
	given("map[7:seven]")
	hold(7, "")
	hold(8, "eight")
	given("map[7:seven 8:eight]")
	b.want("select xid, cohort, agent, times from ichor.quarantine where version = 7", "(x,c,a,2)")
	b.exec("update ichor.quarantine set held = false, resolution = 'adopted'")
	given("map[]")
	hold(7, "")
	hold(8, "other")
	given("map[8:other]")
}

func TestModulesAreKeptByDigest(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	for range 2 {
		if err := in.StoreModule(t.Context(), installer.Module{Guest: "banking", Digest: "d1", Bytes: []byte{0, 1, 2}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := in.LoadModule(t.Context(), "banking", "d1")
	if err != nil || string(got.Bytes) != "\x00\x01\x02" || got.Signatures != "" {
		t.Errorf("%v, %v", got, err)
	}
	var missing *installer.NotReadyError
	if _, err := in.LoadModule(t.Context(), "banking", "d2"); !errors.As(err, &missing) {
		t.Errorf("a module that is not there: %v", err)
	}
}

func TestClassOf(t *testing.T) {
	for code, want := range map[string]installer.Class{
		"08006": installer.Transient, "57P01": installer.Transient, "53100": installer.Transient, "25006": installer.Transient, "58030": installer.Transient,
		"40001": installer.Contention, "40P01": installer.Contention, "55P03": installer.Contention, "57014": installer.TimedOut,
		"23505": installer.Poison, "22003": installer.Poison, "42P01": installer.Poison, "XX000": installer.Poison, "P0001": installer.Poison,
		"IC001": installer.Fenced, "IC005": installer.Transient, "IC002": installer.Broken, "IC003": installer.Broken,
	} {
		if got := installer.ClassOf(code); got != want {
			t.Errorf("ClassOf(%s) = %d, want %d", code, got, want)
		}
	}
}
