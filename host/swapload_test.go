package host_test

import (
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/examples/banking"
	uses "github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
	"github.com/ichor-replicator/ichor/host/verify"
)

var swapping = flag.Duration("swapping", 5*time.Second, "how long TestSwapsUnderFullLoad swaps")

// swapEvery is how often a file is replaced under load, whether or not the host is done with the one before.
const swapEvery = 200 * time.Millisecond

// converters collects by which module each version was converted that was installed.
type converters struct {
	mu    sync.Mutex
	of    map[talos.Version]string
	twice []talos.Version
	by    map[string]bool // the modules
	took  []time.Duration // from a candidate to its commit, since they were taken last
}

// Observe implements timing.Observer.
func (c *converters) Observe(j *timing.Journey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.of[j.Version]; known {
		c.twice = append(c.twice, j.Version)
	}
	c.of[j.Version], c.by[j.Guest] = j.Guest, true
	candidate, _ := j.Get(timing.ReplicatorCandidateReceived)
	if installed, ok := j.Get(timing.InstallerStatemapInstallationComplete); ok {
		c.took = append(c.took, time.Duration(installed-candidate))
	}
}

// taken returns what versions took since it was asked last.
func (c *converters) taken() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := c.took
	c.took = nil
	return took
}

// p99 returns the 99th percentile of a second; of one in which nothing was installed it is a second at least.
func p99(took []time.Duration) time.Duration {
	if len(took) == 0 {
		return time.Second
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// seconds are what versions took in some seconds.
type seconds struct{ all, p99s []time.Duration }

func (s *seconds) add(took []time.Duration) {
	s.all, s.p99s = append(s.all, took...), append(s.p99s, p99(took))
}

// median returns the middle one of the seconds' p99: a second in which the machine is another's decides nothing.
func (s *seconds) median() time.Duration {
	slices.Sort(s.p99s)
	return s.p99s[len(s.p99s)/2]
}

// deposits sends n committed deposits of 1, one to each of the accounts in turn, and returns the last version. Each
// is certified against the one before on its account. They are added to those of each account.
func (b *bank) deposits(n int, of map[string][]talos.Version) (last int) {
	b.t.Helper()
	accounts := slices.Sorted(maps.Keys(of))
	messages := make([]kafkatest.Message, n)
	for i := range messages {
		account := accounts[i%len(accounts)]
		messages[i] = candidate(i, account, deposit(account, 1))
	}
	first := b.send(messages...)
	for i := range messages {
		account := accounts[i%len(accounts)]
		safepoint := 0
		if known := of[account]; len(known) > 0 {
			safepoint = int(known[len(known)-1])
		}
		messages[i] = commit(first+i, safepoint)
		of[account] = append(of[account], talos.Version(first+i))
	}
	b.send(messages...)
	return first + n - 1
}

// While the host works off a backlog that never ends its guest is replaced five times a second, each time by one
// that makes something else of a version. Nothing is lost or doubled, and each version was converted by the one
// module that the history names for it: the balances are what these make of the log. In turn with that it is replaced
// there and back, and not at all, to compare.
func TestSwapsUnderFullLoad(t *testing.T) {
	of := map[string][]talos.Version{} // by account
	for _, number := range banking.AccountNumbers(500) {
		of[number] = nil
	}
	b := newBank(t, len(of))
	seen := &converters{of: map[talos.Version]string{}, by: map[string]bool{}}
	b.options.Observer = seen
	b.options.Guests.Limits.CacheDir = filepath.Join(t.TempDir(), "cache")
	amounts := map[string]int{} // by digest: what a deposit is by that guest
	var placed []string         // digests
	var modules [5][]byte
	for n := range modules {
		modules[n] = generous(t, n)
		amounts[guest.DigestOf(modules[n]).String()] = 1 + n
	}
	place := func(turns int) { // as many modules come in turn; 0 is none
		if turns > 0 {
			module := modules[len(placed)%turns]
			placed = append(placed, guest.DigestOf(module).String())
			b.install("banking", module)
		}
	}
	place(1)
	b.send(message("Other", "position 0"))
	r := b.start()
	r.shows("/readyz", `"ready":true`)
	sent := 0
	load := func(span time.Duration, turns int) []time.Duration {
		latest := time.Now()
		for begun := latest; time.Since(begun) < span; {
			if time.Since(latest) >= swapEvery {
				latest = time.Now()
				place(turns)
			}
			const ahead = 20_000 // of the host at most, so that the broker need not hold more than the host can
			if seen.count() < sent-ahead {
				time.Sleep(time.Millisecond)
				continue
			}
			b.deposits(len(of), of)
			sent += len(of)
		}
		return seen.taken()
	}
	for deadline := time.Now().Add(3 * time.Minute); seen.modules() < len(modules); load(time.Second, len(modules)) { // each is checked once
		if time.Now().After(deadline) {
			t.Fatalf("%d modules of %d have converted something within 3 minutes", seen.modules(), len(modules))
		}
	}
	var without, back, turn seconds
	for begun := time.Now(); time.Since(begun) < *swapping; {
		load(time.Second/2, 0) // what is under way ends
		without.add(load(time.Second, 0))
		load(time.Second/2, 2)
		back.add(load(time.Second, 2))
		load(time.Second/2, len(modules))
		turn.add(load(time.Second, len(modules)))
	}
	b.reaches(b.deposits(len(of), of))
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	history := b.history(placed)
	if len(seen.of) != sent+len(of) || len(seen.twice) > 0 {
		t.Errorf("%d versions of %d were installed, more than once %v", len(seen.of), sent+len(of), seen.twice)
	}
	wrong := 0
	for number, versions := range of {
		want := 100_000
		for _, v := range versions {
			digest := history.DigestFor("banking", v)
			want += amounts[digest]
			if seen.of[v] != digest {
				wrong++
			}
		}
		if got := b.text("select amount::bigint from bank_accounts where number = $1", number); got != fmt.Sprintf("(%d)", want) {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d versions were converted, or accounts written, by another guest than the history names", wrong)
	}
	none, all := without.median(), p99(without.all)
	t.Logf("%d versions, %d modules placed, of which %d converted; candidate to commit: the median of %d seconds' p99 is %v without swaps, %.2f × with swaps there and back, %.2f × with %d modules in turn; the p99 of all versions %v, %.2f ×, %.2f ×",
		len(seen.of), len(placed), len(history), len(without.p99s), none, back.median().Seconds()/none.Seconds(), turn.median().Seconds()/none.Seconds(), len(modules),
		all, p99(back.all).Seconds()/all.Seconds(), p99(turn.all).Seconds()/all.Seconds())
	b.wantBooks()
}

func (c *converters) modules() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.by)
}

func (c *converters) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.of)
}

// history returns which guest converts what: of those that were placed some, in their order.
func (b *bank) history(placed []string) uses.History {
	b.t.Helper()
	in, err := installer.New(installer.Options{URL: b.db.DSN}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	history, err := in.History(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, u := range history {
		at := slices.Index(placed, u.Digest)
		if at < 0 || u.Only {
			b.t.Fatalf("the history names %.12s from %d on, which was not placed then", u.Digest, u.From)
		}
		placed = placed[at+1:]
	}
	return history
}

// wantBooks holds what the host wrote down against the log.
func (b *bank) wantBooks() {
	b.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	source, err := kafka.New(b.options.Source.Options, quiet, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer source.Close()
	in, err := installer.New(installer.Options{URL: b.db.DSN}, quiet)
	if err != nil {
		b.t.Fatal(err)
	}
	report, err := verify.Run(b.t.Context(), verify.Options{Database: in, Source: verify.Topic(source), Guests: b.options.Guests, Rest: true, Log: quiet})
	if err != nil {
		b.t.Fatal(err)
	}
	if !report.OK() {
		b.t.Errorf("the host's books: %+v, %+v", report.Books.Findings, report.Claims)
	}
}
