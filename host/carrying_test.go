package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// registry is a rollout.Carrier.
type registry struct {
	b    *bank
	mu   sync.Mutex
	has  map[string][]byte // by guest: what it gives away, empty while it is away
	lack map[string]bool   // by guest: its file is to be brought
}

func (r *registry) Lacks(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lack[name] {
		return ""
	}
	return "oci://registry/" + name
}

func (r *registry) Fetch(_ context.Context, name string) (trust.Module, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.has[name]) == 0 {
		return trust.Module{}, &rollout.UnavailableError{Err: errors.New("the registry is away")}
	}
	return trust.NewModule(r.has[name], ""), nil
}

func (r *registry) Place(name string, module trust.Module) error {
	r.b.install(name, module.Bytes)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lack, name)
	return nil
}

// gets has the registry answer with a module, or be away.
func (r *registry) gets(name string, module []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.has[name] = module
}

// behindRegistry has a bank bring the files of guests.
func (b *bank) behindRegistry(lack ...string) *registry {
	r := &registry{b: b, has: map[string][]byte{}, lack: map[string]bool{}}
	for _, name := range lack {
		r.lack[name] = true
	}
	b.options.Guests.Carrier = r
	return r
}

// A guest that is brought is waited for as long as its registry is away and there is nothing else, and no longer.
func TestAGuestIsBroughtBeforeTheStart(t *testing.T) {
	b := newBank(t, 10)
	b.remove("banking.wasm")
	registry := b.behindRegistry("banking")
	r := b.start()
	r.shows("/readyz", `"reason":"loading_guests","detail":"guest banking: the registry is away"`)
	registry.gets("banking", guesttest.Small(t))
	b.reaches(b.pay(5, "0001", "0002"))
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	registry.gets("banking", nil) // the file is there
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
}

// What could not be brought at the start is said until it was, and it comes while the host runs: it is swapped in. A file that
// somebody put there since stays.
func TestAGuestThatCouldNotBeBroughtComesWhileTheHostRuns(t *testing.T) {
	for _, by := range []string{"the registry", "an operator"} {
		t.Run(by, func(t *testing.T) {
			b := newBank(t, 10)
			if err := b.start().drain(); err != nil {
				t.Fatal(err)
			}
			registry, next := b.behindRegistry("banking"), generous(t, 5)
			finding := b.finds("guest banking")
			if finding.Err != nil || !finding.Warn || !strings.Contains(finding.Note, guest.DigestOf(guesttest.Small(t)).Short()) || !strings.Contains(finding.Note, "the registry is away") {
				t.Errorf("check says %+v", finding)
			}
			r := b.start()
			r.shows("/readyz", `"ready":true,"degraded":"guest banking lacks the file that guests.pull names, and what it had goes on: the registry is away; it is tried again"`)
			b.reaches(b.pay(5, "0001", "0002"))
			if by == "an operator" {
				b.install("banking", generous(t, 7))
				b.logs("another lies there since")
			}
			registry.gets("banking", next)
			want := next
			if by == "an operator" {
				want = generous(t, 7)
			}
			r.shows("/v1/status", guest.DigestOf(want).String())
			if ready := r.get("/readyz"); strings.Contains(ready, "degraded") {
				t.Errorf("it came, and the host says %s", ready)
			}
			if finding := b.finds("guest banking"); finding.Err != nil || by == "the registry" && !strings.Contains(finding.Note, guest.DigestOf(next).Short()) {
				t.Errorf("check says %+v", finding)
			}
		})
	}
}

// finds returns what check says of one thing.
func (b *bank) finds(what string) (found struct {
	Note string
	Warn bool
	Err  error
}) {
	b.t.Helper()
	for f := range host.Check(b.t.Context(), b.options, 10*time.Second, 0) {
		if f.What == what {
			found.Note, found.Warn, found.Err = f.Note, f.Warn, f.Err
		}
	}
	return found
}

// A guest that never converted anything and cannot be brought keeps no other from its versions; its own are held until it comes.
func TestAGuestThatCannotBeBroughtStopsNoOtherCohort(t *testing.T) {
	b := newBanks(t)
	registry := b.behindRegistry("other")
	r := b.start()
	r.shows("/readyz", `"degraded":"guest other cannot be had, and the versions of its cohorts are held: it lacks the file that guests.pull names: the registry is away; it is tried again"`)
	v := b.send(candidate(1, "0001", deposit("0001", 1)), ofOther(candidate(2, "0002", deposit("0002", 2))))
	b.send(commit(v, 0), commit(v+1, 0))
	b.eventually(`("1 0 0 0 0")`, balances)
	b.eventually(fmt.Sprintf("(%d,guest_refused,t)", v+1), "select version, kind, held from ichor.quarantine")
	registry.gets("other", generous(t, 5))
	b.reaches(v + 1)
	b.eventually(`("1 7 0 0 0")`, balances)
	r.shows("/readyz", `"ready":true`)
	if ready := r.get("/readyz"); strings.Contains(ready, "degraded") {
		t.Errorf("it came, and the host says %s", ready)
	}
}

// A host that stands by tries again too, and says what lacks and what is refused: it may own the cohort in a moment.
func TestAStandbyBringsGuestsAndSaysWhatIsRefused(t *testing.T) {
	s := startTogether(t, 0)
	s.start().shows("/readyz", `"ready":true`)
	s.pays(5)
	s.guests = t.TempDir()
	s.options.Guests.Directory = s.guests
	registry, next := s.behindRegistry("banking"), generous(t, 5)
	other := s.start()
	other.shows("/readyz", `"reason":"standby"`)
	other.shows("/readyz", `"degraded":"guest banking lacks the file that guests.pull names, and what it had goes on: the registry is away; it is tried again"}`)
	registry.gets("banking", next)
	hosttest.Until(t, func() bool { return !strings.Contains(other.get("/readyz"), "degraded") }, func() string { return other.get("/readyz") })
	if err := other.drain(); err != nil {
		t.Fatal(err)
	}
	s.install("banking", []byte("no module"))
	other = s.start()
	other.shows("/readyz", `"reason":"standby"`)
	other.shows("/readyz", `"degraded":"guest banking has a file that is not taken, and this host would go on by what the database has: guest banking refused at scan`)
	s.install("banking", next)
	hosttest.Until(t, func() bool { return !strings.Contains(other.get("/readyz"), "degraded") }, func() string { return other.get("/readyz") })
}
