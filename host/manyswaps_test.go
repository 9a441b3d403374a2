package host_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

var swaps = flag.Int("swaps", 20, "swaps of TestManySwapsLeaveNothingBehind, 20 at least")

// replaced returns a module with another text of the same length in the place of one that it has once.
func replaced(t *testing.T, module []byte, before, after string) []byte {
	t.Helper()
	if bytes.Count(module, []byte(before)) != 1 || len(before) != len(after) {
		t.Fatalf("the module has not one %q, or it cannot be %q", before, after)
	}
	return bytes.Replace(module, []byte(before), []byte(after), 1)
}

// generous returns the banking guest of a number: by it a deposit is so much more, so that what versions made of
// an account says which guest converted them.
func generous(t *testing.T, n int) []byte {
	t.Helper()
	return replaced(t, guesttest.Small(t), "set amount = amount + $2::numeric, version", fmt.Sprintf("set amount=amount+$2+%012d, version", n))
}

// asking is generous, and a withdrawal of nothing sets the amount to known(), in SQL that no other has.
func asking(t *testing.T, n int) []byte {
	t.Helper()
	return replaced(t, generous(t, n), "set amount = amount - $2::numeric, version", fmt.Sprintf("set amount=known()-$2*%011d, version", n))
}

// left is what may grow with every swap.
type left struct {
	heap       uint64 // bytes, after a collection
	goroutines int
	mappings   int // of memory, where the kernel says: compiled code and instances lie there
	statements int // that the servers know
	events     int
	checks     int
	modules    int
}

// left looks when what is in flight is over.
func (b *bank) left() (now left) {
	b.t.Helper()
	var stats runtime.MemStats
	for range 2 { // what has a finalizer needs both
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	now.heap, now.goroutines = stats.HeapAlloc, runtime.NumGoroutine()
	if text, err := os.ReadFile("/proc/self/maps"); err == nil {
		now.mappings = bytes.Count(text, []byte("\n"))
	}
	err := b.conn.QueryRow(b.t.Context(), `select (select amount::bigint from bank_accounts where number = '0003'),
		(select count(*) from ichor.guest_event), (select count(*) from ichor.guest_check), (select count(*) from ichor.guest_module)`).
		Scan(&now.statements, &now.events, &now.checks, &now.modules)
	if err != nil {
		b.t.Fatal(err)
	}
	return now
}

// Each swap is to a module that nobody has seen, with other SQL, and each module converts something. What the
// host, its directories and its database keep of them is bounded.
func TestManySwapsLeaveNothingBehind(t *testing.T) {
	b := newBank(t, 3)
	b.options.Guests.Limits.CacheDir = filepath.Join(t.TempDir(), "cache")
	b.options.Guests.Keep = 1
	b.exec("create function known() returns bigint language sql as 'select count(*) from pg_prepared_statements where name like ''guest%'''")
	b.options.Guests.Limits.SQL.Functions, b.options.Database.Allowed.Functions = []string{"public.known"}, []string{"public.known"}
	b.install("banking", asking(t, 0))
	b.send(message("Other", "position 0"))
	r := b.start()
	r.shows("/readyz", `"ready":true`)
	want, sent := 100_000, 0
	var early left
	for n := 1; n <= *swaps; n++ {
		module := asking(t, n)
		b.install("banking", module)
		b.converts(guest.DigestOf(module).String())
		b.transfers(sent, 3)
		sent += 3
		last := b.send(candidate(n, "0003", `[{"WITHDRAW":{"account":"0003","amount":0}}]`))
		b.send(commit(last, 0))
		want += 3 * (1 + n)
		b.reaches(last)
		if n == 10 {
			early = b.left()
		}
	}
	b.eventually(fmt.Sprintf("(%d.00000)", want), "select amount from bank_accounts where number = '0001'")
	b.eventually("(retired)", "select state from ichor.guest_event order by id desc limit 1")
	late := b.left()
	t.Logf("after 10 swaps %+v, after %d %+v", early, *swaps, late)
	const kept = 12 << 10 // bytes a swap: the broker and the log of this process keep what they were told
	if late.heap > early.heap+1<<20+kept*uint64(*swaps) || late.goroutines > early.goroutines+8 || late.mappings > early.mappings+20 {
		t.Error("the process grows with the swaps")
	}
	if late.statements > 4 { // two of each of the module that converts and the one before
		t.Errorf("a server knows %d statements of guests", late.statements)
	}
	if late.modules > 4 || late.checks > 6 || late.events > 100+4*late.modules {
		t.Error("the database keeps more than it should")
	}
}
