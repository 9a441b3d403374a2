package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ichor-replicator/ichor/host/hosttest"
)

// handwritten is a deployment whose log is written by hand.
type handwritten struct {
	*deployment
	next int // position
}

func byHand(t *testing.T) *handwritten {
	t.Helper()
	h := &handwritten{deployment: deploy(t, 9)}
	h.send("Other", "position 0")
	h.next = 1
	return h
}

// candidate adds one that touches an account, and returns its version.
func (h *handwritten) candidate(account, statemap string) (version int) {
	h.play1(fmt.Sprintf(`{"xid":"00000000-0000-4000-8000-%012d","agent":"a","cohort":"c","readset":[%q],"readvers":[],"snapshot":0,"writeset":[%q],"statemap":%s,"publishedAt":1}`, h.next, account, account, statemap))
	h.next++
	return h.next - 1
}

func (h *handwritten) deposit(account string) (version int) {
	return h.candidate(account, fmt.Sprintf(`[{"DEPOSIT":{"account":%q,"amount":1}}]`, account))
}

func (h *handwritten) commit(versions ...int) {
	for _, v := range versions {
		h.send("Decision", fmt.Sprintf(`{"xid":"x","agent":"a","cohort":"c","decision":"committed","suffixStart":1,"version":%d,"safepoint":%d,"metrics":{"candidatePublished":1,"candidateReceived":1,"candidateProcessingStarted":1,"decisionCreatedAt":1,"dbSaveStarted":1,"dbSaveEnded":1}}`, v, v-1))
		h.next++
	}
}

// says runs a verb with the settings and compares exit code and output; it returns the output.
func (h *handwritten) says(code int, want string, args ...string) string {
	h.t.Helper()
	args = append(args, "-c", h.settings)
	if slices.Contains(args, "--reason") && !slices.Contains(args, "--wait") {
		args = append(args, "--wait", "50s") // a busy machine may take long
	}
	got, out := h.ichor(args...)
	if got != code || !strings.Contains(out, want) {
		h.t.Errorf("ichor %s: exit code %d, want %d with %q:\n%s", strings.Join(args, " "), got, code, want, out)
	}
	return out
}

// row returns the rows of a query.
func (h *handwritten) row(sql string, args ...any) (text string) {
	h.t.Helper()
	if err := h.conn.QueryRow(h.t.Context(), "select coalesce(string_agg(t::text, ' '), '') from ("+sql+") t", args...).Scan(&text); err != nil {
		h.t.Fatal(err)
	}
	return text
}

func (h *handwritten) eventually(want, sql string, args ...any) {
	h.t.Helper()
	got := ""
	hosttest.Until(h.t, func() bool { got = h.row(sql, args...); return got == want }, func() string { return fmt.Sprintf("%s: %q, want %q", sql, got, want) })
}

func (h *handwritten) start() *process {
	h.t.Helper()
	p := h.begin("run", "-c", h.settings)
	hosttest.Until(h.t, func() bool { code, _ := h.ichor("status", "--alive", "-c", h.settings); return code == exitOK }, func() string { return "it does not listen" })
	return p
}

func (h *handwritten) kill(p *process) {
	h.t.Helper()
	p.signal(syscall.SIGKILL)
	p.wait()
}

var hashes = regexp.MustCompile(`\b[0-9a-f]{12}\b`)

// lastHash finds the hash that a verb printed last.
func lastHash(t *testing.T, out string) string {
	t.Helper()
	all := hashes.FindAllString(out, -1)
	if len(all) == 0 {
		t.Fatalf("no hash in\n%s", out)
	}
	return all[len(all)-1]
}

func TestAHeldVersionIsLookedAtAndSkipped(t *testing.T) {
	h := byHand(t)
	h.bare()
	h.says(exitEnvironment, "run ichor db init", "quarantine", "list")
	h.says(exitOK, "the schema is there", "db", "init")
	h.says(exitOK, "nothing is held", "quarantine", "list")
	p := h.start()
	held := h.candidate("0001", `[{"NOTHING":{}}]`)
	waits := h.deposit("0001")
	free := h.deposit("0002")
	h.commit(held, waits, free)
	h.eventually(fmt.Sprintf("(%d)", free), "select version from ichor.ledger")

	number := fmt.Sprint(held)
	list := h.says(exitOK, "unknown_action", "quarantine", "list")
	hash := lastHash(t, list)
	show := h.says(exitOK, "waits     1 versions over 1 keys wait for it, 1 of them for nothing else that is stuck", "quarantine", "show", number)
	for _, want := range []string{"why       unknown_action", "hash      " + hash, "keys      writes 0001; reads nothing else", `statemap  [{"NOTHING":{}}]`, "rejected, unknown_action", "skip      it settles without effects, and 1 versions go on"} {
		if !strings.Contains(show, want) {
			t.Errorf("show does not say %q:\n%s", want, show)
		}
	}
	h.says(exitOK, `"statemap":[{"NOTHING":{}}]`, "quarantine", "show", number, "--json", "--no-sql")
	h.says(exitRuntime, "is not in the quarantine", "quarantine", "show", fmt.Sprint(free))
	h.says(exitOK, hash, "quarantine", "skip", number, "--dry-run")
	h.says(exitSettings, "needs the --hash", "quarantine", "skip", number, "--reason", "x")
	h.says(exitSettings, "never means all", "quarantine", "retry", "--reason", "x")
	h.says(exitSettings, "not both", "quarantine", "retry", number, "--kind", "sql", "--reason", "x")
	h.says(exitSettings, "--reason: the reason is empty", "quarantine", "skip", number, "--hash", hash)
	h.says(exitRuntime, "the hash of what would be skipped is "+hash, "quarantine", "skip", number, "--hash", "0123456789ab", "--reason", "x")
	h.says(exitRuntime, fmt.Sprintf("version %d is not held", free), "quarantine", "skip", fmt.Sprint(free), "--hash", hash, "--reason", "x")
	h.says(exitRuntime, "no held version is like that", "quarantine", "retry", "--kind", "sql", "--reason", "x")
	if got := h.row("select count(*) from ichor.request"); got != "(0)" {
		t.Errorf("%s requests were written down that were refused", got)
	}

	h.says(exitOK, fmt.Sprintf("skip version %d: done", held), "quarantine", "skip", number, "--hash", hash, "--reason", "the client was wrong")
	h.eventually(fmt.Sprintf("(%d)", free), "select version from cohort_snapshot")
	if got, want := h.row("select resolution, held, resolved_at is not null from ichor.quarantine"), "(skipped_by_operator,f,t)"; got != want {
		t.Errorf("the row of the quarantine says %s, want %s", got, want)
	}
	if got, want := h.row("select deed, reason from ichor.audit"), fmt.Sprintf(`("skip version %d %s: done","the client was wrong")`, held, hash); got != want {
		t.Errorf("the audit says %s, want %s", got, want)
	}
	if got := h.row("select amount from bank_accounts where number in ('0001', '0002')"); got != "(100001.00000) (100001.00000)" {
		t.Errorf("the accounts have %s", got)
	}
	h.says(exitOK, "running, ready", "status")
	h.says(exitOK, "ended ", "quarantine", "show", number, "--no-sql")
	h.says(exitOK, ": skipped by operator", "explain", number)
	h.says(exitRuntime, "is not held", "quarantine", "skip", number, "--hash", hash, "--reason", "again")
	p.signal(syscall.SIGTERM)
	p.wait()
}

// Versions of one reason are retried and skipped at once, in a host that starts after they were asked for too.
func TestHeldVersionsOfOneReason(t *testing.T) {
	h := byHand(t)
	h.says(exitOK, "the schema is there", "db", "init")
	if _, err := h.conn.Exec(t.Context(), "alter table bank_accounts add constraint low check (amount < 100001)"); err != nil {
		t.Fatal(err)
	}
	var all []int
	for i := range 5 {
		all = append(all, h.deposit(fmt.Sprintf("000%d", i+1)))
	}
	all = append(all, h.candidate("0006", `{"no":"list"}`), h.candidate("0007", `[{"NOTHING":{}}]`))
	h.commit(all...)
	p := h.start()
	h.eventually("(7)", "select count(*) from ichor.quarantine where held")
	h.says(exitRuntime, "refused: there is nothing to try: unreadable", "quarantine", "retry", "--kind", "unreadable", "--reason", "try")
	h.kill(p)
	hash := lastHash(t, h.says(exitOK, "about 1 version,", "quarantine", "skip", "--kind", "unreadable", "--dry-run"))
	h.says(exitOK, "no host has taken it up", "quarantine", "skip", "--kind", "unreadable", "--hash", hash, "--reason", "no list", "--wait", "0s")
	h.says(exitRuntime, "asked for already", "quarantine", "skip", "--kind", "unreadable", "--hash", hash, "--reason", "no list", "--wait", "0s")
	if _, err := h.conn.Exec(t.Context(), "alter table bank_accounts drop constraint low"); err != nil {
		t.Fatal(err)
	}
	h.says(exitOK, "request", "quarantine", "retry", "--kind", "sql", "--code", "23514", "--reason", "mended", "--wait", "0s")
	export := filepath.Join(t.TempDir(), "held.jsonl")
	h.says(exitOK, "", "quarantine", "export", "-o", export)
	if text, err := os.ReadFile(export); err != nil || strings.Count(string(text), "\n") != 7 || !strings.Contains(string(text), `"statemap":{"no":"list"}`) {
		t.Errorf("%v: exported\n%s", err, text)
	}
	p = h.start()
	h.eventually(fmt.Sprintf("(%d,unknown_action)", all[6]), "select version, kind from ichor.quarantine where held")
	h.eventually("(retry,done,5) (skip,done,1)", "select verb, outcome, count(*) from ichor.request where outcome = 'done' group by 1, 2 order by 1")
	hash = lastHash(t, h.says(exitOK, "1 held", "quarantine", "list"))
	h.says(exitOK, "done", "quarantine", "skip", "--kind", "unknown_action", "--hash", hash, "--reason", "not known")
	h.eventually(fmt.Sprintf("(%d)", all[6]), "select version from cohort_snapshot")
	if got := h.row("select sum(amount) from bank_accounts"); got != "(900005.00000)" {
		t.Errorf("the accounts have %s", got)
	}
	h.kill(p)
}

// A pause holds across a crash, and a resume ends it.
func TestAPauseOutlivesTheHost(t *testing.T) {
	h := byHand(t)
	h.says(exitOK, "the schema is there", "db", "init")
	p := h.start()
	h.eventually("(1)", "select epoch from ichor.state")
	h.says(exitRuntime, "it is not paused", "resume", "--reason", "x")
	h.says(exitSettings, "--reason: the reason is empty", "pause")
	h.says(exitOK, "nothing is begun any more, until ichor resume --pause 1", "pause", "--reason", "we look at the disk")
	h.says(exitRuntime, "it is paused already, by ", "pause", "--reason", "again")
	h.says(exitNotReady, "not ready: paused (by ", "status")
	v := h.deposit("0001")
	h.commit(v)
	hosttest.Until(t, func() bool {
		_, out := h.ichor("explain", fmt.Sprint(v), "-c", h.settings)
		return strings.Contains(out, "it goes when the pause is over")
	}, func() string { return "it is not converted" })
	h.kill(p)
	p = h.start()
	hosttest.Until(t, func() bool {
		_, out := h.ichor("status", "-c", h.settings)
		return strings.Contains(out, "not ready: paused (by ")
	}, func() string { return "the next host is not paused" })
	hosttest.Until(t, func() bool {
		_, out := h.ichor("explain", fmt.Sprint(v), "-c", h.settings)
		return strings.Contains(out, "it goes when the pause is over")
	}, func() string { return "it is not converted" })
	if got := h.snapshot(); got != 0 {
		t.Errorf("paused, it installed up to %d", got)
	}
	h.says(exitSettings, "--pause: -1 is no number of a request", "resume", "--pause=-1", "--reason", "x")
	h.says(exitRuntime, "nothing was changed: the pause that is in force is request 1, and \"7\" was given", "resume", "--pause", "7", "--reason", "another was seen")
	h.says(exitNotReady, ", as request 1: we look at the disk)", "status")
	h.says(exitOK, "resume: done", "resume", "--pause", "1", "--reason", "the disk is fine")
	h.until(v, p)
	h.says(exitOK, "running, ready", "status")
	if got, want := h.row("select deed, reason from ichor.audit order by id"), `(pause,"we look at the disk") ("resume: done","the disk is fine")`; got != want {
		t.Errorf("the audit says %s, want %s", got, want)
	}
	p.signal(syscall.SIGTERM)
	p.wait()
}

// A candidate that nobody decides is given up, by a host that runs or the next one; what is decided is not.
func TestACandidateIsAbandoned(t *testing.T) {
	h := byHand(t)
	h.says(exitOK, "the schema is there", "db", "init")
	p := h.start()
	first := h.deposit("0001")
	second := h.deposit("0001")
	decided := h.deposit("0001")
	h.commit(decided)
	h.says(exitRuntime, fmt.Sprintf("abandon version %d: refused: it is decided: committed, by the decision at position %d", decided, decided+1), "abandon", fmt.Sprint(decided), "--reason", "x")
	h.says(exitRuntime, "refused: the log can be read up to position", "abandon", "99", "--reason", "x")
	h.says(exitRuntime, "refused: at this position stands no candidate", "abandon", fmt.Sprint(decided+1), "--reason", "x")
	h.says(exitSettings, "no version", "abandon", "0", "--reason", "x")
	h.says(exitSettings, "no version", "abandon", "18446744073709551615", "--reason", "x")
	h.says(exitOK, fmt.Sprintf("abandon version %d: done", first), "abandon", fmt.Sprint(first), "--reason", "its agent is gone")
	h.commit(first) // after all
	h.says(exitRuntime, "refused: it was abandoned before", "abandon", fmt.Sprint(first), "--reason", "x")
	h.says(exitOK, "abandoned by an operator", "explain", fmt.Sprint(first))
	h.kill(p)
	if _, out := p.wait(); !strings.Contains(out, "decided after all") {
		t.Errorf("the later decision is not told of:\n%s", out)
	}
	h.says(exitOK, "no host has taken it up", "abandon", fmt.Sprint(second), "--reason", "this too", "--wait", "0s")
	p = h.start()
	h.until(decided, p)
	if got := h.row("select amount from bank_accounts where number = '0001'"); got != "(100001.00000)" {
		t.Errorf("the account has %s", got)
	}
	if got, want := h.row("select version, outcome from ichor.request where outcome = 'done' order by 1"), fmt.Sprintf("(%d,done) (%d,done)", first, second); got != want {
		t.Errorf("the requests say %s, want %s", got, want)
	}
	p.signal(syscall.SIGTERM)
	p.wait()
}

// TestAReasonIsAskedForFirst: a verb that needs one names the option, as what is wrong with the command line, whatever it
// would ask next.
func TestAReasonIsAskedForFirst(t *testing.T) {
	d := &deployment{t: t}
	settings := filepath.Join(t.TempDir(), "ichor.yaml")
	if err := os.WriteFile(settings, []byte("database: {url: \"postgres://ichor@127.0.0.1:1/cohort\"}\nguests: {routes: [{cohort: \"*\", guest: banking}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"abandon 7", "pause", "resume", "handover", "quarantine retry 7", "quarantine skip 7 --hash 0123456789ab", "guest rollback banking", "db adopt --resume 7"} {
		words := append(strings.Fields(verb), "-c", settings)
		if code, out := d.ichor(words...); code != exitSettings || !strings.Contains(out, "--reason") {
			t.Errorf("ichor %s without a reason: exit code %d, %s", verb, code, out)
		}
		if code, out := d.ichor(append(words, "--reason", "two\nlines")...); code != exitSettings || !strings.Contains(out, "--reason: the reason is to be one line") {
			t.Errorf("ichor %s with a reason of two lines: exit code %d, %s", verb, code, out)
		}
	}
}
