package host_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// newBanks returns a bank of two cohorts, c and d, each with a guest of its own: banking and other.
func newBanks(t *testing.T) *bank {
	b := newBank(t, 5)
	b.options.Guests.Routes = []rollout.Route{{Cohort: "c", Guest: "banking"}, {Cohort: "d", Guest: "other"}}
	b.send(message("Other", "position 0"))
	return b
}

// ofOther makes a candidate one of the cohort d.
func ofOther(m kafkatest.Message) kafkatest.Message {
	m.Value = bytes.Replace(m.Value, []byte(`"cohort":"c"`), []byte(`"cohort":"d"`), 1)
	return m
}

const balances = "select string_agg((amount::int - 100000)::text, ' ' order by number) from bank_accounts"

// A guest that was never taken and that is refused when the host begins has its own versions held, and what depends
// on them. The other cohort's go on, the host says so, also the next one, and a file that is taken cures all.
func TestAGuestThatIsRefusedAtTheStartStopsNoOtherCohort(t *testing.T) {
	for kind, spoil := range map[string]func(b *bank){
		"no module":   func(b *bank) { b.install("other", []byte("no module")) },
		"no file":     func(*bank) {},
		"not its SQL": func(b *bank) { b.install("other", guesttest.Misbehaving(t)) }, // there is no such table
	} {
		t.Run(kind, func(t *testing.T) {
			b := newBanks(t)
			b.options.Guests.Shadow.Versions = 5 // there is nothing to compare with
			spoil(b)
			r := b.start()
			r.shows("/readyz", `"degraded":"guest other cannot be had, and the versions of its cohorts are held: guest other`)
			v := b.send(candidate(1, "0001", deposit("0001", 1)), ofOther(candidate(2, "0002", deposit("0002", 2))),
				candidate(3, "0002", deposit("0002", 4)), candidate(4, "0003", deposit("0003", 8)))
			b.send(commit(v, 0), commit(v+1, 0), commit(v+2, v+1), commit(v+3, 0))
			for range 2 {
				b.eventually(`("1 0 8 0 0")`, balances)
				b.eventually(fmt.Sprintf("(%d,guest_refused,t)", v+1), "select version, kind, held from ichor.quarantine")
				r.shows("/readyz", `"ready":false,"reason":"poison_held"`)
				r.shows("/v1/status", `{"guest":"other"`)
				b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'other', 'test', 'there is nothing')")
				b.eventually("(t)", "select outcome like 'refused: guest other has converted by no module yet%' from ichor.request order by id desc limit 1")
				if err := r.drain(); err != nil {
					t.Fatal(err)
				}
				r = b.start()
			}
			next := generous(t, 5)
			b.install("other", next)
			b.eventually(`("1 11 8 0 0")`, balances)
			b.reaches(v + 3)
			b.eventually("(installed)", "select resolution from ichor.quarantine")
			r.shows("/readyz", `"ready":true`)
			if ready := r.get("/readyz"); strings.Contains(ready, "degraded") {
				t.Errorf("with a good file it is %s", ready)
			}
			b.eventually("("+guest.DigestOf(next).String()+")", "select digest from ichor.guest_history where name = 'other' and from_version = $1", v+1)
			w := b.send(ofOther(candidate(5, "0004", deposit("0004", 1))))
			b.send(commit(w, 0))
			b.reaches(w)
			b.eventually(`("1 11 8 6 0")`, balances)
			if err := r.drain(); err != nil {
				t.Fatal(err)
			}
			b.wantBooks()
			b.install("other", []byte("no module")) // now there is one before
			r = b.start()
			r.shows("/readyz", `"ready":true,"degraded":"guest other goes on with `+guest.DigestOf(next).Short())
		})
	}
}

// Where no guest can be had there is nothing to do; and a module that versions need that may be installed already is
// needed, whatever other cohorts could do.
func TestAStartThatStaysRefused(t *testing.T) {
	b := newBanks(t)
	b.install("banking", []byte("no module"))
	if err := b.start().ended(); err == nil || !strings.Contains(err.Error(), "guest banking refused at scan") || !strings.Contains(err.Error(), "guest other") {
		t.Errorf("with no guest at all: %v", err)
	}
	b.install("banking", guesttest.Small(t))
	b.install("other", generous(t, 5))
	r := b.start()
	v := b.send(ofOther(candidate(1, "0001", deposit("0001", 1))))
	b.send(commit(v, 0))
	b.reaches(v)
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.install("other", []byte("no module"))
	b.exec("delete from ichor.guest_module where name = 'other'")
	missing := "guest other with digest " + guest.DigestOf(generous(t, 5)).String()
	if err := b.start().ended(); err == nil || !strings.Contains(err.Error(), "ichor.guest_module does not have") || !strings.Contains(err.Error(), missing) {
		t.Errorf("without the module of the history: %v", err)
	}
}
