package installer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// through returns an installer that reaches the database by way of a proxy, with the schema there
// and the cohort taken over.
func (b *base) through(lanes int) (*installer.Installer, *pgtest.Proxy) {
	b.t.Helper()
	proxy := pgtest.NewProxy(b.t, b.db)
	in, err := installer.New(installer.Options{URL: proxy.URL(), Owner: "test", Lanes: lanes, Deadline: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := in.Init(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if _, err := take(in, "", ""); err != nil {
		b.t.Fatal(err)
	}
	return in, proxy
}

// A connection that is lost around its COMMIT is in doubt, whatever the server said last, and the
// next connection finds out.
func TestInDoubtWhateverTheServerSaidLast(t *testing.T) {
	for name, c := range map[string]struct {
		fault     pgtest.Fault
		committed bool
	}{
		"fatal after the commit": {pgtest.FatalAfterCommit, true},
		"cut after the commit":   {pgtest.CutAfterCommit, true},
		"cut before the commit":  {pgtest.CutBeforeCommit, false},
		"silence":                {pgtest.SilenceBeforeCommit, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBase(t)
			in, proxy := b.through(2)
			for number, g := range []*installer.Group{frontier(0, 1, work(1, add, 1, 5)), {Works: []installer.Work{work(7, add, 2, 5)}}} {
				l := b.lane(in, number)
				proxy.Next(c.fault)
				err := install(l, g)
				var e *installer.Error
				class := installer.Transient
				if c.fault == pgtest.SilenceBeforeCommit {
					class = installer.TimedOut // it was cut by the deadline
				}
				if !errors.As(err, &e) || e.Class != class || !e.Lost || !e.InDoubt {
					t.Fatalf("%v, want a lost connection in doubt", err)
				}
				doubt := &installer.Doubt{Frontier: g.Advance != nil, Versions: []talos.Version{g.Works[0].Version}}
				up, err := l.Connect(t.Context(), doubt)
				if err != nil {
					t.Fatalf("connect again: %v", err)
				}
				if found := up.Snapshot == 1 && doubt.Frontier || up.Ledgered == 1; found != c.committed {
					t.Errorf("lane %d: the database says %+v, and committed is %v", number, up, c.committed)
				}
				if !c.committed {
					if err := install(l, g); err != nil {
						t.Errorf("the same group again: %v", err)
					}
				}
			}
			b.want("select id, amount from account where amount <> 0 order by id", "(1,5) (2,5)")
		})
	}
}

// The server keeps the backend of a connection that fell silent with half a transaction sent, and
// with it the rows of the fence: the lane ends its own former backend.
func TestHalfATransactionDoesNotKeepTheLaneOut(t *testing.T) {
	b := newBase(t)
	in, proxy := b.through(1)
	l := b.lane(in, 0)
	begun := time.Now()
	proxy.Next(pgtest.SilenceBeforeCommit)
	if err := install(l, frontier(0, 1, work(1, add, 1, 5))); err == nil {
		t.Fatal("a group that never reached the server is installed")
	}
	b.want("select count(*) from pg_stat_activity where application_name = 'ichor lane 0' and xact_start is not null", "(1)")
	if _, err := l.Connect(t.Context(), &installer.Doubt{Frontier: true, Versions: []talos.Version{1}}); err != nil {
		t.Fatalf("the lane is kept out by its own former backend: %v", err)
	}
	if err := install(l, frontier(0, 1, work(1, add, 1, 5))); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > time.Second+5*time.Second { // installer.deadline, and five seconds
		t.Errorf("it goes on after %v", took)
	}
	b.want("select amount from account where id = 1", "(5)")
}

// A server that has no room says so of a statement, and the same lane goes on when it has: nothing is held,
// nothing is lost.
func TestAFullDiskIsWaitedFor(t *testing.T) {
	b := newBase(t)
	in, proxy := b.through(2)
	l0, l1 := b.lane(in, 0), b.lane(in, 1)
	proxy.Turn(pgtest.DiskFull)
	wantClass(t, install(l0, frontier(0, 1, work(1, add, 1, 5))), installer.Transient, "53100", 1)
	wantClass(t, install(l1, &installer.Group{Works: []installer.Work{work(7, add, 2, 5)}}), installer.Transient, "53100", 7)
	if err := l0.Beat(t.Context()); err != nil {
		t.Errorf("what the host says for itself fails too: %v", err)
	}
	b.want("select sum(amount) from account", "(0)")
	proxy.Turn(pgtest.Fair)
	if err := errors.Join(install(l0, frontier(0, 1, work(1, add, 1, 5))), install(l1, &installer.Group{Works: []installer.Work{work(7, add, 2, 5)}})); err != nil {
		t.Fatal(err)
	}
	b.want("select id, amount from account where amount <> 0 order by id", "(1,5) (2,5)")
}

// After a failover to a copy two hosts may hold the same epoch: the token tells them apart.
func TestTwoHostsWithOneEpochAreToldApartByTheToken(t *testing.T) {
	b := newBase(t)
	first, _ := b.take(2)
	l0, l1 := b.lane(first, 0), b.lane(first, 1)
	// What a copy from before the take-over looks like once another host took it.
	b.exec("update ichor.state set epoch = 0; update ichor.lane set epoch = 0")
	second, s := b.take(2)
	if s.Epoch != 1 {
		t.Fatalf("the second host has epoch %d, want the first one's", s.Epoch)
	}
	wantClass(t, install(l0, frontier(0, 1, work(1, add, 1, 1))), installer.Fenced, "IC001", 0)
	wantClass(t, install(l1, &installer.Group{Works: []installer.Work{work(3, add, 1, 1)}}), installer.Fenced, "IC001", 0)
	wantClass(t, l1.Quarantine(t.Context(), []installer.Quarantined{{Version: 1}}), installer.Fenced, "IC001", 0)
	if err := l0.Beat(t.Context()); !installer.IsFenced(err) {
		t.Errorf("the beat of a host whose epoch was taken again: %v", err)
	}
	if _, err := first.Lane(1).Connect(t.Context(), nil); !installer.IsFenced(err) {
		t.Errorf("a host whose epoch was taken again connects: %v", err)
	}
	b.want("select sum(amount) from account", "(0)")
	if err := install(b.lane(second, 0), frontier(0, 1, work(1, add, 1, 1))); err != nil {
		t.Fatal(err)
	}
}

// A copy with an older epoch lacks what was committed since: everything is loaded again.
func TestACopyFromBeforeTheTakeOverIsARegress(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.exec("update ichor.state set epoch = 0; update ichor.lane set epoch = 0")
	_, err := in.Lane(0).Connect(t.Context(), nil)
	var e *installer.Error
	if err := l.Quarantine(t.Context(), []installer.Quarantined{{Version: 1}}); !errors.As(err, &e) || e.Class != installer.Regressed {
		t.Errorf("a quarantine: %v, want a regress", err)
	}
	if !errors.As(err, &e) || e.Class != installer.Regressed {
		t.Errorf("%v, want a regress", err)
	}
	b.exec("delete from ichor.state")
	if _, err := in.Lane(0).Connect(t.Context(), nil); !errors.As(err, &e) || e.Class != installer.Regressed {
		t.Errorf("without a state: %v, want a regress", err)
	}
}

func TestAnAheadGroupAtOrBelowTheSnapshotIsRefused(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(2)
	l0, l1 := b.lane(in, 0), b.lane(in, 1)
	if err := install(l0, frontier(0, 10, work(10, add, 1, 1))); err != nil {
		t.Fatal(err)
	}
	wantClass(t, install(l1, &installer.Group{Works: []installer.Work{work(10, add, 1, 1), work(12, add, 1, 1)}}), installer.Broken, "IC002", 0)
	b.want("select amount from account where id = 1", "(1)")
}

// The end of a quarantine stands in the transaction that ends it.
func TestAQuarantineEndsInTheTransactionThatInstalls(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	if err := l.Quarantine(t.Context(), []installer.Quarantined{{Version: 1, Held: true, Kind: "sql"}, {Version: 2, Held: true, Kind: "sql"}}); err != nil {
		t.Fatal(err)
	}
	if s, err := in.Read(t.Context()); err != nil || fmt.Sprint(s.Held) != "[1 2]" {
		t.Fatalf("held %v, %v", s.Held, err)
	}
	g := frontier(0, 2, work(1, add, 1, 1))
	g.Ends = []installer.QuarantineEnd{{Version: 1, How: "installed", Digest: "d2"}, {Version: 2, How: "skipped"}}
	bad := *g
	bad.Works = []installer.Work{work(1, add, 1, 5000)}
	if err := install(l, &bad); err == nil {
		t.Fatal("a check constraint was passed over")
	}
	b.want("select version, held, resolution from ichor.quarantine order by 1", "(1,t,) (2,t,)")
	if err := install(l, g); err != nil {
		t.Fatal(err)
	}
	b.want("select version, held, resolved_at is not null, resolution, resolved_digest from ichor.quarantine order by 1", "(1,f,t,installed,d2) (2,f,t,skipped,)")
	if s, err := in.Read(t.Context()); err != nil || len(s.Held) > 0 {
		t.Errorf("held %v, %v", s.Held, err)
	}
}

// A lane waits for a lock for a short while at first, since an initiator that waits for the
// lane's rows would be a deadlock, and longer when it is told to.
func TestALaneWaitsForALockAsLongAsItIsTold(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	blocker, err := b.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(t.Context(), "update account set amount = amount where id = 1"); err != nil {
		t.Fatal(err)
	}
	waited := func(wait time.Duration) time.Duration {
		g := frontier(0, 1, work(1, add, 1, 1))
		g.LockWait = wait
		begin := time.Now()
		wantClass(t, install(l, g), installer.Contention, "55P03", 1)
		return time.Since(begin)
	}
	if took := waited(0); took < installer.FirstLockWait {
		t.Errorf("the first try waited %v", took)
	}
	if took := waited(400 * time.Millisecond); took < 400*time.Millisecond {
		t.Errorf("a later try waited %v, told 400ms", took)
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := install(l, frontier(0, 1, work(1, add, 1, 1))); err != nil {
		t.Fatal(err)
	}
}

// A lane and a cohort's initiator may lock one version's rows in opposite order. The lane gives up
// before the server looks for a deadlock, which costs both deadlock_timeout, and the initiator goes on.
func TestALaneGivesWayBeforeADeadlockIsFound(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	initiator, err := b.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := initiator.Exec(t.Context(), "update account set amount = amount + 1 where id = 2"); err != nil {
		t.Fatal(err)
	}
	installed := make(chan error, 1)
	go func() { installed <- install(l, frontier(0, 1, work(1, add, 1, 5), work(1, add, 2, 5))) }()
	// The lane holds row 1 and waits for row 2; now the initiator asks for row 1.
	if _, err := initiator.Exec(t.Context(), "update account set amount = amount + 1 where id = 1"); err != nil {
		t.Errorf("the initiator: %v", err)
	}
	wantClass(t, <-installed, installer.Contention, "55P03", 1)
	if err := initiator.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := install(l, frontier(0, 1, work(1, add, 1, 5), work(1, add, 2, 5))); err != nil {
		t.Fatal(err)
	}
	b.want("select id, amount from account where amount <> 0 order by 1", "(1,6) (2,6)")
}

// What the server says of values may quote a user's row: it is for the quarantine, not for a log.
func TestNoUsersRowStandsInAnErrorForTheLog(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.exec("create table person (name varchar(4) primary key, born date)")
	b.exec("insert into person values ('Emma')")
	insert := &installer.Template{SQL: "insert into person values ($1, $2::text::date)", Rows: installer.AnyRows}
	for _, args := range [][]string{{"Emma", "2001-02-03"}, {"Emmanuelle", "2001-02-03"}, {"Emil", "Emma's birthday"}} {
		err := install(l, frontier(0, 1, installer.Work{Version: 1, Statements: []installer.Statement{
			{Template: insert, Args: [][]byte{[]byte(args[0]), []byte(args[1])}}}}))
		var e *installer.Error
		if !errors.As(err, &e) || e.Class != installer.Poison {
			t.Fatalf("%v: %v", args, err)
		}
		if strings.Contains(err.Error(), "Em") {
			t.Errorf("a user's row in an error for the log: %v", err)
		}
		if e.Detail == "" {
			t.Errorf("%v: nothing is left for the quarantine", args)
		}
	}
}

// A message never shows a password, nor what the driver took for a part of the URL.
func TestNoSecretStandsInAnError(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"postgres://app:" + secret + "/x@db/cohort", "postgres://app:" + secret + "#@db/cohort", "postgres://app:%" + secret + "@db/cohort",
		"mysql://app:" + secret + "@db/cohort", "host=db password='" + secret, "jdbc:oracle:thin:app/" + secret + "@db",
		"postgres://app:" + secret + "@db:port/cohort", "postgres://app:" + secret + "@db/cohort?sslmode=" + secret,
	} {
		_, err := installer.New(installer.Options{URL: text}, slog.New(slog.DiscardHandler))
		var bad *installer.URLError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the secret is shown: %v", err)
		}
	}
	for _, text := range []string{"jdbc:postgresql://db:5432/cohort?user=app&password=x", "postgres://app@[::1]:5432/cohort", "host=db user=app"} {
		if _, err := installer.New(installer.Options{URL: text}, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A password that was changed is read again when the database refuses the login.
func TestALoginThatIsRefusedIsReadAgain(t *testing.T) {
	server := pgtest.Private(t, pgtest.Options{TCP: true, Settings: map[string]string{"password_encryption": "scram-sha-256"}})
	admin, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if err := server.RequirePasswords(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"create role app superuser login password 'old'"} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	url := func(password string) string {
		return fmt.Sprintf("postgres://app:%s@127.0.0.1:%d/postgres?sslmode=disable", password, server.Port())
	}
	password := "old"
	var log bytes.Buffer
	in, err := installer.New(installer.Options{URL: url(password), Reread: func() (string, error) { return url(password), nil }}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), "alter role app password 'new'"); err != nil {
		t.Fatal(err)
	}
	if err := in.Init(t.Context()); !installer.IsTransient(err) {
		t.Fatalf("a login that is refused: %v, want one that may pass", err)
	}
	password = "new"
	if err := in.Init(t.Context()); !installer.IsTransient(err) { // this one notices
		t.Fatalf("%v", err)
	}
	if err := in.Init(t.Context()); err != nil {
		t.Errorf("the new password was not read: %v\n%s", err, log.String())
	}
	if strings.Contains(log.String(), "new") && strings.Contains(log.String(), "app:") {
		t.Errorf("the log shows the login: %s", log.String())
	}
}

// A role that lacks a right is told by the statement that grants it.
func TestARightThatIsMissingIsNamedByItsGrant(t *testing.T) {
	b := newBase(t)
	b.take(1)
	b.exec("drop role if exists poor")
	b.exec("create role poor login")
	t.Cleanup(func() {
		if _, err := b.conn.Exec(context.Background(), "drop owned by poor; drop role poor"); err != nil {
			t.Error(err)
		}
	})
	b.exec("grant usage on schema ichor to poor; grant select on all tables in schema ichor to poor; grant select on cohort_snapshot to poor")
	in, err := installer.New(installer.Options{URL: strings.Replace(b.dsn, "user=postgres", "user=poor", 1)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var missing *installer.RightsError
	_, err = in.Read(t.Context())
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), `GRANT SELECT, INSERT, UPDATE ON ichor.state TO "poor"`) {
		t.Errorf("%v", err)
	}
}

// An operator says where the log goes on: a host that runs is fenced, and the audit says why.
func TestAdoptionAfterAGapAndOnAnotherLog(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(2)
	l0, l1 := b.lane(in, 0), b.lane(in, 1)
	if err := install(l0, frontier(0, 10, work(10, add, 1, 1))); err != nil {
		t.Fatal(err)
	}
	if err := install(l1, &installer.Group{Works: []installer.Work{work(15, add, 1, 1), work(25, add, 1, 1)}}); err != nil {
		t.Fatal(err)
	}
	if err := l0.Quarantine(t.Context(), []installer.Quarantined{{Version: 12, Held: true, Kind: "sql"}}); err != nil {
		t.Fatal(err)
	}
	adopt := func(a installer.Adoption) (installer.Adopted, error) {
		a.Who, a.Reason = "me", "retention took it"
		return in.Adopt(t.Context(), a)
	}
	var wrong *installer.AdoptError
	if _, err := adopt(installer.Adoption{Resume: 10}); !errors.As(err, &wrong) {
		t.Errorf("a resume point that the snapshot has passed: %v", err)
	}
	if got, err := adopt(installer.Adoption{Resume: 20, DryRun: true}); err != nil || got.LedgerDropped != 1 || got.HeldEnded != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	b.want("select resume from ichor.state", "(11)")
	if _, err := adopt(installer.Adoption{Resume: 20}); err != nil {
		t.Fatal(err)
	}
	b.want("select resume, snapshot, anchor_position from ichor.state", "(20,10,-1)")
	b.want("select version from ichor.ledger", "(25)")
	b.want("select held, resolution from ichor.quarantine", "(f,adopted)")
	b.want("select who, deed, reason from ichor.audit", `(me,"adopt: resume 11 to 20, snapshot 10 to 10","retention took it")`)
	wantClass(t, install(l0, frontier(10, 21, work(21, add, 1, 1))), installer.Fenced, "IC001", 0)
	wantClass(t, install(l1, &installer.Group{Works: []installer.Work{work(30, add, 1, 1)}}), installer.Fenced, "IC001", 0)

	// What is to be installed again goes by the routes of whoever does.
	b.exec("insert into ichor.guest_routes (from_version, earlier, routes) values (1, '{}', 'a'), (8, '{9,15,25}', 'b'), (11, '{25}', 'c')")
	ten := talos.Version(10)
	if _, err := adopt(installer.Adoption{Resume: 11, Snapshot: &ten}); err != nil {
		t.Fatal(err)
	}
	b.want("select from_version, earlier, routes from ichor.guest_routes order by id", "(1,{},a) (8,{9},b)")

	// Another log begins anew.
	zero := talos.Version(0)
	if _, err := adopt(installer.Adoption{Resume: 1, Snapshot: &zero}); err != nil {
		t.Fatal(err)
	}
	b.want("select resume, snapshot, (select version from cohort_snapshot) from ichor.state", "(1,0,0)")
	b.want("select count(*) from ichor.ledger", "(0)")
	second, s := b.take(1)
	if s.Resume != 1 || s.Snapshot != 0 {
		t.Errorf("%+v", s)
	}
	if err := install(b.lane(second, 0), frontier(0, 1, work(1, add, 1, 1))); err != nil {
		t.Error(err)
	}
}

// A right on the host's own functions that was taken away is no version's fault.
func TestARightOnTheFenceThatIsLostIsWaitedFor(t *testing.T) {
	b := newBase(t)
	b.take(1)
	b.exec("create role lesser login superuser")
	t.Cleanup(func() {
		if _, err := b.conn.Exec(context.Background(), "drop owned by lesser; drop role lesser"); err != nil {
			t.Error(err)
		}
	})
	b.exec("alter role lesser nosuperuser; grant usage on schema ichor, public to lesser; grant all on all tables in schema ichor, public to lesser")
	in, err := installer.New(installer.Options{URL: strings.Replace(b.dsn, "user=postgres", "user=lesser", 1), Lanes: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(in, "", ""); err != nil {
		t.Fatal(err)
	}
	l := b.lane(in, 0)
	b.exec("revoke execute on all functions in schema ichor from public")
	wantClass(t, install(l, frontier(0, 1, work(1, add, 1, 5))), installer.Transient, "42501", 0)
	var lacks *installer.RightsError
	if _, err := in.Read(t.Context()); !errors.As(err, &lacks) || !strings.Contains(err.Error(), "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ichor TO") {
		t.Errorf("a host that begins: %v", err)
	}
	b.exec("grant execute on all functions in schema ichor to lesser")
	if err := install(l, frontier(0, 1, work(1, add, 1, 5))); err != nil {
		t.Fatal(err)
	}
}

// A cohort's own trigger may use the codes of the host's functions: it is a statement's fault all the same, and what it says
// is not for the log.
func TestACohortsTriggerIsNotTheHost(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	for n, code := range []string{"IC001", "IC002", "IC003", "IC005", "IC006"} {
		l := b.lane(in, 0)
		b.exec("create or replace function says() returns trigger language plpgsql as $$ begin raise exception 'balance of Emma' using errcode = '" + code + "'; end $$")
		b.exec("create or replace trigger says before update on account for each row execute function says()")
		err := install(l, frontier(0, 1, work(1, add, 1, 1)))
		wantClass(t, err, installer.Poison, code, 1)
		if strings.Contains(err.Error(), "Emma") {
			t.Errorf("%d: %v", n, err)
		}
		l.Close()
	}
}

// A policy that hides a row is no reason to install nothing in silence.
func TestAPolicyThatHidesARowIsTold(t *testing.T) {
	b := newBase(t)
	b.take(1)
	b.exec("create role hidden login superuser")
	t.Cleanup(func() {
		if _, err := b.conn.Exec(context.Background(), "drop owned by hidden; drop role hidden"); err != nil {
			t.Error(err)
		}
	})
	b.exec("alter role hidden nosuperuser; grant usage on schema ichor, public to hidden; grant all on all tables in schema ichor, public to hidden")
	in, err := installer.New(installer.Options{URL: strings.Replace(b.dsn, "user=postgres", "user=hidden", 1), Lanes: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(in, "", ""); err != nil {
		t.Fatal(err)
	}
	l := b.lane(in, 0)
	b.exec("alter table account enable row level security")
	if err := install(l, frontier(0, 1, work(1, add, 1, 1))); err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("a row that is hidden: %v", err)
	}
	b.exec("alter table account disable row level security")
	if err := install(l, frontier(0, 1, work(1, add, 1, 1))); err != nil {
		t.Error(err)
	}
}

// What a cohort's own trigger says may quote a user's row, whatever code it chooses.
func TestWhatATriggerSaysIsNotForTheLog(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.exec("create function says() returns trigger language plpgsql as $$ begin raise exception 'balance of Emma' using errcode = 'check_violation', hint = 'ask Emma'; end $$")
	b.exec("create trigger says before update on account for each row execute function says()")
	err := install(l, frontier(0, 1, work(1, add, 1, 5)))
	var e *installer.Error
	if !errors.As(err, &e) || strings.Contains(err.Error(), "Emma") || !strings.Contains(e.Detail, "Emma") {
		t.Errorf("%v; detail %q", err, e.Detail)
	}
}

// Several hosts may create the schema at once.
func TestTheSchemaIsCreatedBySeveralAtOnce(t *testing.T) {
	b := newBase(t)
	errs := make(chan error, 6)
	for range cap(errs) {
		go func() { errs <- b.installer(1).Init(context.Background()) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
