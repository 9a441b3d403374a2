package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// stamped returns the module with a custom section that changes its bytes and nothing else.
func stamped(module []byte, n int) []byte {
	name := fmt.Sprintf("stamp%03d", n)
	section := append([]byte{0, byte(len(name) + 1), byte(len(name))}, name...)
	return append(append([]byte(nil), module...), section...)
}

// transfers sends n committed deposits of 1 to account 0001 and returns the last version.
func (b *bank) transfers(from, n int) int {
	b.t.Helper()
	messages := make([]kafkatest.Message, n)
	for i := range messages {
		messages[i] = candidate(from+i, "0001", deposit("0001", 1))
	}
	first := b.send(messages...)
	for i := range messages {
		messages[i] = commit(first+i, first+i-1)
	}
	b.send(messages...)
	return first + n - 1
}

func TestASwapConvertsFromAVersionOnAndTheHistorySaysSo(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	r := b.start()
	r.shows("/readyz", `"ready":true`)
	module := guesttest.Small(t)
	total := 0
	digests := []string{guest.DigestOf(module).String()}
	for i := range 5 {
		last := b.transfers(total, 200)
		total += 200
		next := stamped(module, i)
		b.install("banking", next) // while the versions are on their way
		digests = append(digests, guest.DigestOf(next).String())
		r.shows("/status", guest.DigestOf(next).String())
		b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	}
	last := b.transfers(total, 1)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.eventually(fmt.Sprintf("(%d.00000)", 100000+total+1), "select amount from bank_accounts where number = '0001'")
	history := strings.Fields(b.text("select digest from ichor.guest_history order by from_version"))
	for i, d := range history {
		if d != "("+digests[i]+")" {
			t.Errorf("row %d of the history is %s, want %s", i, d, digests[i])
		}
	}
	if len(history) != len(digests) {
		t.Errorf("%d rows of history, want %d", len(history), len(digests))
	}
	// What a journey says is what the history says.
	b.wantDigests(r, digests)
}

// wantDigests compares the digest in each journey with the history.
func (b *bank) wantDigests(r *running, digests []string) {
	b.t.Helper()
	var shown struct {
		Recent []struct {
			Version talos.Version
			Guest   string
		}
	}
	if err := json.Unmarshal([]byte(r.get("/v1/journeys?limit=10000")), &shown); err != nil {
		b.t.Fatal(err)
	}
	if len(shown.Recent) < 1000 {
		b.t.Fatalf("%d journeys", len(shown.Recent))
	}
	used := map[string]int{}
	for _, j := range shown.Recent {
		want := b.historyAt(j.Version)
		if j.Guest != want {
			b.t.Errorf("version %d was converted by %s, and the history says %s", j.Version, j.Guest, want)
		}
		used[j.Guest]++
	}
	if len(used) != len(digests) {
		b.t.Errorf("%d digests converted something, want %d", len(used), len(digests))
	}
}

func (b *bank) historyAt(v talos.Version) string {
	return strings.Trim(b.text(`select digest from ichor.guest_history where name = 'banking' and
		(from_version <= $1 and not only_version or from_version = $1) order by only_version desc, from_version desc limit 1`, int64(v)), "()")
}

func TestAFileThatIsNoGuestChangesNothing(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	r := b.start()
	last := b.transfers(0, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.install("banking", []byte("no module"))
	r.shows("/status", `"reason":"guest banking refused at scan`)
	last = b.transfers(10, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.eventually("(1)", "select count(*) from ichor.guest_history")
	// It comes to its senses with the next file.
	b.install("banking", stamped(guesttest.Small(t), 1))
	r.shows("/status", guest.DigestOf(stamped(guesttest.Small(t), 1)).String())
}

// A module whose own vectors it does not pass is refused while the host runs, by the vector's name, and the one before
// goes on.
func TestAModuleThatFailsItsVectorsIsRefusedWhileTheHostRuns(t *testing.T) {
	b := newBank(t, 3)
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	broken := replaced(t, guesttest.Small(t), `"args": ["0017", "0042"`, `"args": ["0042", "0017"`)
	b.install("banking", broken)
	r.shows("/status", `"reason":"guest banking refused at vectors: vector \"transfer\", version 1042: `)
	r.shows("/readyz", `"ready":true,"degraded":"guest banking goes on with `+guest.DigestOf(guesttest.Small(t)).Short())
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+guest.DigestOf(guesttest.Small(t)).String()+")", "select digest from ichor.guest_history")
	b.eventually("(t)", "select reason like '%refused at vectors: vector \"transfer\"%' from ichor.guest_event where state = 'refused' and digest = $1", guest.DigestOf(broken).String())
}

func TestASwapWhileTheHostIsDownTakesOverAfterWhatWasInstalled(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	r := b.start()
	last := b.transfers(0, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	next := stamped(guesttest.Small(t), 1)
	b.install("banking", next)
	b.start()
	b.transfers(10, 10)
	b.eventually("(100020.00000)", "select amount from bank_accounts where number = '0001'")
	b.eventually(fmt.Sprintf("(%d,%s)", last+1, guest.DigestOf(next)), "select from_version, digest from ichor.guest_history order by 1 desc limit 1")
}

// The SQL of the old module makes what the table refuses, of deposits alone, and that of the new one does not: nothing
// else is mended and nothing is started anew.
func TestAVersionThatIsHeldIsConvertedByTheNextGuest(t *testing.T) {
	b := newBank(t, 3)
	b.exec("alter table bank_accounts add constraint low check (amount < 200000)")
	old, next := generous(t, 100_000), guesttest.Small(t)
	b.install("banking", old)
	v := b.send(message("Other", "position 0")) + 1
	b.send(candidate(1, "0001", deposit("0001", 5)), candidate(2, "0001", `[{"WITHDRAW":{"account":"0001","amount":1}}]`), candidate(3, "0002", deposit("0002", 5)))
	b.send(commit(v, 0), commit(v+1, v), commit(v+2, 0))
	r := b.start()
	r.shows("/readyz", `"reason":"poison_held"`)
	digest := func(module []byte) string { return guest.DigestOf(module).String() }
	b.eventually(fmt.Sprintf("(%d,t,sql,23514,%[3]s) (%[2]d,t,sql,23514,%[3]s)", v, v+2, digest(old)), "select version, held, kind, code, digest from ichor.quarantine order by version")
	b.install("banking", next)
	b.eventually("(100004.00000) (100005.00000)", "select amount from bank_accounts where number < '0003' order by number")
	b.eventually(fmt.Sprintf("(%d,f,installed,%[3]s,%[4]s) (%[2]d,f,installed,%[3]s,%[4]s)", v, v+2, digest(old), digest(next)),
		"select version, held, resolution, digest, resolved_digest from ichor.quarantine order by version")
	r.shows("/readyz", `"ready":true`)
	b.eventually("(1)", "select epoch from ichor.state")
	for version, module := range map[int][]byte{v: next, v + 1: old, v + 2: next} {
		if got := b.historyAt(talos.Version(version)); got != digest(module) {
			t.Errorf("the history says that %d was converted by %s, want %s", version, got, digest(module))
		}
	}
}

func TestAJourneyHasEveryEventInOrder(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	seen := make(chan *timing.Journey, 100)
	b.options.Observer = observer(seen)
	r := b.start()
	last := b.transfers(0, 1)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	j := <-seen
	count, prior := 0, int64(0)
	for e, at := range j.All() {
		if at < prior {
			t.Errorf("%v lies before the event before it", e)
		}
		prior = at
		count++
	}
	if count != timing.Events || j.Version != talos.Version(last) || j.Attempts != 1 {
		t.Errorf("%d events of %d, version %d, %d attempts", count, timing.Events, j.Version, j.Attempts)
	}
	r.shows(fmt.Sprintf("/v1/versions/%d", last), `"event":"InstallerStatemapInstallionBegin"`)
	r.shows("/metrics", "ichor_candidate_to_install_seconds_count 1")
}

// What a guest was given before the host went down is converted by it after the restart too,
// although its file is gone: the module is in the database.
func TestARestartConvertsByTheGuestThatTheHistoryNames(t *testing.T) {
	b := newBank(t, 3)
	b.exec("alter table bank_accounts add constraint low check (number <> '0001' or amount < 100003)")
	b.send(message("Other", "position 0"))
	v := b.send(candidate(1, "0001", deposit("0001", 5)), candidate(2, "0002", deposit("0002", 5)))
	b.send(commit(v, 0), commit(v+1, 0))
	r := b.start()
	b.eventually(fmt.Sprintf("(%d)", v+1), "select version from ichor.ledger") // ahead of what is held
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.exec("alter table bank_accounts drop constraint low")
	old, next := guesttest.Small(t), stamped(guesttest.Small(t), 1)
	b.install("banking", next)
	b.start()
	b.eventually("(100005.00000) (100005.00000)", "select amount from bank_accounts where number < '0003' order by number")
	w := b.transfers(2, 1)
	b.eventually(fmt.Sprintf("(%d)", w), "select version from cohort_snapshot")
	for version, digest := range map[int]string{v: guest.DigestOf(old).String(), v + 1: guest.DigestOf(old).String(), w: guest.DigestOf(next).String()} {
		if got := b.historyAt(talos.Version(version)); got != digest {
			t.Errorf("the history says that %d was converted by %s, want %s", version, got, digest)
		}
	}
	b.eventually("", "select version from ichor.ledger")
}

// A module that comes again is taken although the host is killed before it converts anything: that it converted
// before, and another after it, does not say that it was taken back.
func TestAModuleThatComesAgainIsTakenAfterAKill(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	r := b.start()
	b.reaches(b.transfers(0, 10))
	old, next := guest.DigestOf(guesttest.Small(t)).String(), stamped(guesttest.Small(t), 1)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.reaches(b.transfers(10, 10))
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.install("banking", guesttest.Small(t))
	b.exec("insert into ichor.guest_event (guest, digest, state, who) values ('banking', $1, 'armed', 'the file')", old) // and here it was killed
	b.exec("insert into ichor.guest_event (guest, digest, state, from_version, who) values ('banking', $1, 'active', 900, 'ichor')", old)
	r = b.start()
	last := b.transfers(20, 10)
	b.reaches(last)
	if got := b.historyAt(talos.Version(last)); got != old {
		t.Errorf("the history names %.12s, want %.12s; it is %s", got, old, r.get("/readyz"))
	}
}

// A typing error in a file does not stop a cohort whose good module is in the database.
func TestAStartWithARefusedFileGoesOnWithTheHistory(t *testing.T) {
	for kind, spoil := range map[string]func(b *bank){
		"no module":   func(b *bank) { b.install("banking", []byte("no module")) },
		"no file":     func(b *bank) { b.remove("banking.wasm") },
		"not its SQL": func(b *bank) { b.install("banking", guesttest.Misbehaving(t)) }, // there is no such table
	} {
		t.Run(kind, func(t *testing.T) {
			b := newBank(t, 3)
			b.send(message("Other", "position 0"))
			r := b.start()
			last := b.transfers(0, 10)
			b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
			if err := r.drain(); err != nil {
				t.Fatal(err)
			}
			spoil(b)
			r = b.start()
			r.shows("/readyz", `"ready":true,"degraded":"guest banking goes on with `+guest.DigestOf(guesttest.Small(t)).Short())
			last = b.transfers(10, 10)
			b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
			b.eventually("(1)", "select count(*) from ichor.guest_history")
			next := stamped(guesttest.Small(t), 1)
			b.install("banking", next)
			r.shows("/status", guest.DigestOf(next).String())
			if ready := r.get("/readyz"); strings.Contains(ready, "degraded") {
				t.Errorf("with a good file it is %s", ready)
			}
		})
	}
}

func (b *bank) remove(name string) {
	b.t.Helper()
	if err := os.Remove(filepath.Join(b.guests, name)); err != nil {
		b.t.Fatal(err)
	}
}

// A file that is written in place is no guest before all of it is there, and one that is removed takes nothing away: the
// one before goes on.
func TestAFileIsWrittenInPlaceAndRemoved(t *testing.T) {
	b := newBank(t, 3)
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	old, next := guest.DigestOf(guesttest.Small(t)).String(), stamped(guesttest.Small(t), 1)
	file, err := os.OpenFile(filepath.Join(b.guests, "banking.wasm"), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(next[:len(next)/2]); err != nil {
		t.Fatal(err)
	}
	r.shows("/readyz", `"ready":true,"degraded":"guest banking goes on with `+old[:12]) // the half was looked at
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+old+")", "select digest from ichor.guest_history")
	if _, err := file.Write(next[len(next)/2:]); err != nil {
		t.Fatal(err)
	}
	b.converts(guest.DigestOf(next).String())
	b.remove("banking.wasm")
	r.shows("/readyz", `"ready":true,"degraded":"guest banking goes on with `+guest.DigestOf(next).Short())
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+old+") ("+guest.DigestOf(next).String()+")", "select digest from ichor.guest_history order by from_version")
}

// What lies beside a guest's file is judged, and taken only when it is in the file's place.
func TestAModuleBesideTheFileIsJudgedAndNotTaken(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	r := b.start()
	last := b.transfers(0, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	next := stamped(guesttest.Small(t), 1)
	beside := func(name string, module []byte) {
		if err := os.WriteFile(filepath.Join(b.guests, name), module, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	beside(".banking.wasm.swap-1", []byte("no module"))
	beside(".banking.wasm.swap-2", next)
	beside(".other.wasm.swap-1", next)
	r.shows("/status", `"digest":"`+guest.DigestOf(next).String()+`","accepted":true`)
	r.shows("/status", `"digest":"`+guest.DigestOf([]byte("no module")).String()+`","accepted":false,"reason":"guest banking refused at scan`)
	last = b.transfers(10, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.eventually("(1)", "select count(*) from ichor.guest_history")
	b.eventually("(1)", "select count(*) from ichor.guest_module")
	if ready := r.get("/readyz"); strings.Contains(ready, "degraded") {
		t.Errorf("a candidate makes it %s", ready)
	}
	if err := os.Rename(filepath.Join(b.guests, ".banking.wasm.swap-2"), filepath.Join(b.guests, "banking.wasm")); err != nil {
		t.Fatal(err)
	}
	hosttest.Until(t, func() bool { return strings.Contains(b.log.text(), "guest swapped") }, b.log.text)
	last = b.transfers(20, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.eventually("("+guest.DigestOf(next).String()+")", "select digest from ichor.guest_history order by from_version desc limit 1")
	b.remove(".banking.wasm.swap-1")
	hosttest.Until(t, func() bool { return !strings.Contains(r.get("/status"), "judged") }, func() string { return "what is gone is still judged" })
}

// curious asks for the status while the host says that a guest is loaded, and gives the answer
// time to be waiting for what the host holds meanwhile.
type curious struct {
	*logBook
	ask   func()
	asked sync.WaitGroup
}

func (c *curious) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "guest loaded") {
		for range 4 {
			c.asked.Go(c.ask)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return c.logBook.Write(p)
}

// Under the race detector: what the status reads of a generation is written before it is there.
func TestTheStatusIsAskedWhileGuestsAreLoaded(t *testing.T) {
	b := newBank(t, 3)
	log := &curious{logBook: b.log}
	h, err := host.New(b.options, slog.New(hosttest.Once(t, slog.NewTextHandler(log, nil))), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	log.ask = func() {
		if answer, err := http.Get("http://" + h.Address() + "/status"); err == nil {
			answer.Body.Close()
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	r := &running{Host: h, b: b}
	r.shows("/readyz", `"ready":true`)
	log.asked.Wait()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
