package guest_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
)

// work is what a recursion does in each of its calls. It leaves the stack as it was.
type work struct {
	deed   string
	code   string
	clocks bool   // it calls clock_time_get, which is then function 0
	locals string // beside the parameter, which is local 0
	depth  int32  // as deep as the stack allows with such a frame, or somewhat less
}

// works are what a guest can do a great deal of in a few bytes of code.
func works() []work {
	wide, sets, sums := 400, "", ""
	for i := range wide {
		sets += "\x20\x00\x21" + leb(1+i)
		sums += "\x20" + leb(1+i) + "\x23\x00\x6a\x24\x00"
	}
	return []work{
		{deed: "nothing", depth: 20_000},
		{deed: "a_division", code: "\x23\x00\x41\x03\x6e\x24\x00", depth: 20_000},
		{deed: "divisions", code: strings.Repeat("\x23\x00\x41\x03\x6e\x24\x00", 100), depth: 3000},
		{deed: "globals", code: strings.Repeat("\x23\x00\x41\x01\x6a\x24\x00", 100), depth: 20_000},
		{deed: "fills_of_memory", code: i32Const(1<<20) + "\x41\x00" + i32Const(1<<16) + "\xfc\x0b\x00", depth: 10_000},
		{deed: "copies_of_memory", code: i32Const(1<<20) + i32Const(2<<20) + i32Const(1<<16) + "\xfc\x0a\x00\x00", depth: 10_000},
		{deed: "memory_grow", code: "\x41\x00\x40\x00\x1a", depth: 10_000},
		{deed: "memory_grow_by_one", code: "\x41\x01\x40\x00\x1a", depth: 10_000},
		{deed: "fills_of_a_table", code: "\x41\x00\xd0\x70" + i32Const(1000) + "\xfc\x11\x01", depth: 10_000},
		{deed: "copies_of_a_table", code: "\x41\x00\x41\x01" + i32Const(1000) + "\xfc\x0e\x01\x01", depth: 10_000},
		{deed: "indirect_calls", code: strings.Repeat("\x41\x01\x11\x00\x00", 20), depth: 10_000},
		{deed: "host_calls", code: strings.Repeat("\x41\x00\x42\x00\x41\x08"+call(0)+"\x1a", 10), clocks: true, depth: 10_000},
		{deed: "many_locals", code: sets + sums, locals: leb(wide) + "\x7f", depth: 1000},
	}
}

// recursions are guests that call themselves as deeply as the stack allows, again and again, and
// work on their way down, on their way back or on both; directly, and through a table. The last
// ones go on down until the stack is full.
func recursions() (all []attack) {
	for _, w := range works() {
		for _, through := range []string{"", "_through_a_table"} {
			all = append(all,
				recursion("works_on_its_way_down_with_"+w.deed+through, &w, w.code, "", through != "", w.depth),
				recursion("works_on_its_way_back_with_"+w.deed+through, &w, "", w.code, through != "", w.depth),
				recursion("works_there_and_back_with_"+w.deed+through, &w, w.code, w.code, through != "", w.depth))
		}
	}
	for _, w := range works() {
		full := recursion("fills_its_stack_with_"+w.deed, &w, w.code, w.code, false, 1<<30)
		full.endless = false
		all = append(all, full)
	}
	return all
}

// recursion makes one of them: a function that does what is down, calls itself with one less,
// and does what is back.
func recursion(deed string, w *work, down, back string, table bool, depth int32) attack {
	a := attack{deed: deed, endless: true, tables: []string{"\x70\x00\x02", "\x70\x00" + leb(2000)}}
	if w.clocks {
		a.imports, a.imported, a.types = "\x16wasi_snapshot_preview1\x0eclock_time_get\x00\x04", 1, []string{"\x60\x03\x7f\x7e\x7f\x01\x7f"}
	}
	again := call(a.imported + ownFunction)
	if table {
		again = "\x41\x00\x11\x02\x00"
	}
	locals := "\x00"
	if w.locals != "" {
		locals = "\x01" + w.locals
	}
	a.functions = []attackFunction{
		{2, locals + "\x20\x00\x45\x04\x7f\x41\x00\x05" + down + "\x20\x00\x41\x01\x6b" + again + back + "\x0b\x0b"},
		{0, "\x00\x0b"}, // what is called through the table
	}
	a.code = forever(i32Const(depth) + call(a.imported+ownFunction) + "\x1a")
	return a
}

// TestRecursionEndsWithTheStack lets guests fill their stack: it is a trap of the guest's, the
// next call meets a fresh one, and the host never makes a larger one.
func TestRecursionEndsWithTheStack(t *testing.T) {
	for _, a := range recursions() {
		if a.endless {
			continue
		}
		t.Run(a.deed, func(t *testing.T) {
			g := mustLoad(t, "hostile", a.binary(t), guest.Options{Instances: 1, FuelCall: 1 << 40})
			before := allocated()
			for range 2 {
				c := convert(t, g, record(42, item("A", `1`)))[0]
				if c.Reject == nil || c.Reject.Fault == nil || c.Reject.Fault.Kind != guest.FaultTrap || !strings.Contains(c.Reject.Message, "stack overflow") {
					t.Fatalf("it became %s, want a stack overflow", say(&c))
				}
			}
			if grown := allocated() - before; grown > 8<<20 {
				t.Errorf("the host allocated %d bytes beside it", grown)
			}
		})
	}
}

// allocated returns how many bytes this process has ever allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
