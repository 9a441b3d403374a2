package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// deploySmall makes a bank whose guest is loaded soon, with more settings of guests, one a line.
func deploySmall(t *testing.T, accounts int, module []byte, more ...string) *deployment {
	t.Helper()
	d := deployExample(t, "banking", module, func(ctx context.Context, conn *pgx.Conn) error {
		return banking.Open(ctx, conn, banking.AccountNumbers(accounts), 100_000)
	})
	text, err := os.ReadFile(d.settings)
	if err != nil {
		t.Fatal(err)
	}
	lines := "guests:\n"
	for _, line := range more {
		lines += "  " + line + "\n"
	}
	if err := os.WriteFile(d.settings, bytes.Replace(text, []byte("guests:\n"), []byte(lines), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// smallGuest returns the bank's guest of a number: 0 is the one that is committed, others have other bytes alone.
func smallGuest(t *testing.T, n byte) []byte {
	t.Helper()
	module := guesttest.Small(t)
	if n == 0 {
		return module
	}
	return append(append([]byte(nil), module...), 0, 3, 2, 'n', '0'+n)
}

// lavish returns the bank's guest with other SQL: each deposit is a million more.
func lavish(t *testing.T) []byte {
	t.Helper()
	const before, after = "set amount = amount + $2::numeric, version", "set amount=amount+$2+000001000000, version"
	module := smallGuest(t, 0)
	if bytes.Count(module, []byte(before)) != 1 || len(before) != len(after) {
		t.Fatalf("the module has not one %q", before)
	}
	return bytes.Replace(module, []byte(before), []byte(after), 1)
}

// commits sends candidates of one key and statemap each, committed one after another, and returns the last version.
func (d *deployment) commits(n int, key, statemap string) (last int) {
	d.t.Helper()
	with := func(kind, value string) kafkatest.Message {
		return kafkatest.Message{Value: []byte(value), Headers: []kafkatest.Header{{Name: "messageType", Value: []byte(kind)}}}
	}
	send := func(messages ...kafkatest.Message) int {
		first, err := d.broker.Produce(d.t.Context(), "certification", kafkatest.Uncompressed, messages...)
		if err != nil {
			d.t.Fatal(err)
		}
		return int(first)
	}
	first, safepoint := send(with("Other", "the first position is no version"))+1, 0
	var messages []kafkatest.Message
	for i := range n {
		last = first + 2*i
		messages = append(messages,
			with("Candidate", fmt.Sprintf(`{"xid":"00000000-0000-4000-8000-%012d","agent":"a","cohort":"c","readset":[%q],"readvers":[],"snapshot":0,"writeset":[%q],"statemap":%s,"publishedAt":1}`, last, key, key, statemap)),
			with("Decision", fmt.Sprintf(`{"xid":"x","agent":"a","cohort":"c","decision":"committed","suffixStart":1,"version":%d,"safepoint":%d,"metrics":{"candidatePublished":1,"candidateReceived":1,"candidateProcessingStarted":1,"decisionCreatedAt":1,"dbSaveStarted":1,"dbSaveEnded":1}}`, last, safepoint)))
		safepoint = last
	}
	send(messages...)
	return last
}

const pays = `[{"TRANSFER":{"from":%q,"to":%q,"amount":1}}]`

// sees waits until a query answers so.
func (d *deployment) sees(p *process, want, sql string, args ...any) {
	d.t.Helper()
	got := ""
	hosttest.Until(d.t, func() bool {
		got = ""
		_ = d.conn.QueryRow(d.t.Context(), "select coalesce(string_agg(t::text, ' '), '') from ("+sql+") t", args...).Scan(&got) // before the first start there is no table
		return got == want
	}, func() string { return fmt.Sprintf("%s: %q, want %q\n%s", sql, got, want, p.out.String()) })
}

// tells runs a verb and compares its exit code and what it says in parts.
func (d *deployment) tells(code int, args []string, wants ...string) string {
	d.t.Helper()
	got, out := d.ichor(append(args, "-c", d.settings)...)
	if got != code {
		d.t.Errorf("ichor %s: exit code %d, want %d:\n%s", strings.Join(args, " "), got, code, out)
	}
	for _, want := range wants {
		if !strings.Contains(out, want) {
			d.t.Errorf("ichor %s does not say %q but\n%s", strings.Join(args, " "), want, out)
		}
	}
	return out
}

func (d *deployment) module(name string, bytes []byte) (file, digest string) {
	d.t.Helper()
	file = filepath.Join(d.t.TempDir(), name)
	if err := os.WriteFile(file, bytes, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return file, guest.DigestOf(bytes).String()
}

// What the SQL of a module left held, one whose SQL is right makes good, in the host that runs: the swap says which
// versions those are, and how many are held for something else; each says by which module it was installed.
func TestASwapSaysWhatItMended(t *testing.T) {
	d := deploySmall(t, 10, lavish(t), "keep: 5", "probation: {versions: 0}")
	if _, err := d.conn.Exec(t.Context(), "alter table bank_accounts add constraint low check (amount < 200000 and (number <> '0003' or amount = 100000))"); err != nil {
		t.Fatal(err)
	}
	p := d.begin("run", "-c", d.settings)
	deposit := `[{"DEPOSIT":{"account":%q,"amount":1}}]`
	first := d.commits(1, "0001", fmt.Sprintf(deposit, "0001"))
	second := d.commits(1, "0002", fmt.Sprintf(deposit, "0002"))
	never := d.commits(1, "0003", fmt.Sprintf(deposit, "0003"))
	d.sees(p, "(3)", "select count(*) from ichor.quarantine where held")
	file, digest := d.module("banking.wasm", smallGuest(t, 0))
	d.tells(exitOK, []string{"guest", "swap", file}, "banking "+digest[:12]+" converts from version ", fmt.Sprintf("\nmended 2 versions: %d, %d\nheld still of this guest: 1 version: see ichor quarantine list\n", first, second))
	d.sees(p, fmt.Sprintf("(%d,%s) (%d,%s)", first, digest, second, digest), "select version, resolved_digest from ichor.quarantine where not held order by version")
	d.tells(exitOK, []string{"quarantine", "show", fmt.Sprint(second), "--no-sql"}, ", installed by module "+digest+"\n", "\nguest     "+guest.DigestOf(lavish(t)).String()+"\n")
	d.tells(exitOK, []string{"quarantine", "list"}, fmt.Sprintf("\n%d  ", never))
	file, digest = d.module("banking.wasm", smallGuest(t, 1))
	if out := d.tells(exitOK, []string{"guest", "swap", file}, "banking "+digest[:12], "held still of this guest: 1 version: see"); strings.Contains(out, "mended") {
		t.Errorf("a swap that mended nothing says %s", out)
	}
	right := digest
	file, digest = d.module("banking.wasm", lavish(t))
	d.tells(exitOK, []string{"guest", "swap", file}, "banking "+digest[:12])
	again := d.commits(1, "0004", fmt.Sprintf(deposit, "0004"))
	d.sees(p, "(2)", "select count(*) from ichor.quarantine where held")
	d.tells(exitOK, []string{"guest", "rollback", "banking", "--to", right, "--reason", "it pays too much"}, fmt.Sprintf("\nmended 1 version: %d\nheld still of this guest: 1 version: see ichor quarantine list\n", again))

	// In a pause nothing is tried, and it says so instead of waiting.
	d.tells(exitOK, []string{"pause", "--reason", "the month ends"}, "nothing is begun any more")
	back := []string{"guest", "rollback", "banking", "--to", digest, "--reason", "it paid enough"}
	out := d.tells(exitOK, back, "converts from version ", "\nthe cohort is paused, by "+operator()+": the month ends; nothing is installed until ichor resume --pause ")
	if strings.Contains(out, "held still") {
		t.Errorf("a rollback in a pause says %s", out)
	}
}

// What a host accepted, and was killed before it took, the next one takes from its place: the swap said so.
func TestASwapWhoseHostIsKilledIsTakenByTheNextHost(t *testing.T) {
	d := deploySmall(t, 10, smallGuest(t, 0), "keep: 5")
	p := d.begin("run", "-c", d.settings)
	last := d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002"))
	d.until(last, p)
	file, digest := d.module("banking.wasm", smallGuest(t, 1))
	target, err := url.Parse("http://" + d.listen)
	if err != nil {
		t.Fatal(err)
	}
	// It passes on what the host says, and kills the host once that has said that it would take the module.
	between := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: func(r *http.Response) error {
			text, err := io.ReadAll(r.Body)
			if bytes.Contains(text, []byte(`"digest":"`+digest+`","accepted":true`)) {
				p.signal(syscall.SIGKILL)
				p.wait()
			}
			r.Body = io.NopCloser(bytes.NewReader(text))
			return err
		},
	})
	defer between.Close()
	d.tells(exitEnvironment, []string{"guest", "swap", file, "--address", between.Listener.Addr().String(), "--reason", "better"}, "the file is in place, and the host does not answer any more: the next one that owns the cohort takes it from there")
	if got := d.files(); !strings.Contains(got, "banking.wasm "+digest[:12]) || strings.Contains(got, "swap-") {
		t.Errorf("in the directory there are %s", got)
	}
	p = d.begin("run", "-c", d.settings)
	last = d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002"))
	d.until(last, p)
	d.sees(p, "("+digest+")", "select digest from ichor.guest_history order by from_version desc limit 1")
	history := d.tells(exitOK, []string{"guest", "history"})
	if words := strings.Join(strings.Fields(history), " "); !strings.Contains(words, " "+operator()+" better ") {
		t.Errorf("the history does not say who wanted it and why:\n%s", history)
	}
}

// A rollback that no host hears goes where it said that it would, whatever file the next host finds.
func TestARollbackThatStandsLeavesWhatConvertedThen(t *testing.T) {
	d := deploySmall(t, 10, smallGuest(t, 0), "probation: {versions: 0}")
	p := d.begin("run", "-c", d.settings)
	d.until(d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002")), p)
	file, left := d.module("banking.wasm", smallGuest(t, 1))
	d.tells(exitOK, []string{"guest", "swap", file}, "banking "+left[:12]+" converts from version ")
	d.until(d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002")), p)
	p.signal(syscall.SIGTERM)
	p.wait()
	before := guest.DigestOf(smallGuest(t, 0)).String()
	d.tells(exitOK, []string{"guest", "rollback", "banking", "--reason", "it is wrong", "--dry-run"}, fmt.Sprintf("would go from %.12s to %s", left, before))
	d.tells(exitOK, []string{"guest", "rollback", "banking", "--reason", "it is wrong", "--wait", "1s"}, "stands")
	if err := os.WriteFile(filepath.Join(d.guests, "banking.wasm"), smallGuest(t, 2), 0o600); err != nil {
		t.Fatal(err)
	}
	p = d.begin("run", "-c", d.settings)
	d.sees(p, "(done)", "select outcome from ichor.request")
	d.until(d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002")), p)
	d.sees(p, "("+before+")", "select digest from ichor.guest_history order by from_version desc limit 1")
}

// A rollback says which module it went to, and from which version on, also to one that is named by the beginning of its
// digest. One that is pruned by now is said to be pruned, and one that never was is not.
func TestARollbackSaysWhereItWent(t *testing.T) {
	d := deploySmall(t, 10, smallGuest(t, 0), "keep: 1", "probation: {versions: 0}")
	p := d.begin("run", "-c", d.settings)
	last := d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002"))
	d.until(last, p)
	digests := []string{guest.DigestOf(smallGuest(t, 0)).String()}
	for n := byte(1); n <= 3; n++ {
		file, digest := d.module("banking.wasm", smallGuest(t, n))
		digests = append(digests, digest)
		d.tells(exitOK, []string{"guest", "swap", file}, fmt.Sprintf("banking %.12s converts from version %d on\n", digest, last+1))
		last = d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002"))
		d.until(last, p)
	}
	d.sees(p, "(f)", "select exists (select from ichor.guest_module where digest = $1)", digests[0])
	rollback := []string{"guest", "rollback", "banking", "--reason", "it is wrong"}
	d.tells(exitOK, append(rollback, "--dry-run"), fmt.Sprintf("guest banking would go from %.12s to %s\n", digests[3], digests[2]))
	d.tells(exitOK, rollback, "guest banking to the module before: done\n", fmt.Sprintf("banking %.12s converts from version %d on\n", digests[2], last+1))
	last = d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002"))
	d.until(last, p)
	d.tells(exitOK, append(rollback, "--to", digests[3][:10]), "to "+digests[3]+": done\n", fmt.Sprintf("banking %.12s converts from version %d on\n", digests[3], last+1))
	d.tells(exitSettings, append(rollback, "--to", ""), "--to names no module: leave it out to go to the one before")
	d.tells(exitRuntime, append(rollback, "--dry-run", "--to", digests[3]), "converts by "+digests[3][:12]+" already")
	d.tells(exitRuntime, append(rollback, "--to", digests[0][:10]), fmt.Sprintf("nothing was changed: the module %.12s of guest banking converted versions once, and the database has it no more", digests[0]), "SHA-256 is "+digests[0])
	d.tells(exitRuntime, append(rollback, "--to", "zz"), `no module of guest banking whose digest begins with "zz"`)
	out := d.tells(exitOK, append(rollback, "--to", digests[2], "--json"), `"outcome":"done"`)
	last = d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002"))
	d.until(last, p)
	if strings.Contains(out, "converts from") {
		t.Errorf("as JSON it says %s", out)
	}
	p.signal(syscall.SIGTERM)
	p.wait()

	// One goes back once at a time, and a file that a host would refuse is said to stop nothing.
	d.tells(exitOK, append(rollback, "--to", digests[3], "--wait", "10ms"), "no host has taken it up within 10ms")
	d.tells(exitRuntime, rollback, fmt.Sprintf("nothing was changed: guest banking is to go back to %.12s already: %s asked for that as request ", digests[3], operator()))
	if err := os.WriteFile(filepath.Join(d.guests, "banking.wasm"), []byte("no module"), 0o644); err != nil {
		t.Fatal(err)
	}
	d.tells(exitEnvironment, []string{"check"}, fmt.Sprintf("a host starts all the same and goes on with %.12s", digests[2]))
}

// What differs between a module and the one that converts is shown by a verb while and after the host compares them.
func TestTheShadowOfARunningHostIsShown(t *testing.T) {
	d := deploySmall(t, 20, smallGuest(t, 0), "shadow: {versions: 20}")
	p := d.begin("run", "-c", d.settings)
	last := d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002"))
	d.until(last, p)
	file, digest := d.module("banking.wasm", guesttest.Changed(t))
	d.tells(exitOK, []string{"guest", "swap", file}, fmt.Sprintf("banking %.12s is compared over 20 versions before it converts: see ichor guest shadow banking", digest))
	d.tells(exitOK, []string{"guest", "shadow", "banking"}, fmt.Sprintf("banking %.12s beside %.12s: 0 of 20 versions are compared\n", digest, guest.DigestOf(smallGuest(t, 0))))
	last = d.commits(10, "0001", fmt.Sprintf(pays, "0001", "0002"))
	d.until(last, p)
	different := d.commits(1, "0016", fmt.Sprintf(pays, "0016", "0002")) // it pays ten times as much
	last = d.commits(4, "0005", fmt.Sprintf(pays, "0005", "0002"))       // it rejects them
	d.until(last, p)
	for range 4 { // a shadow that is busy is not shown what comes meanwhile
		last = d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002"))
		d.until(last, p)
	}
	d.sees(p, "(refused)", "select state from ichor.guest_event where digest = $1 order by id desc limit 1", digest)
	d.tells(exitOK, []string{"guest", "shadow", "banking"}, "20 of 20 versions are compared\n15 same, 1 differ, 4 the new one rejects, 0 the old one rejected; ", "\ndifferences sha256:",
		fmt.Sprintf("version %d, xid 00000000-0000-4000-8000-%012d: statement 1 has $3 = \"11\", and the old one \"1\"", different, different), "\nit is not taken: guest banking refused at shadow: in shadow 5 of 20 versions differ")
	d.sees(p, "("+guest.DigestOf(smallGuest(t, 0)).String()+")", "select digest from ichor.guest_history")
}

// A host brings its guest from a registry before it starts, which may be a directory, and converts by it.
func TestAHostPullsItsGuest(t *testing.T) {
	d := deploySmall(t, 10, smallGuest(t, 0))
	d.bare()
	file, digest := d.module("banking.wasm", smallGuest(t, 1))
	out := d.tells(exitOK, []string{"guest", "push", file, "oci-layout://" + filepath.Join(t.TempDir(), "layout") + ":v1"}, digest)
	reference := out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]
	text, err := os.ReadFile(d.settings)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("guests:\n"), fmt.Appendf(nil, "guests:\n  pull: {banking: %q}\n", strings.TrimSpace(reference)), 1)
	if err := errors.Join(os.WriteFile(d.settings, text, 0o600), os.Remove(filepath.Join(d.guests, "banking.wasm"))); err != nil {
		t.Fatal(err)
	}
	d.tells(exitEnvironment, []string{"check"}, "\nok      guest banking: version 1.0.0, digest "+digest[:12]+", which a host brings from "+strings.TrimSpace(reference)+" before it begins")
	p := d.begin("run", "-c", d.settings)
	d.until(d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002")), p)
	d.sees(p, "("+digest+")", "select digest from ichor.guest_history")
	if got := d.files(); !strings.Contains(got, "banking.wasm "+digest[:12]) {
		t.Errorf("in the directory there are %s", got)
	}
}
