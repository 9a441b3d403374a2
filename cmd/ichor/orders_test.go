package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/examples/orders"
	"github.com/ichor-replicator/ichor/examples/orders/workload"
	"github.com/ichor-replicator/ichor/examples/orders/workload/verdict"
	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
)

func deployOrders(t *testing.T, l guests.Language) *deployment {
	t.Helper()
	return deployExample(t, "orders", guesttest.OrdersIn(t, l), orders.Open)
}

// ordered sends a workload of the shop, so many candidates a second, and returns what is said about it when all is
// sent.
func (d *deployment) ordered(options workload.Options, rate float64) <-chan error {
	d.t.Helper()
	g, err := workload.New(options)
	if err != nil {
		d.t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		sent <- certification.Produce(d.t.Context(), g, certification.Target{Brokers: d.brokers(), Topic: "certification", Rate: rate})
	}()
	return sent
}

func (d *deployment) brokers() []string { return []string{d.broker.Addr(kafkatest.Plain)} }

// log reads the log.
func (d *deployment) log() *transcript.Log {
	d.t.Helper()
	log, err := verdict.Read(d.t.Context(), d.brokers(), "certification")
	if err != nil {
		d.t.Fatal(err)
	}
	return log
}

// judged holds the database against the log.
func (d *deployment) judged(log *transcript.Log) *transcript.Verdict {
	d.t.Helper()
	v, err := verdict.Check(d.t.Context(), log, d.conn.Config().ConnString())
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

// Every row is that of a replay in Go, and every article is counted once, although nothing in the counter's SQL
// keeps it from being counted twice: the host is killed under load, and begins again with the guest in the other
// language. Then the tables are broken, to see that this would be seen.
func TestOrdersAreCountedOnceByAHostThatIsKilled(t *testing.T) {
	d := deployOrders(t, guests.AssemblyScript)
	sent := d.ordered(workload.Options{Seed: 3, Changes: 600}, 600)
	for _, next := range []guests.Language{guests.Go, guests.AssemblyScript} {
		p := d.begin("run", "-c", d.settings)
		d.until(d.snapshot()+1, p)
		p.signal(syscall.SIGKILL)
		p.wait()
		if err := os.WriteFile(filepath.Join(d.guests, "orders.wasm"), guesttest.OrdersIn(t, next), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	log := d.log()
	p := d.begin("run", "-c", d.settings)
	d.until(int(log.Snapshot()), p)
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK {
		t.Fatalf("the host ends with %d\n%s", code, out)
	}
	if v := d.judged(log); !v.Equal || v.Rows < 1000 || v.Classes[transcript.Installable] < 600 {
		t.Fatalf("got %+v", v)
	}
	d.sql(`create schema kept; create table kept.orders as table shop.orders; create table kept.order_lines as table shop.order_lines;
		create table kept.sales as table shop.sales`)
	for _, part := range []struct {
		name string
		test func(*transcript.Log)
	}{
		{"the verdict sees every column", d.columnsAreSeen}, {"verify names the version that is counted twice", d.countedTwice},
		{"adoption says what it cannot know", d.adoptedWithoutGuard},
	} {
		t.Run(part.name, func(t *testing.T) {
			d.t = t
			part.test(log)
		})
	}
}

// whole puts the shop's rows back as the host left them.
func (d *deployment) whole() {
	d.t.Helper()
	d.sql(`truncate shop.orders, shop.order_lines, shop.sales; insert into shop.orders table kept.orders;
		insert into shop.order_lines table kept.order_lines; insert into shop.sales table kept.sales`)
}

func (d *deployment) columnsAreSeen(log *transcript.Log) {
	for _, c := range []struct{ change, row string }{
		{"update shop.sales set sold = sold + 1 where sku = 'article-001'", "article article-001"},
		{"delete from shop.sales where sku = 'article-001'", "article article-001"},
		{"insert into shop.sales values ('nothing', 0)", "article nothing"},
		{"update shop.order_lines set quantity = quantity + 1 where line = 2", "order "},
		{"update shop.order_lines set price = price + 1e-40 where line = 1", "order "},
		{"update shop.order_lines set sku = sku || ' ' where line = 1", "order "},
		{"update shop.order_lines set version = version - 1 where line = 1", "order "},
		{"delete from shop.order_lines where line = 3", "order "},
		{"update shop.orders set customer = customer || ' '", "order "},
		{"update shop.orders set status = 'paid' where status = 'placed'", "order "},
		{"update shop.orders set status_at = status_at + interval '1 microsecond'", "order "},
		{"update shop.orders set placed_at = placed_at + interval '1 hour'", "order "},
		{"update shop.orders set remark = '' where remark is null", "order "},
		{"update shop.orders set total = total + 1e-40", "order "},
		{"update shop.orders set tags = tags || '{x}'", "order "},
		{"update shop.orders set details = 'null' where details is null", "order "},
		{"update shop.orders set version = version + 1", "order "},
	} {
		d.sql(c.change)
		if v := d.judged(log); v.Equal || v.Different == 0 || !strings.HasPrefix(v.Differences[0].Row, c.row) {
			d.t.Errorf("%s: %+v", c.change, v)
		}
		d.whole()
	}
	if v := d.judged(log); !v.Equal {
		d.t.Errorf("got %+v", v)
	}
}

// countedTwice has an initiator count its own order, as the host does: the books cannot show it, and a replay does.
func (d *deployment) countedTwice(*transcript.Log) {
	beside := scratchOrders(d.t)
	d.sql(`insert into shop.sales select l.sku, sum(l.quantity) from shop.order_lines l where l.order_id =
			(select o.id from shop.orders o where o.status = 'placed' and exists (select from shop.order_lines where order_id = o.id) order by o.version desc limit 1)
		group by 1 on conflict (sku) do update set sold = sales.sold + excluded.sold`)
	d.verified(exitOK, []string{"ok      the books agree with the log"}, "--rest")
	d.verified(exitRuntime, []string{"ok      table shop.orders: ", "ok      table shop.order_lines: ", "failed  table shop.sales: ", "had taken effect twice"}, "--rest", "--scratch", beside)
	d.whole()
}

// scratchOrders makes a shop as it is before anything was installed.
func scratchOrders(t *testing.T) string {
	t.Helper()
	db := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := orders.Open(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	return db.DSN
}

// adoptedWithoutGuard takes the cohort over from another replicator: its guarded statements would change nothing,
// and of the counter nobody can say whether all is counted, nor does it show when it is not.
func (d *deployment) adoptedWithoutGuard(log *transcript.Log) {
	d.sql("truncate ichor.state, ichor.lane, ichor.guest_history, ichor.audit; update shop.sales set sold = sold - 1 where sku = 'article-001'")
	says := regexp.MustCompile(`guarded statements of the newest \d+ versions up to the snapshot, \d+ to \d+, would change nothing; \d+ of them have statements without a guard, of which nobody can say`)
	for _, args := range [][]string{{"check"}, {"db", "adopt", "--resume", (log.Snapshot() + 1).String(), "--reason", "it was served by another", "--dry-run"}} {
		if code, out := d.ichor(append(args, "-c", d.settings)...); code != exitOK || !says.MatchString(out) {
			d.t.Errorf("%v ends with %d:\n%s", args, code, out)
		}
	}
}

// An initiator installs an order that it placed itself, before the host does. The guards keep the host from writing
// the order and its lines again, and nothing keeps it from counting them again.
func TestAnInitiatorsOwnOrderIsCountedTwiceWithoutAGuard(t *testing.T) {
	d := deployOrders(t, guests.AssemblyScript)
	if err := <-d.ordered(workload.Options{Seed: 5, Changes: 30, Plain: true}, 0); err != nil {
		t.Fatal(err)
	}
	log := d.log()
	var counted []string
	for _, v := range log.Versions() {
		if log.Class(v) == transcript.Installable && len(counted) == 0 {
			counted = d.initiated(log.Items(v)[0], v)
		}
	}
	p := d.begin("run", "-c", d.settings)
	d.until(int(log.Snapshot()), p)
	v := d.judged(log)
	if len(counted) == 0 || v.Different != len(counted) || v.Snapshot != v.WantSnapshot {
		t.Fatalf("the initiator counted %v, and these differ: %+v", counted, v)
	}
	for _, row := range v.Differences {
		if !slices.Contains(counted, row.Row) {
			t.Errorf("%+v differs, which the initiator did not count", row)
		}
	}
}

// initiated installs an order that is placed as the application that placed it would. It returns the articles
// that it counted.
func (d *deployment) initiated(placed transcript.Item, v talos.Version) (articles []string) {
	d.t.Helper()
	for _, sql := range []string{
		`insert into shop.orders (id, customer, status, status_at, placed_at, total, tags, details, version)
			select (p->>'order')::uuid, p->>'customer', 'placed', (p->>'at')::timestamptz, (p->>'at')::timestamptz, (p->>'total')::numeric,
				array(select jsonb_array_elements_text(p->'tags')), p->'details', $2::bigint from (values ($1::jsonb)) as the(p)`,
		`insert into shop.order_lines select ($1::jsonb->>'order')::uuid, line, l->>'sku', (l->>'quantity')::bigint, (l->>'price')::numeric, $2::bigint
			from jsonb_array_elements($1::jsonb->'lines') with ordinality as lines(l, line)`,
	} {
		if _, err := d.conn.Exec(d.t.Context(), sql, string(placed.Payload), int64(v)); err != nil {
			d.t.Fatal(err)
		}
	}
	rows, err := d.conn.Query(d.t.Context(), "insert into shop.sales select sku, sum(quantity) from shop.order_lines group by sku returning 'article ' || sku")
	if err == nil {
		articles, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return articles
}
