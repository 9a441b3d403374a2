package verify

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// memory is a source of records that are there already.
type memory struct{ records []talostest.Record }

func (m *memory) Start() talos.Position {
	if len(m.records) == 0 {
		return 0
	}
	return m.records[0].Position
}

func (m *memory) Holes() (holes []books.Hole) {
	next := m.Start()
	for _, r := range m.records {
		if r.Position > next {
			holes = append(holes, books.Hole{From: next, To: r.Position})
		}
		next = r.Position + 1
	}
	return holes
}

func sourceOf(text ...string) *memory { return &memory{talostest.Written(text...)} }

func (m *memory) Read(_ context.Context, yield func(*books.Record) error) error {
	for i := range m.records {
		r := &m.records[i]
		if err := yield(&books.Record{Position: r.Position, Header: r.Header, Value: r.Value}); err != nil {
			return err
		}
	}
	return nil
}

const tables = `create table purse (id int primary key, amount numeric(20, 2) not null, seen bigint not null default 0);
	insert into purse (id, amount) select i, 100 from generate_series(1, 5) i;
	create table effects (version bigint, note text)`

var (
	pay    = &installer.Template{ID: 1, Name: "pay", SQL: "update purse set amount = amount + $2, seen = $3 where id = $1", Params: []string{"integer", "numeric", "bigint"}, Rows: installer.AnyRows}
	notes  = &installer.Template{ID: 2, Name: "note", SQL: "insert into effects (version, note) values ($1, $2)", Params: []string{"bigint", "text"}, Rows: installer.AnyRows}
	once   = &installer.Template{ID: 4, Name: "once", SQL: "update purse set amount = amount + $2, seen = $3 where id = $1 and exists (select from effects where version = 1)", Params: []string{"integer", "numeric", "bigint"}, Rows: installer.AnyRows}
	refuse = &installer.Template{ID: 3, Name: "refuse", SQL: "update purse set amount = 1 / (amount - amount) where id = $1", Params: []string{"integer"}, Rows: installer.AnyRows}
)

// purses converts PAY items, [from, to, amount], without any guard. One below 0 is paid as one above, but only
// if version 1 had an effect.
type purses struct{}

func (purses) Of(*talos.Candidate) rollout.Converter {
	return rollout.Converter{Guest: "g", Digest: "d"}
}

func (purses) Convert(_ context.Context, _ string, records []guest.Record) ([]rollout.Converted, error) {
	var all []rollout.Converted
	for _, r := range records {
		c := rollout.Converted{Version: r.Version}
		for _, it := range r.Items {
			var from, to, amount int
			if _, err := fmt.Sscanf(string(it.Payload), "[%d,%d,%d]", &from, &to, &amount); err != nil {
				c.Status, c.Reason = guest.Rejected, "no payment"
				continue
			}
			how := pay
			if amount < 0 {
				how, amount = once, -amount
			}
			text := func(v any) []byte { return fmt.Append(nil, v) }
			if amount == 0 {
				c.Statements = append(c.Statements, installer.Statement{Template: refuse, Args: [][]byte{text(from)}})
			}
			c.Statements = append(c.Statements,
				installer.Statement{Template: how, Args: [][]byte{text(from), text(-amount), text(r.Version)}},
				installer.Statement{Template: how, Args: [][]byte{text(to), text(amount), text(r.Version)}},
				installer.Statement{Template: notes, Args: [][]byte{text(r.Version), []byte("paid")}})
		}
		all = append(all, c)
	}
	return all, nil
}

func payment(from, to, amount int) string {
	return fmt.Sprintf(`candidate [{"PAY":[%d,%d,%d]}]`, from, to, amount)
}

// payments is a log of six versions, 1, 3, 5, 7, 9 and 11.
func payments() *memory {
	return sourceOf(payment(1, 2, 10), "commit 1", payment(2, 3, 5), "commit 3", payment(4, 5, 7), "commit 5",
		payment(1, 3, 1), "commit 7", payment(3, 1, 2), "commit 9", payment(2, 1, 50), "commit 11")
}

// pair is a cohort's database and a scratch database, both as they are before the first version.
type pair struct {
	t       *testing.T
	cohort  pgtest.Database
	conn    *pgx.Conn
	scratch pgtest.Database
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, cohort: pgtest.New(t), scratch: pgtest.New(t)}
	for _, db := range []pgtest.Database{p.scratch, p.cohort} {
		conn, err := pgx.Connect(t.Context(), db.DSN)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		p.conn = conn
		p.exec(tables)
	}
	p.exec(installer.Schema())
	return p
}

func (p *pair) exec(sql string) {
	p.t.Helper()
	if _, err := p.conn.PgConn().Exec(p.t.Context(), sql).ReadAll(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) open(dsn string) *installer.Installer {
	p.t.Helper()
	in, err := installer.New(installer.Options{URL: dsn}, slog.New(slog.DiscardHandler))
	if err != nil {
		p.t.Fatal(err)
	}
	return in
}

// installs installs versions into the cohort's database as often as they are named, by their own.
func (p *pair) installs(from *memory, versions ...talos.Version) {
	p.t.Helper()
	for _, v := range versions {
		for _, r := range from.records {
			if talos.Version(r.Position) != v {
				continue
			}
			var c talos.Candidate
			if err := talos.DecodeCandidate(v, r.Value, &c); err != nil {
				p.t.Fatal(err)
			}
			all, err := purses{}.Convert(p.t.Context(), "", []guest.Record{{Version: v, Items: c.Items}})
			if err != nil {
				p.t.Fatal(err)
			}
			for _, st := range all[0].Statements {
				args := make([]any, len(st.Args))
				for i, a := range st.Args {
					args[i] = string(a)
				}
				if _, err := p.conn.Exec(p.t.Context(), st.Template.SQL, args...); err != nil {
					p.t.Fatal(err)
				}
			}
		}
	}
}

// verified replays a log and compares, with the books as a host would have kept them.
func (p *pair) verified(from Source, e *books.Evidence, guard string, keep bool) *Report {
	p.t.Helper()
	ctx := p.t.Context()
	log, err := ReadLog(ctx, from)
	if err != nil {
		p.t.Fatal(err)
	}
	v := &verification{
		Options: Options{Source: from, Keep: keep, Say: func(string, ...any) {}}, e: e, installed: books.NewInstalled(e), log: log, guests: purses{},
		report: &Report{Books: books.Check(log, e, false)},
	}
	if v.reader, err = p.open(p.cohort.DSN).OpenReader(ctx); err != nil {
		p.t.Fatal(err)
	}
	defer v.reader.Close()
	for name, guard := range map[string]string{"purse": guard, "effects": ""} {
		table, err := v.reader.Table(ctx, name, guard)
		if err != nil {
			p.t.Fatal(err)
		}
		v.tables = append(v.tables, table)
	}
	is, err := v.reader.Identity(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	if v.serial, err = p.open(p.scratch.DSN).OpenSerial(ctx, is, keep); err != nil {
		p.t.Fatal(err)
	}
	defer v.serial.Close()
	if err := v.claims(ctx); err != nil {
		p.t.Fatal(err)
	}
	if err := v.replayed(ctx); err != nil {
		p.t.Fatal(err)
	}
	return v.report
}

// booked is what a host wrote down that has installed everything up to a version.
func booked(snapshot talos.Version, ledger ...talos.Version) *books.Evidence {
	return &books.Evidence{
		Snapshot: snapshot, Cohort: snapshot, Ledger: ledger,
		History: cohort.History{{Guest: "g", Digest: "d", From: 1}}, Modules: map[string]string{"d": "d"},
	}
}

func (r *Report) table(name string) *TableReport {
	for _, t := range r.Tables {
		if strings.HasSuffix(t.Table, name) {
			return t
		}
	}
	return &TableReport{}
}

func TestRowsOfASerialReplayAreFoundEqual(t *testing.T) {
	p := newPair(t)
	p.installs(payments(), 1, 3, 5, 7, 9, 11)
	r := p.verified(payments(), booked(11), "seen", false)
	if !r.OK() || r.Replay.Installed != 6 || r.table("purse").Rows != 5 || r.table("effects").Rows != 6 {
		t.Errorf("got %+v, %+v", r.Replay, r.Tables)
	}
	// The scratch database is as it was, so that it may be done again.
	if r := p.verified(payments(), booked(11), "", false); !r.OK() {
		t.Errorf("the second time: %+v", r.Tables)
	}
	// What is kept is a start for what comes later, once its snapshot says so.
	if r := p.verified(payments(), booked(11), "", true); !r.OK() {
		t.Errorf("kept: %+v", r.Tables)
	}
}

func TestVersionsOfTheLedgerAreReplayedToo(t *testing.T) {
	p := newPair(t)
	p.installs(payments(), 1, 5, 11)
	if r := p.verified(payments(), booked(1, 5, 11), "seen", false); !r.OK() || r.Replay.Installed != 3 {
		t.Errorf("got %+v, %+v", r.Replay, r.Tables)
	}
}

// TestWhatBrokeIsNamed breaks one thing each time.
func TestWhatBrokeIsNamed(t *testing.T) {
	p := newPair(t)
	for name, c := range map[string]struct {
		versions []talos.Version // that are installed, in this order
		after    string          // what is done by hand
		purses   int             // that differ
		effects  int
		what     Cause
		version  talos.Version
	}{
		"a version left out":              {[]talos.Version{1, 5, 7, 9, 11}, "", 2, 1, LeftOut, 3},
		"the last version left out":       {[]talos.Version{1, 3, 5, 7, 9}, "", 2, 1, LeftOut, 11},
		"a version installed twice":       {[]talos.Version{1, 3, 3, 5, 7, 9, 11}, "", 2, 1, Twice, 3},
		"the last one twice":              {[]talos.Version{1, 3, 5, 7, 9, 11, 11}, "", 2, 1, Twice, 11},
		"several left out at the end":     {[]talos.Version{1, 3, 5}, "", 3, 3, Stale, 7},
		"a row changed by hand":           {[]talos.Version{1, 3, 5, 7, 9, 11}, "update purse set amount = amount + 0.01 where id = 4", 1, 0, "", 0},
		"a row that is gone":              {[]talos.Version{1, 3, 5, 7, 9, 11}, "delete from purse where id = 4", 1, 0, "", 0},
		"a row that nobody wrote":         {[]talos.Version{1, 3, 5, 7, 9, 11}, "insert into purse values (6, 0, 0)", 1, 0, "", 0},
		"an effect that nobody had":       {[]talos.Version{1, 3, 5, 7, 9, 11}, "insert into effects values (3, 'paid')", 0, 1, "", 0},
		"the same amount of other digits": {[]talos.Version{1, 3, 5, 7, 9, 11}, "alter table purse alter amount type numeric(20, 3)", 5, 0, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p.t = t
			p.exec("drop table purse, effects;" + tables)
			p.installs(payments(), c.versions...)
			p.exec(c.after)
			r := p.verified(payments(), booked(11), "seen", false)
			if purse, effects := r.table("purse"), r.table("effects"); r.OK() || purse.Different != c.purses || effects.Different != c.effects {
				t.Errorf("%d purses and %d effects differ: %+v, %+v", purse.Different, effects.Different, purse.First, effects.First)
			}
			switch {
			case c.what == "" && len(r.Diagnosis) > 0:
				t.Errorf("got %+v", r.Diagnosis)
			case c.what != "" && (len(r.Diagnosis) == 0 || r.Diagnosis[0].What != c.what || r.Diagnosis[0].Version != c.version):
				t.Errorf("got %+v, want %s %d", r.Diagnosis, c.what, c.version)
			}
		})
	}
}

func TestDifferencesNameTheVersionThatWroteLast(t *testing.T) {
	p := newPair(t)
	p.installs(payments(), 1, 3, 5, 7, 9, 11)
	p.exec("update purse set amount = 0 where id = 5; insert into effects values (3, 'paid')")
	r := p.verified(payments(), booked(11), "seen", false)
	want := RowDifference{Key: "{5}", Want: "{107.00,5,5}", Got: "{0.00,5,5}", Version: "5", Guard: "5"}
	if first := r.table("purse").First; len(first) != 1 || first[0] != want {
		t.Errorf("got %+v, want %+v", first, want)
	}
	if first := r.table("effects").First; len(first) != 1 || first[0].Version != "3" || first[0].Got != "{paid,3}" {
		t.Errorf("got %+v", first)
	}
}

func TestWhatAnInitiatorInstalledAheadIsNoDifference(t *testing.T) {
	p := newPair(t)
	p.installs(payments(), 1, 3, 11)
	r := p.verified(payments(), booked(3), "seen", false)
	if purse := r.table("purse"); purse.Different != 0 || purse.Ahead != 2 {
		t.Errorf("got %+v", purse)
	}
}

func TestRowsThatNameAVersionThatCannotHaveWrittenThem(t *testing.T) {
	p := newPair(t)
	p.installs(payments(), 1)
	p.exec("update purse set seen = 2 where id = 5; update purse set seen = 4000 where id = 4")
	r := p.verified(payments(), booked(1), "seen", false)
	if len(r.Claims) != 1 || r.Claims[0].Count != 2 || r.Claims[0].Versions[0] != 4000 || r.Claims[0].Versions[1] != 2 {
		t.Errorf("got %+v", r.Claims)
	}
}

func TestReplayGoesOnPastWhatIsRefused(t *testing.T) {
	p := newPair(t)
	from := sourceOf(payment(1, 2, 10), "commit 1", `candidate [{"PAY":"nothing"}]`, "commit 3", payment(1, 2, 0), "commit 5", payment(1, 2, 5), "commit 7")
	p.installs(from, 1, 7)
	r := p.verified(from, booked(7), "seen", false)
	if r.OK() || r.Replay.Installed != 2 || r.Replay.Refusals != 2 || r.Replay.Refused[0].Version != 3 || r.Replay.Refused[1].Version != 5 || r.table("purse").Different != 0 {
		t.Errorf("got %+v, %+v", r.Replay, r.Tables)
	}
}

func TestScratchMustReachTheLog(t *testing.T) {
	p := newPair(t)
	p.installs(payments(), 1, 3, 5, 7, 9, 11)
	late := payments()
	late.records = late.records[4:]
	if r := p.verified(late, booked(11), "seen", false); r.OK() || !strings.Contains(r.NoReplay, "the log begins at position 5, and the scratch database has everything up to version 0") {
		t.Errorf("got %q", r.NoReplay)
	}
	if r := p.verified(payments(), booked(0), "seen", false); r.Replay == nil || r.Replay.Installed != 0 {
		t.Errorf("got %+v", r.Replay)
	}
}

// A copy of the cohort's own database is a start like any other: what it has in its ledger is not installed
// again.
func TestCopyOfTheCohortIsAStart(t *testing.T) {
	p := newPair(t)
	p.installs(payments(), 1, 3, 5, 7, 9, 11)
	beside := &pair{t: t, cohort: p.scratch}
	conn, err := pgx.Connect(t.Context(), p.scratch.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	beside.conn = conn
	beside.exec(installer.Schema())
	beside.installs(payments(), 1, 3, 7)
	beside.exec("update cohort_snapshot set version = 3; insert into ichor.ledger values (7)")
	if r := p.verified(payments(), booked(11), "seen", false); !r.OK() || r.Replay.From != 3 || r.Replay.Installed != 3 {
		t.Errorf("got %+v, %+v", r.Replay, r.Tables)
	}
}

func TestCohortsOwnDatabaseIsNoScratch(t *testing.T) {
	p := newPair(t)
	reader, err := p.open(p.cohort.DSN).OpenReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	is, err := reader.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(p.cohort.DSN+" application_name=other").OpenSerial(t.Context(), is, false); err == nil || !strings.Contains(err.Error(), "is the cohort's own") {
		t.Errorf("got %v", err)
	}
}

func TestRecordingIsASource(t *testing.T) {
	const text = `{"offset":3,"headers":[["messageType","Candidate"]],"value":"{}"}
{"offset":4,"txn_aborted":true,"value":"x"}
{"offset":7,"headers":[["messageType","Other"]],"value":"x"}
`
	l, err := ReadLog(t.Context(), File(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }))
	if err != nil || l.Start != 3 || l.End != 8 || l.Records != 2 || l.Class(3) != books.Refused || len(l.Holes) != 1 || l.Holes[0] != (books.Hole{From: 5, To: 7}) {
		t.Errorf("got %+v, %v", l, err)
	}
}

// What a version does may depend on rows that nobody looks into. The one that took effect twice is found all the same, and
// not another that would explain the rows if those that wrote them were all there is.
func TestWhatDependsOnOtherRowsIsNamed(t *testing.T) {
	p := newPair(t)
	log := sourceOf(payment(4, 5, 7), "commit 1", payment(1, 2, -10), "commit 3", payment(1, 2, 10), "commit 5", payment(1, 2, 20), "commit 7")
	p.installs(log, 1, 3, 5, 5, 7)
	r := p.verified(log, booked(7), "seen", false)
	if want := []Diagnosis{{Twice, 5, 2}, {Twice, 3, 2}}; len(r.Diagnosis) != 1 || r.Diagnosis[0] != want[0] && r.Diagnosis[0] != want[1] {
		t.Errorf("got %+v, want one of %+v", r.Diagnosis, want)
	}
}
