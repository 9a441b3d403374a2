package host_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/status"
)

// state returns what /v1/status says.
func (r *running) state() (s status.Status) {
	r.b.t.Helper()
	if text := r.get("/v1/status"); json.Unmarshal([]byte(text), &s) != nil {
		r.b.t.Fatal(text)
	}
	return s
}

// Twelve versions of 3.9 MB that the database refuses are twice what a host may hold. Each is let go of when it stands in
// the quarantine, others go on meanwhile, and all are read again and installed when what ails them is mended.
func TestLargeHeldVersionsDoNotFillTheMemory(t *testing.T) {
	t.Parallel() // what is held is tried again after seconds
	const versions, size, memory = 12, 3_900_000, 24 << 20
	b := newBank(t, versions+1)
	b.options.Core.Memory = memory
	b.exec("alter table bank_accounts add constraint small check (amount < 100003)")
	first := b.send(message("Other", "the first position is no version")) + 1
	padding := strings.Repeat("x", size)
	for i := range versions {
		account := fmt.Sprintf("%04d", i+1)
		b.send(candidate(i, account, fmt.Sprintf(`[{"DEPOSIT":{"account":%q,"amount":50,"note":%q}}]`, account, padding)), commit(first+2*i, 0))
	}
	r := b.start()
	var s status.Status
	most := 0
	becomes := func(so func() bool) {
		t.Helper()
		hosttest.Until(t, func() bool { s = r.state(); most = max(most, s.Bytes); return so() }, func() string {
			return fmt.Sprintf("%d versions are held, the snapshot is %d, %d bytes are taken and %d were\n%s", s.Held, s.Snapshot, s.Bytes, most, b.log.text())
		})
	}
	all := fmt.Sprintf("(%d)", versions)
	becomes(func() bool { // some may be tried again by now
		return b.text("select count(*) from ichor.quarantine") == all && s.Queue.Length == versions && s.Bytes < size
	})
	last := b.send(candidate(versions, "0013", deposit("0013", 1)))
	b.send(commit(last, 0))
	b.eventually(fmt.Sprintf("(%d)", last), "select version from ichor.ledger")
	b.exec("alter table bank_accounts drop constraint small")
	becomes(func() bool { return int(s.Snapshot) == last })
	if most > memory {
		t.Errorf("it took %d bytes of %d", most, memory)
	}
	if s.Counts.Refetched < versions {
		t.Errorf("%d payloads were read again, want %d at least", s.Counts.Refetched, versions)
	}
	if got, want := b.text("select sum(amount)::bigint from bank_accounts"), fmt.Sprintf("(%d)", (versions+1)*100_000+versions*50+1); got != want {
		t.Errorf("the accounts have %s, want %s", got, want)
	}
	b.eventually(fmt.Sprintf("(%d,f,installed)", versions), "select count(*), held, resolution from ichor.quarantine group by held, resolution")
}
