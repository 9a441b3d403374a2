package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

var kills = flag.Int("kills", 7, "faults of TestEverythingIsInstalledOnce")

// TestMain lets the test's binary be the brokers that the driver starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == brokerVerb {
		os.Exit(begin(os.Args[1:], os.Stdout, os.Stderr))
	}
	code := m.Run()
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir) // it is temporary anyway
	}
	os.Exit(code)
}

// binaries are a host's and the guest's, built once.
var binaries struct {
	once       sync.Once
	dir        string
	host, file string
	err        error
}

// built returns a host's binary and the guest's file.
func built(t *testing.T) (ichor, guest string) {
	t.Helper()
	b := &binaries
	b.once.Do(func() {
		var root string
		if b.dir, b.err = os.MkdirTemp("", "chaos-test-"); b.err != nil {
			return
		}
		b.host, b.file = filepath.Join(b.dir, "ichor"), filepath.Join(b.dir, "guest.wasm")
		if root, b.err = hosttest.Repository(context.Background()); b.err != nil {
			return
		}
		b.err = errors.Join(hosttest.Build(context.Background(), root, b.host, "crashpoints"), os.WriteFile(b.file, guesttest.Small(t), 0o644))
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.host, b.file
}

// A short run of what make chaos does for longer.
func TestEverythingIsInstalledOnce(t *testing.T) {
	ichor, guest := built(t)
	var out bytes.Buffer
	code := begin([]string{"--kills", fmt.Sprint(*kills), "--ichor", ichor, "--guest", guest}, &out, &out)
	if code != 0 || !strings.Contains(out.String(), fmt.Sprintf("%d faults, 0 violations", *kills)) {
		t.Errorf("exit code %d:\n%s", code, out.String())
	}
}

// What is wrong with a database is found: an effect twice, one left out, one by another guest, a write and a commit
// that are late, something left over, a standstill.
func TestWhatIsWrongIsFound(t *testing.T) {
	ichor, guest := built(t)
	w, err := open(t.Context(), &options{Kills: 1, Seed: 1, Accounts: 8, Batch: 20, Lanes: 2, Patience: 20 * time.Second, Ichor: ichor, Guest: guest}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := w.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.options.Patience = 200 * time.Millisecond
	for _, c := range []struct {
		spoil, mend, want string
		check             func(context.Context) error
	}{
		{"update bank_accounts set amount = amount + 7, touched = touched + 1 where number = '0001'", "update bank_accounts set amount = amount - 7, touched = touched + 1 where number = '0001'", "differs from the serial replay in 1 of 8", w.once},
		{"alter table bank_accounts disable trigger converted; update bank_accounts set version = version + 1, touched = touched + 1 where number = '0002'",
			"update bank_accounts set version = version - 1, touched = touched + 1 where number = '0002'; alter table bank_accounts enable trigger converted", "differs from the serial replay in 1 of 8", w.once},
		{"update converted set word = 'Update' where version = 1", "update converted set word = 'update' where version = 1", "versions [1] were converted by other guests than the history names", w.once},
		{"insert into converted select * from converted where version = 1 limit 1", "delete from converted c using converted o where c.version = 1 and o.version = 1 and c.number = o.number and c.ctid > o.ctid", "[1] changed a row more than once", w.once},
		{"update bank_accounts set version = version where number = (select account from watched_writes limit 1)", "delete from watched_writes where id = (select max(id) from watched_writes)", "writes account", w.once},
		{"insert into watched_commits (row, epoch, token, snapshot, resume) values ('state', 0, 0, 0, 0)", "delete from watched_commits where epoch = 0", "epoch 0 commits to state after epoch 1 has", w.once},
		{"insert into ichor.ledger values (999999)", "delete from ichor.ledger", "it does not get on: {snapshot:", w.settles},
		{"insert into ichor.request (verb, who, reason, taken_at) values ('pause', 'x', 'x', now())", "delete from ichor.request", "asked:1", w.settles},
	} {
		if err := w.exec(t.Context(), c.spoil); err != nil {
			t.Fatal(err)
		}
		var v *violation
		if err := c.check(t.Context()); !errors.As(err, &v) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("after %q: %v, want %q", c.spoil, err, c.want)
		}
		if err := w.exec(t.Context(), c.mend); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.settles(t.Context()), w.once(t.Context())); err != nil {
			t.Errorf("after %q: %v", c.mend, err)
		}
	}
	var v *violation
	if err := w.endsBy(t.Context(), time.Millisecond, "why"); !errors.As(err, &v) || !strings.Contains(err.Error(), "has not ended within 1ms") {
		t.Errorf("of a host that should end and goes on: %v", err)
	}
	w.host.Signal(syscall.SIGKILL)
	if err := w.traffic.batch(t.Context(), 10, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.settles(t.Context()); err == nil || !strings.Contains(err.Error(), "the host ended by itself") && !strings.Contains(err.Error(), "it does not get on") {
		t.Errorf("without a host: %v", err)
	}
	if err := w.endsBy(t.Context(), time.Minute, "why"); !errors.As(err, &v) || !strings.Contains(err.Error(), `exit code 1 and say "why" at last, and ends with -1`) {
		t.Errorf("of a host that should end by itself and was killed: %v", err)
	}
	if err := w.drains(t.Context(), 0); !errors.As(err, &v) || !strings.Contains(err.Error(), "told to end by SIGTERM it ends with exit code -1") {
		t.Errorf("of a host that should drain and was killed: %v", err)
	}
}

// Each fault comes as often as it weighs before all come again.
func TestTheDeckHasEveryFault(t *testing.T) {
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	met := map[string]int{}
	pooled := 0
	for i, f := range deck(faults, 2*total, rand.New(rand.NewPCG(1, 1))) {
		met[f.name]++
		if i < total && f.pooled {
			pooled++
		}
		if i < total && !f.pooled && pooled > 0 {
			t.Errorf("%s comes after a fault behind a pooler", f.name)
		}
	}
	for _, f := range faults {
		if met[f.name] != 2*f.weight {
			t.Errorf("%s: %d times, want %d", f.name, met[f.name], 2*f.weight)
		}
	}
	only := world{options: &options{Only: "kill -9"}}
	if kinds := only.kinds(); len(kinds) != 1 || kinds[0].name != "kill -9" {
		t.Errorf("--only gives %v", kinds)
	}
}

// A crash point that no host came to fails a run that met every kind, and no other.
func TestACrashPointThatNobodyComesTo(t *testing.T) {
	r, kinds := newReport(1), crashes()
	r.hits = map[string]int{}
	for i, f := range kinds {
		if err := r.verdict(kinds); err != nil {
			t.Errorf("after %d kinds: %v", i, err)
		}
		r.add(f.name, encounter{}, nil)
		r.hits[strings.TrimPrefix(f.name, crashPrefix)]++
	}
	if err := r.verdict(kinds); err != nil {
		t.Errorf("each was come to: %v", err)
	}
	r.hits["answered"] = 0
	if err := r.verdict(kinds); err == nil || !strings.Contains(err.Error(), "crash point answered") {
		t.Errorf("got %v, want the point that nobody came to", err)
	}
}

func TestFlagsThatAreWrong(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--kills 0", "--kills is below 1"}, {"--accounts 3", "--accounts must be at least 4"}, {"--only rain", "there is no such fault"}, {"--guest /nowhere", "no such file"},
	} {
		var out bytes.Buffer
		if code := begin(strings.Fields(c.args), &out, &out); code != 2 || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: exit code %d, %s", c.args, code, out.String())
		}
	}
	var out bytes.Buffer
	if code := begin([]string{"--help"}, &out, &out); code != 0 || !strings.Contains(out.String(), "--kills") {
		t.Errorf("--help: exit code %d, %s", code, out.String())
	}
}
