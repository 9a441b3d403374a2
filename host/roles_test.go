package host_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

// The rights of the runbook are enough for a host that begins, installs, holds, swaps its guest, prunes what it keeps of
// guests, and goes on after its end.
func TestAHostRunsWithTheRightsOfTheRunbook(t *testing.T) {
	text, err := os.ReadFile("RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("the runbook has %d blocks of SQL", len(blocks))
	}
	b := newBank(t, 5)
	role := fmt.Sprintf("ichor_apply_%d", os.Getpid())
	b.exec("create role " + role + " login")
	t.Cleanup(func() {
		if _, err := b.conn.Exec(context.Background(), "drop owned by "+role+"; drop role "+role); err != nil {
			t.Error(err)
		}
	})
	b.exec(strings.ReplaceAll(blocks[1][1]+"grant select, insert, update on bank_accounts to ichor_apply", "ichor_apply", role))
	b.options.Database.URL = strings.Replace(b.db.DSN, "user=postgres", "user="+role, 1)
	b.options.Guests.Keep = 1
	r := b.start()
	last := b.traffic(3, 3)
	b.reaches(last)
	for n := range 3 { // the first of them are pruned
		next := stamped(guesttest.Small(t), n)
		b.install("banking", next)
		b.converts(guest.DigestOf(next).String())
		last = b.pay(3, "0001", "0002")
		b.reaches(last)
	}
	held := b.send(candidate(100, "0001", `[{"NOTHING":{}}]`))
	b.send(commit(held, last))
	b.eventually("(t)", "select held from ichor.quarantine")
	b.exec("insert into ichor.request (verb, version, who, reason) values ('skip', $1, 'test', 'it is nothing')", held)
	b.reaches(held)
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.reaches(b.pay(3, "0001", "0002"))
}
