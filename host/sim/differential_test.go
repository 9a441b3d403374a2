package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// pair is a model of the database and a real one, with two hosts of two lanes each that do the same to
// both.
type pair struct {
	t      *testing.T
	r      *rand.Rand
	world  *world
	conn   *pgx.Conn
	real   [2]*installer.Installer
	lanes  [2][2]*installer.Lane
	digest []string // by what the model calls it
	told   []string
}

const pairAccounts = 4

// add is what a version does to one account.
var add = &installer.Template{
	SQL:  "update account set balance = balance + $2::bigint, version = $3::bigint, writes = writes + 1 where id = $1::int",
	Rows: installer.AnyRows,
}

func newPair(t *testing.T, seed uint64) *pair {
	db := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	still := dice{still: true}
	p := &pair{t: t, r: rand.New(rand.NewPCG(seed, 3)), conn: conn, digest: []string{"d0", "d1"}}
	p.world = &world{
		setup: setup{hosts: 2, accounts: pairAccounts, core: replicator.Options{Lanes: 2}}, now: 1e9, sometimes: map[string]int{},
		log: &history{records: []record{{at: 1, next: 2}}}, turnDice: still, faultDice: still, network: still, guestDice: still, hostDice: still,
	}
	p.world.truth = newTruth(p.world.log, pairAccounts, false)
	p.world.populate()
	p.exec("create table account (id int primary key, balance bigint not null, version bigint not null, writes int not null)")
	p.exec("insert into account select n, 0, 0, 0 from generate_series(0, $1::int - 1) n", pairAccounts)
	for i := range p.real {
		p.real[i], err = installer.New(installer.Options{URL: db.DSN, Owner: strconv.Itoa(i), Lanes: 2}, slog.New(slog.DiscardHandler))
		if err == nil {
			err = p.real[i].Init(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		p.lanes[i] = [2]*installer.Lane{p.real[i].Lane(0), p.real[i].Lane(1)}
		t.Cleanup(func() { p.lanes[i][0].Close(); p.lanes[i][1].Close() })
		h := p.world.hosts[i]
		h.digests = []int{0, 1}
		h.lanes = []*lane{{host: h}, {host: h, number: 1}}
	}
	return p
}

func (p *pair) exec(sql string, args ...any) {
	p.t.Helper()
	if _, err := p.conn.Exec(p.t.Context(), sql, args...); err != nil {
		p.t.Fatal(err)
	}
}

// say notes an operation with what both made of it, and compares that.
func (p *pair) say(what, model, database string) {
	p.t.Helper()
	p.told = append(p.told, what+": "+model)
	if model != database {
		p.t.Fatalf("%s\nthe model: %s\nPostgreSQL: %s", strings.Join(p.told, "\n"), model, database)
	}
}

// finish lets the model's server and a lane go on until the lane has its answers.
func (p *pair) finish(l *lane) (answers []string) {
	for range 1000 {
		switch {
		case l.canBegin():
			l.begin()
		case l.busy() && l.answered() && l.job == nil:
			l.finish()
		case l.busy() && l.answered():
			l.jobAnswered()
		case l.conn != nil && l.conn.ready(p.world.now):
			l.conn.step(p.world.now)
		case l.busy():
			p.world.now += 1e9 // a lock is waited for
		default:
			for _, events := range l.host.answers {
				answers = append(answers, eventWords(events[0]))
			}
			l.host.answers = nil
			return answers
		}
	}
	p.t.Fatal("the model does not answer")
	return nil
}

// eventWords says what a lane of the model answered.
func eventWords(ev replicator.Event) string {
	switch ev := ev.(type) {
	case *replicator.LaneUp:
		return fmt.Sprintf("up: snapshot %d, %d in the ledger", ev.Snapshot, ev.Ledgered)
	case *replicator.LaneDown:
		return fmt.Sprintf("%s %s, lost, in doubt %v", ev.Failure.Class, ev.Failure.Code, ev.InDoubt)
	case *replicator.Failed:
		return fmt.Sprintf("%s %s, culprit %d", ev.Failure.Class, ev.Failure.Code, ev.Culprit)
	}
	return "done"
}

// errorWords says what a lane of the installer answered. What it finds out by itself has no code, and
// a fence that it finds out about by asking has the code of the database.
func errorWords(err error) string {
	var e *installer.Error
	switch {
	case err == nil:
		return "done"
	case !errors.As(err, &e):
		return err.Error()
	}
	class := [...]replicator.Class{
		installer.Transient: replicator.Transient, installer.Contention: replicator.Contention, installer.TimedOut: replicator.TimedOut,
		installer.Poison: replicator.Poison, installer.Fenced: replicator.Fenced, installer.Regressed: replicator.Regressed, installer.Broken: replicator.Broken,
	}[e.Class]
	if e.Lost {
		return fmt.Sprintf("%s %s, lost, in doubt %v", class, e.Code, e.InDoubt)
	}
	return fmt.Sprintf("%s %s, culprit %d", class, e.Code, e.Culprit)
}

// take takes the cohort over with one of the hosts.
func (p *pair) take(i int) {
	h := p.world.hosts[i]
	h.taking = &takeover{}
	h.takeOver()
	for !h.taking.answer.over {
		h.taking.conn.step(p.world.now)
	}
	h.takeOver()
	h.taking.conn.cut(0, false)
	h.taking = nil
	from, err := p.real[i].WatchOwner(p.t.Context(), "take", time.Second, func(installer.Owner) bool { return true })
	if err != nil {
		p.t.Fatal(err)
	}
	s, err := p.real[i].Take(p.t.Context(), from, "cluster", "topic")
	if err != nil {
		p.t.Fatal(err)
	}
	p.say(fmt.Sprintf("host %d takes over", i), fmt.Sprint(h.own.epoch), fmt.Sprint(s.Epoch))
}

// connect connects a lane, with a group in doubt or without.
func (p *pair) connect(i, k int, doubt *queue.Group) {
	l := p.world.hosts[i].lanes[k]
	l.jobs = append(l.jobs, &replicator.Connect{Lane: cohort.Lane(k), Doubt: doubt})
	model := p.finish(l)
	var d *installer.Doubt
	if doubt != nil {
		d = &installer.Doubt{Frontier: doubt.Frontier}
		for _, e := range doubt.Entries {
			d.Versions = append(d.Versions, e.Version)
		}
	}
	up, err := p.lanes[i][k].Connect(p.t.Context(), d)
	database := errorWords(err)
	if err == nil {
		database = fmt.Sprintf("up: snapshot %d, %d in the ledger", up.Snapshot, up.Ledgered)
	}
	p.say(fmt.Sprintf("host %d lane %d connects", i, k), model[0], database)
}

// install sends one group, or two of which the second is chained.
func (p *pair) install(i, k int, groups ...*queue.Group) {
	l, real := p.world.hosts[i].lanes[k], p.lanes[i][k]
	what, database := fmt.Sprintf("host %d lane %d installs", i, k), []string{}
	begun := 0
	for _, g := range groups {
		install := &replicator.Install{Lane: cohort.Lane(k), Group: g, LockWait: 1e8, Uses: []replicator.Use{{Generation: cohort.Generation(begun), From: g.Snapshot + 1}}}
		l.jobs = append(l.jobs, install)
		what += fmt.Sprintf(" %v from %d to %d (%d of the ledger)", versionsOf(g), g.From, g.Snapshot, g.Ledgered)
		if err := real.Begin(p.realGroup(install)); err != nil {
			database = append(database, errorWords(err))
			break
		}
		begun++
	}
	for range begun {
		for {
			r, done := real.Finish(<-real.Answers())
			if !done {
				continue
			}
			if database = append(database, errorWords(r.Err)); r.Err != nil {
				begun = 0
			}
			break
		}
		if begun == 0 {
			break
		}
	}
	p.say(what, strings.Join(p.finish(l), "; "), strings.Join(database, "; "))
}

func versionsOf(g *queue.Group) (versions []talos.Version) {
	for _, e := range g.Entries {
		versions = append(versions, e.Version)
	}
	return versions
}

// realGroup says a group in the installer's words.
func (p *pair) realGroup(a *replicator.Install) *installer.Group {
	g := &installer.Group{}
	if a.Group.Frontier {
		g.Advance = &installer.Advance{From: a.Group.From, Snapshot: a.Group.Snapshot, Resume: a.Group.Resume, Anchor: a.Group.Anchor, Ledgered: a.Group.Ledgered}
	}
	for _, e := range a.Group.Entries {
		c := e.Conversion.(*conversion).candidate
		work := installer.Work{Version: e.Version}
		for i, account := range c.writes {
			work.Statements = append(work.Statements, installer.Statement{Template: add, Args: [][]byte{
				[]byte(strconv.Itoa(account)), []byte(strconv.FormatInt(c.amounts[i], 10)), []byte(e.Version.String()),
			}})
		}
		g.Works = append(g.Works, work)
	}
	for _, u := range a.Uses {
		g.Uses = append(g.Uses, cohort.Use{Guest: "g", Digest: p.digest[u.Generation], From: u.From, Only: u.Only})
	}
	return g
}

// group makes a group of some versions, with the snapshot as it is or another.
func (p *pair) group(frontier bool, from talos.Version) *queue.Group {
	g := &queue.Group{Frontier: frontier, From: from, Snapshot: from}
	v := from
	for range 1 + p.r.IntN(2) {
		v += talos.Version(1 + p.r.IntN(2))
		c := &candidate{version: v, writes: []int{p.r.IntN(pairAccounts)}, amounts: []int64{int64(p.r.IntN(100))}}
		g.Entries = append(g.Entries, &queue.Entry{Version: v, Conversion: &conversion{candidate: c}})
	}
	if frontier {
		g.Snapshot, g.Resume, g.Anchor = v, talos.Position(v)+1, talos.Anchor{Position: talos.Position(v)}
		for _, in := range p.world.primary().ledger {
			if in <= v {
				g.Ledgered++
			}
		}
	}
	return g
}

// quarantine records a version.
func (p *pair) quarantine(i, k int, v talos.Version) {
	l := p.world.hosts[i].lanes[k]
	l.jobs = append(l.jobs, &replicator.Quarantine{Lane: cohort.Lane(k), Rows: []replicator.Poisoned{{Version: v, Held: true}}})
	err := p.lanes[i][k].Quarantine(p.t.Context(), []installer.Quarantined{{Version: v, Held: true, Kind: "sql"}})
	p.say(fmt.Sprintf("host %d lane %d holds %d", i, k, v), strings.Join(p.finish(l), "; "), errorWords(err))
}

func (p *pair) beat(i, k int) {
	l := p.world.hosts[i].lanes[k]
	l.jobs = append(l.jobs, &replicator.Beat{Lane: cohort.Lane(k)})
	p.say(fmt.Sprintf("host %d lane %d asks", i, k), strings.Join(p.finish(l), "; "), errorWords(p.lanes[i][k].Beat(p.t.Context())))
}

// late renews a claim as a connection does that was given up.
func (p *pair) late() {
	s := p.world.primary()
	if p.r.IntN(2) == 0 {
		row := read[stateRow](s, stateKey)
		row.claim++
		s.set(stateKey, row)
		p.exec("update ichor.state set claim = claim + 1")
		return
	}
	row := read[laneRow](s, laneKey(0))
	row.claim++
	s.set(laneKey(0), row)
	p.exec("update ichor.lane set claim = claim + 1 where lane = 0")
}

// compare compares the rows.
func (p *pair) compare() {
	s := p.world.primary()
	var model strings.Builder
	state := read[stateRow](s, stateKey)
	fmt.Fprintf(&model, "%d %d %d %d %d", state.epoch, state.claim, state.snapshot, state.resume, read[cohortRow](s, cohortKey).version)
	for _, id := range s.rowsOf(tableLane) {
		l := read[laneRow](s, laneKey(int(id)))
		fmt.Fprintf(&model, " lane %d %d %d %v", id, l.epoch, l.claim, l.token == state.token)
	}
	for _, v := range s.ledger {
		fmt.Fprintf(&model, " ledger %d", v)
	}
	for _, id := range s.rowsOf(tableHistory) {
		fmt.Fprintf(&model, " history %d %s", id/2, p.digest[read[historyRow](s, rowKey{tableHistory, id}).digest])
	}
	for _, id := range s.rowsOf(tableQuarantine) {
		q := read[quarantineRow](s, rowKey{tableQuarantine, id})
		fmt.Fprintf(&model, " quarantine %d %v %d", id, q.held, q.times)
	}
	for a := range pairAccounts {
		row := read[account](s, accountKey(a))
		fmt.Fprintf(&model, " account %d %d %d %d", a, row.balance, row.version, row.writes)
	}
	p.say("rows", model.String(), p.text(`select concat_ws(' ', epoch, claim, snapshot, coalesce(resume, 0), (select version from cohort_snapshot)) from ichor.state
		union all select * from (select concat_ws(' ', 'lane', l.lane, l.epoch, l.claim, case when l.token = s.token then 'true' else 'false' end) from ichor.lane l, ichor.state s order by lane) x
		union all select * from (select 'ledger ' || version from ichor.ledger order by version) x
		union all select * from (select concat_ws(' ', 'history', from_version, digest) from ichor.guest_history order by from_version) x
		union all select * from (select concat_ws(' ', 'quarantine', version, case when held then 'true' else 'false' end, times) from ichor.quarantine order by version) x
		union all select * from (select concat_ws(' ', 'account', id, balance, version, writes) from account order by id) x`))
}

func (p *pair) text(sql string) string {
	p.t.Helper()
	rows, err := p.conn.Query(p.t.Context(), sql)
	if err != nil {
		p.t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Join(lines, " ")
}

// TestTheModelDoesWhatPostgreSQLDoes does the same to the model of the database and to a real one: the
// answers and the rows are the same after each operation.
func TestTheModelDoesWhatPostgreSQLDoes(t *testing.T) {
	for seed := range uint64(3) {
		p := newPair(t, seed)
		p.take(0)
		for range 60 {
			i, k := p.r.IntN(2), p.r.IntN(2)
			if p.world.hosts[i].own.epoch == 0 && p.r.IntN(8) > 0 {
				i = 0
			}
			snapshot := read[stateRow](p.world.primary(), stateKey).snapshot
			switch what := p.r.IntN(20); {
			case what == 0 || p.world.hosts[i].own.epoch == 0:
				p.take(i)
			case what == 1:
				p.late()
			case what < 5 || p.world.hosts[i].lanes[k].conn == nil:
				p.connect(i, k, p.doubt(snapshot))
			case what < 8:
				p.install(i, k, p.group(true, snapshot))
			case what < 10:
				first := p.group(true, snapshot)
				p.install(i, k, first, p.chained(first))
			case what == 10:
				p.install(i, k, p.group(true, snapshot+1))
			case what == 11:
				wrong := p.group(true, snapshot)
				wrong.Ledgered++
				p.install(i, k, wrong, p.chained(wrong))
			case what < 15:
				p.install(i, k, p.group(false, snapshot+talos.Version(p.r.IntN(6))))
			case what == 15:
				p.install(i, k, p.group(false, max(snapshot, 3)-3))
			case what < 18:
				p.quarantine(i, k, 1+talos.Version(p.r.IntN(9)))
			default:
				p.beat(i, k)
			}
			p.compare()
		}
	}
}

// doubt is nothing, or a group whose commit is unknown.
func (p *pair) doubt(snapshot talos.Version) *queue.Group {
	switch p.r.IntN(3) {
	case 0:
		return p.group(true, snapshot)
	case 1:
		return p.group(false, snapshot+talos.Version(p.r.IntN(3)))
	}
	return nil
}

// chained is a group that follows another.
func (p *pair) chained(first *queue.Group) *queue.Group {
	g := p.group(true, first.Snapshot)
	g.Chained = true
	g.Ledgered = 0
	for _, v := range p.world.primary().ledger {
		if v > first.Snapshot && v <= g.Snapshot {
			g.Ledgered++
		}
	}
	return g
}
