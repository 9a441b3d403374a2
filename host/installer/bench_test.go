package installer_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// BenchmarkGroup is what the promise costs in a transaction: the same statements in groups of a size, each
// group alone in its round trip, without any fence (plain), as a frontier group, and as ahead groups, whose
// ledger rows the frontier group that closes them takes away. Compare the versions a second of one size.
func BenchmarkGroup(bench *testing.B) {
	for _, size := range []int{1, 16, 128, 512} {
		bench.Run(fmt.Sprintf("plain-%d", size), func(bench *testing.B) {
			c := newBench(bench, size)
			for range bench.N {
				c.plain()
			}
			c.report()
		})
		bench.Run(fmt.Sprintf("frontier-%d", size), func(bench *testing.B) {
			c := newBench(bench, size)
			for range bench.N {
				c.frontier()
			}
			c.report()
		})
		bench.Run(fmt.Sprintf("ahead-%d", size), func(bench *testing.B) {
			c := newBench(bench, size)
			for n := range bench.N {
				c.ahead()
				if n%16 == 15 || n == bench.N-1 {
					c.close()
				}
			}
			c.report()
		})
	}
}

// groupBench is a lane and what it has installed.
type groupBench struct {
	*testing.B
	base     *base
	lane     *installer.Lane
	size     int
	last     talos.Version
	snapshot talos.Version
	ledgered int
}

// accounts is how many rows are written, by turns.
const accounts = 1000

func newBench(bench *testing.B, size int) *groupBench {
	b := newBase(bench)
	b.exec("insert into account select n, 0 from generate_series(10, $1::int) n", accounts)
	b.exec("alter table account drop constraint account_amount_check")
	b.exec("vacuum analyze account")
	if _, err := b.conn.Prepare(bench.Context(), "add", add.SQL); err != nil {
		bench.Fatal(err)
	}
	in, _ := b.take(1)
	bench.ResetTimer()
	return &groupBench{B: bench, base: b, lane: b.lane(in, 0), size: size}
}

// works are the next versions.
func (c *groupBench) works() []installer.Work {
	works := make([]installer.Work, c.size)
	for i := range works {
		c.last++
		works[i] = work(c.last, add, 1+int(c.last)%accounts, 1)
	}
	return works
}

func (c *groupBench) plain() {
	var batch pgconn.Batch
	batch.ExecParams("begin", nil, nil, nil, nil)
	for range c.size {
		c.last++
		batch.ExecPrepared("add", [][]byte{strconv.AppendInt(nil, 1+int64(c.last)%accounts, 10), []byte("1")}, nil, nil)
	}
	batch.ExecParams("commit", nil, nil, nil, nil)
	if _, err := c.base.conn.PgConn().ExecBatch(c.Context(), &batch).ReadAll(); err != nil {
		c.Fatal(err)
	}
}

func (c *groupBench) frontier() {
	works := c.works()
	c.must(frontier(c.snapshot, c.last, works...))
	c.snapshot = c.last
}

func (c *groupBench) ahead() {
	if c.ledgered == 0 {
		c.last++ // what the ahead groups go past
	}
	c.must(&installer.Group{Works: c.works()})
	c.ledgered += c.size
}

// close carries the snapshot over the ahead groups.
func (c *groupBench) close() {
	g := frontier(c.snapshot, c.last)
	g.Advance.Ledgered = c.ledgered
	c.must(g)
	c.snapshot, c.ledgered = c.last, 0
}

func (c *groupBench) must(g *installer.Group) {
	if err := install(c.lane, g); err != nil {
		c.Fatal(err)
	}
}

func (c *groupBench) report() {
	c.ReportMetric(float64(c.N*c.size)/c.Elapsed().Seconds(), "versions/s")
}
