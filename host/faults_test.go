package host_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/status"
)

// behind puts a proxy between the host and the database.
func (b *bank) behind() *pgtest.Proxy {
	p := pgtest.NewProxy(b.t, b.db)
	b.options.Database.URL = p.URL()
	return p
}

// traffic sends n versions of deposits over so many accounts, all committed, and returns the last.
// The safepoint of each is the version before it with the same account.
func (b *bank) traffic(n, accounts int) int {
	b.t.Helper()
	messages := make([]kafkatest.Message, 0, 2*n)
	first := b.send(message("Other", "the first position is no version")) + 1
	last := make([]int, accounts)
	for i := range n {
		account := i % accounts
		messages = append(messages, candidate(i, fmt.Sprintf("%04d", account+1), deposit(fmt.Sprintf("%04d", account+1), 1)))
		messages = append(messages, commit(first+2*i, last[account]))
		last[account] = first + 2*i
	}
	b.send(messages...)
	return first + 2*(n-1)
}

// readiness asks once.
func (r *running) readiness() (v status.Readiness) {
	r.b.t.Helper()
	code, text := r.ask("/readyz")
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		r.b.t.Fatalf("%v: %s", err, text)
	}
	if (code == http.StatusOK) != v.Ready {
		r.b.t.Fatalf("status %d for %s", code, text)
	}
	return v
}

// becomes waits for a readiness: for readiness itself, which is empty, as long as it takes, and for a reason as long as it
// is promised to take at most, five seconds from its cause. So whoever waits for a reason has brought it about just before.
func (r *running) becomes(want status.Reason) {
	r.b.t.Helper()
	if want != "" {
		r.soon(want)
		return
	}
	var got status.Readiness
	hosttest.Until(r.b.t, func() bool { got = r.readiness(); return got.Ready }, func() string { return fmt.Sprintf("readiness %+v, want ready\n%s", got, r.b.log.text()) })
}

// soon wants a reason within a hundred looks, 50 ms apart, which is five seconds. That a machine which is busy makes the
// looks longer, as it makes the host slower, is all that is allowed beyond that.
func (r *running) soon(want status.Reason) {
	r.b.t.Helper()
	var got status.Readiness
	for range 100 {
		if got = r.readiness(); !got.Ready && got.Reason == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.b.t.Fatalf("readiness %+v after five seconds, want %q\n%s", got, want, r.b.log.text())
}

// A healthy host says fenced, regressed or broken promise never, however its lanes are cut.
func TestAHealthyHostWhoseLanesAreCutNeverRaisesAFalseAlarm(t *testing.T) {
	b := newBank(t, 50)
	proxy := b.behind()
	proxy.Delay(2 * time.Millisecond)
	b.options.Core.Lanes, b.options.Core.GroupMax = 4, 8
	last := b.traffic(4000, 50)
	b.start()
	want, cuts := fmt.Sprintf("(%d)", last), 0
	for ; cuts < 20 && b.text("select version from cohort_snapshot") != want; cuts++ {
		proxy.Cut()
		time.Sleep(150 * time.Millisecond)
	}
	b.eventually(want, "select version from cohort_snapshot")
	if cuts < 3 {
		t.Fatalf("the lanes were cut %d times, too seldom to show anything", cuts)
	}
	for _, alarm := range []string{"loaded again", "fenced", "broken"} {
		if strings.Contains(b.log.text(), alarm) {
			t.Errorf("the log says %q:\n%s", alarm, b.log.text())
		}
	}
	if got := b.text("select count(*), sum(amount)::bigint from bank_accounts where amount <> 100080"); got != "(0,)" {
		t.Errorf("accounts with another balance: %s", got)
	}
}

// What happens around a COMMIT is found out, and never counts twice nor ends the host.
func TestCommitsInDoubtAreFoundOut(t *testing.T) {
	b := newBank(t, 5)
	proxy := b.behind()
	b.options.Core.Lanes, b.options.Core.GroupMax = 2, 4
	b.options.Database.Deadline, b.options.Database.StatementTimeout = time.Second, 500*time.Millisecond
	r := b.start()
	sent := 0
	for _, f := range []pgtest.Fault{pgtest.FatalAfterCommit, pgtest.CutAfterCommit, pgtest.CutBeforeCommit, pgtest.FatalAfterCommit, pgtest.SilenceBeforeCommit, pgtest.CutAfterCommit} {
		proxy.Next(f)
		last := b.traffic(50, 5)
		sent += 50
		b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
		if proxy.Pending() {
			t.Fatalf("fault %d did not happen", f)
		}
	}
	if got, want := b.text("select sum(amount)::bigint from bank_accounts"), fmt.Sprintf("(%d)", 5*100000+sent); got != want {
		t.Errorf("sum %s, want %s", got, want)
	}
	if err := r.drain(); err != nil {
		t.Errorf("the host ended with %v", err)
	}
}

// An idle host notices a database that is away, or that fell silent, says so once, and goes on.
func TestAnIdleHostNoticesADeadDatabase(t *testing.T) {
	for name, weather := range map[string]pgtest.Weather{"refused": pgtest.Refused, "silent": pgtest.Silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits, and little else
			b := newBank(t, 5)
			proxy := b.behind()
			b.options.Core.Lanes, b.options.Database.ConnectTimeout = 2, time.Second
			r := b.start()
			last := b.traffic(10, 5)
			r.shows("/metrics", fmt.Sprintf("\nichor_snapshot %d\n", last)) // it has its answer
			r.becomes("")
			proxy.Turn(weather)
			r.becomes("database_unavailable")
			proxy.Turn(pgtest.Fair)
			r.becomes("")
			last = b.traffic(10, 5)
			b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
			if got := b.log.text(); strings.Count(got, "no progress") != 1 || strings.Count(got, "progress goes on") != 1 {
				t.Errorf("want one line when the outage begins and one when it ends:\n%s", got)
			}
			if err := r.drain(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A database that is set to be read-only under a running host is named as such, by the owner as by one that stands by, and
// the host goes on when it takes something again.
func TestADatabaseThatBecomesReadOnlyIsNamed(t *testing.T) {
	t.Parallel() // it waits, and little else
	b := newBank(t, 5)
	r := b.start()
	b.reaches(b.traffic(10, 5))
	b.exec("set default_transaction_read_only = off") // of this session, which is to undo it
	takes := func(is string) {
		b.exec("alter system set default_transaction_read_only = " + is)
		b.exec("select pg_reload_conf()")
	}
	takes("on")
	defer takes("off")
	last := b.traffic(10, 5)
	r.becomes("database_unavailable")
	r.shows("/readyz", "the database is a standby or read-only")
	takes("off")
	b.reaches(last)
	r.becomes("")
}

// What a host needs beside the tables that it installs into, and cannot read or write, it says in a line each, once.
func TestWhatAHostCannotReadBesideIsLogged(t *testing.T) {
	b := newBank(t, 5)
	r := b.start()
	b.reaches(b.traffic(10, 5))
	b.exec("alter table ichor.request rename to requests; alter table ichor.beat rename to beats")
	b.logs(`msg="operators' requests cannot be read; it is tried again"`)
	b.logs(`msg="the beat is interrupted; it is tried again"`)
	b.exec("alter table ichor.requests rename to request; alter table ichor.beats rename to beat")
	b.exec("insert into ichor.request (verb, who, reason) values ('pause', 'test', 'it is read again')")
	r.becomes("paused")
	if got := b.log.text(); strings.Count(got, "is tried again") != 2 {
		t.Errorf("want a line for each:\n%s", got)
	}
}

// SIGTERM ends a host with success in whatever it waits, also in a start that gets no answer.
func TestAHostThatIsToldToStopWhileItWaitsEndsWell(t *testing.T) {
	for name, wait := range map[string]func(*bank){
		"a database that is silent": func(b *bank) { b.behind().Turn(pgtest.Silent) },
		"a database that refuses":   func(b *bank) { b.behind().Turn(pgtest.Refused) },
		"a log that is away":        func(b *bank) { b.options.Source.Brokers = []string{"127.0.0.1:1"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits, and little else
			b := newBank(t, 5)
			wait(b)
			r := b.start()
			time.Sleep(300 * time.Millisecond)
			begun := time.Now()
			if err := r.drain(); err != nil {
				t.Errorf("told to stop while it waits: %v", err)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	t.Run("a database that falls silent with a group in flight", func(t *testing.T) {
		b := newBank(t, 5)
		proxy := b.behind()
		b.options.ShutdownTimeout = time.Second
		r := b.start()
		r.becomes("")
		proxy.Next(pgtest.SilenceBeforeCommit)
		b.traffic(10, 5)
		for proxy.Pending() {
			time.Sleep(time.Millisecond)
		}
		if err := r.drain(); err != nil {
			t.Errorf("a drain that is overdue: %v", err)
		}
	})
}

// A version whose statements end their session, say that they did, or need more than a session may have, is held alone, however large the
// group was that it came in; the others are installed.
func TestAVersionThatTakesItsGroupWithItIsHeldAlone(t *testing.T) {
	for name, does := range map[string]string{
		"it ends the session":  "perform pg_terminate_backend(pg_backend_pid())",
		"it says that it is":   "raise exception 'it is' using errcode = '08001'",
		"it needs more memory": "raise exception 'too much' using errcode = '53200'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits, and little else
			b := newBank(t, 10)
			b.options.Guests.Limits.SQL.Functions = []string{"public.bad"}
			b.exec("create function bad() returns trigger language plpgsql as $$ begin if new.number = '0006' then " + does + "; end if; return new; end $$")
			b.exec("create trigger bad before update on bank_accounts for each row execute function bad()")
			last := b.traffic(20, 10) // a backlog: it goes in one group
			r := b.start()
			b.eventually("(18)", "select sum(amount - 100000)::bigint from bank_accounts")
			r.becomes("poison_held")
			b.eventually("(1)", "select count(*) from ichor.quarantine where held") // the other one of its account waits for it
			b.exec("drop trigger bad on bank_accounts")
			b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
			b.eventually("(20)", "select sum(amount - 100000)::bigint from bank_accounts")
		})
	}
}

// What may be mended outside is tried again by itself, and the host is not ready all the while.
func TestAVersionThatIsHeldForAMissingRowIsCured(t *testing.T) {
	t.Parallel() // it waits, and little else
	b := newBank(t, 5)
	b.exec("alter table bank_accounts add constraint small check (amount < 100003)")
	r := b.start()
	first := b.traffic(1, 5)
	b.eventually(fmt.Sprintf("(%d)", first), "select version from cohort_snapshot")
	v := b.send(candidate(100, "0001", deposit("0001", 50)))
	b.send(commit(v, first))
	r.becomes("poison_held")
	b.exec("alter table bank_accounts drop constraint small")
	for b.text("select version from cohort_snapshot") != fmt.Sprintf("(%d)", v) {
		if got := r.readiness(); got.Ready && b.text("select held from ichor.quarantine") == "(t)" {
			t.Fatalf("ready while a version is held: %+v", got)
		}
		time.Sleep(time.Millisecond)
	}
	b.eventually("(f,t,installed,t)", "select held, resolved_at is not null, resolution, resolved_digest <> '' from ichor.quarantine")
	r.becomes("")
}

// Thousands of versions that are held are a line a second in the log, and a row each in the quarantine.
func TestThousandsOfHeldVersionsAreFewLines(t *testing.T) {
	const n = 2000
	b := newBank(t, 1)
	first := b.send(message("Other", "position 0")) + 1
	messages := make([]kafkatest.Message, 0, 2*n)
	for i := range n {
		messages = append(messages, candidate(i, fmt.Sprintf("held %d", i), `[{"NOTHING":{}}]`), commit(first+2*i, 0))
	}
	b.send(messages...)
	begun := time.Now()
	b.start()
	b.eventually(fmt.Sprintf("(%d)", n), "select count(*) from ichor.quarantine where held")
	if lines, most := strings.Count(b.log.text(), "a version cannot be installed"), int(time.Since(begun)/time.Second)+1; lines < 1 || lines > most {
		t.Errorf("%d lines about %d held versions, want one a second, %d:\n%s", lines, n, most, b.log.text())
	}
}

// What retention took of a held version stands in the quarantine, and is installed from there.
func TestAHeldVersionThatTheLogHasNoMoreIsCured(t *testing.T) {
	t.Parallel() // it waits, and little else
	b := newBank(t, 5)
	b.exec("alter table bank_accounts add constraint small check (amount < 100003)")
	r := b.start()
	first := b.traffic(1, 5)
	b.eventually(fmt.Sprintf("(%d)", first), "select version from cohort_snapshot")
	v := b.send(candidate(100, "0001", deposit("0001", 50)))
	last := b.send(commit(v, first), message("Other", "later"))
	r.becomes("poison_held")
	b.eventually("(t,t)", "select held, candidate is not null from ichor.quarantine")
	if err := b.broker.DeleteRecordsBefore(t.Context(), b.topic, int64(last)); err != nil {
		t.Fatal(err)
	}
	b.exec("alter table bank_accounts drop constraint small")
	b.eventually(fmt.Sprintf("(%d)", v), "select version from cohort_snapshot")
	b.eventually("(sql,f,installed)", "select kind, held, resolution from ichor.quarantine")
	r.becomes("")
}

// A stranger's open transaction is a reason, whether or not a candidate is known behind it.
func TestAStrangersOpenTransactionIsSaid(t *testing.T) {
	t.Parallel() // it waits, and little else
	b := newBank(t, 5)
	r := b.start()
	first := b.traffic(3, 5)
	b.eventually(fmt.Sprintf("(%d)", first), "select version from cohort_snapshot")
	client, err := kgo.NewClient(kgo.SeedBrokers(b.broker.Addr(kafkatest.Plain)), kgo.TransactionalID("stranger"), kgo.DefaultProduceTopic(b.topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("in a transaction")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	last := b.traffic(3, 5)
	r.becomes(status.OpenTransaction)
	if err := client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	r.becomes("")
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
}

// A host that the database refuses does not end the one that works.
func TestAHostWhoseGuestTheDatabaseRefusesLeavesTheOwnerAlone(t *testing.T) {
	b := newBank(t, 5)
	r := b.start()
	r.becomes("")
	epoch := b.text("select epoch from ichor.state")
	b.install("misbehaving", guesttest.Misbehaving(t))
	second := *b
	second.options.Guests.Routes = []rollout.Route{{Cohort: "*", Guest: "misbehaving"}}
	if err := second.start().ended(); err == nil {
		t.Error("a guest whose table is not there is taken")
	}
	if got := b.text("select epoch from ichor.state"); got != epoch {
		t.Errorf("epoch %s, was %s", got, epoch)
	}
	last := b.traffic(3, 5)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
}

// Candidates share their key with their decision: compaction would take every one that is decided.
func TestATopicThatIsCompactedIsRefused(t *testing.T) {
	b := newBank(t, 1)
	for _, policy := range []string{"compact", "compact,delete", "delete,compact"} {
		if err := b.broker.AlterTopic(t.Context(), b.topic, "cleanup.policy", policy); err != nil {
			t.Fatal(err)
		}
		var wrong *kafka.CompactedError
		if err := b.start().ended(); !errors.As(err, &wrong) || wrong.Policy != policy || !strings.Contains(err.Error(), "set cleanup.policy=delete") {
			t.Errorf("%s: %v", policy, err)
		}
		findings := slices.Collect(host.Check(t.Context(), b.options, time.Minute, 0))
		i := slices.IndexFunc(findings, func(f status.Finding) bool { return f.What == "topic" })
		if i < 0 || !errors.As(findings[i].Err, &wrong) || wrong.Policy != policy {
			t.Errorf("%s: check says %+v", policy, findings)
		}
	}
	if got := b.text("select epoch from ichor.state"); got != "(0)" && got != "" {
		t.Errorf("a host that refuses its topic took the epoch: %s", got)
	}
}

// Brokers that begin to compact the topic under a running host end it, for what it has not read yet may go at any time.
func TestATopicThatIsCompactedByNowEndsTheHost(t *testing.T) {
	b := newBank(t, 5)
	b.options.Source.PolicyEvery = 50 * time.Millisecond
	r := b.start()
	last := b.traffic(10, 5)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	if err := b.broker.AlterTopic(t.Context(), b.topic, "cleanup.policy", "compact"); err != nil {
		t.Fatal(err)
	}
	var wrong *kafka.CompactedError
	if err := r.ended(); !errors.As(err, &wrong) || wrong.Policy != "compact" {
		t.Errorf("the host ended with %v", err)
	}
}

// A group that is not finished within the deadline is made smaller until it is: it is not cut at the
// same place for ever.
func TestAGroupThatIsTooLargeForTheDeadlineIsMadeSmaller(t *testing.T) {
	t.Parallel() // it waits, and little else
	b := newBank(t, 5)
	b.options.Database.Deadline, b.options.Database.StatementTimeout = time.Second, 500*time.Millisecond
	b.options.Guests.Limits.SQL.Functions = []string{"public.slow"}
	r := b.start()
	r.becomes("")
	b.exec("create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.1); return new; end $$")
	b.exec("create trigger slow before update on bank_accounts for each row execute function slow()")
	last := b.traffic(30, 5)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	if got := b.text("select sum(amount)::bigint, (select count(*) from ichor.quarantine) from bank_accounts"); got != "(500030,0)" {
		t.Errorf("%s", got)
	}
}
