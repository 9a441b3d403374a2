package host_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/status"
)

func (r *running) get(path string) string {
	r.b.t.Helper()
	_, text := r.ask(path)
	return text
}

// ask returns the status and the text of an answer.
func (r *running) ask(path string) (int, string) {
	r.b.t.Helper()
	answer, err := http.Get("http://" + r.Address() + path)
	if err != nil {
		r.b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.b.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// shows waits until a path of the listener answers something that contains want.
func (r *running) shows(path, want string) {
	r.b.t.Helper()
	text := ""
	hosttest.Until(r.b.t, func() bool { text = r.get(path); return strings.Contains(text, want) },
		func() string { return fmt.Sprintf("%s does not show %q but\n%s\n%s", path, want, text, r.b.log.text()) })
}

// What is no candidate and no decision is counted by what is wrong with it, and stops nothing.
func TestRecordsThatSayNothingAreCountedAndPassed(t *testing.T) {
	b := newBank(t, 3)
	whole := string(candidate(1, "0001", deposit("0001", 5)).Value)
	b.send(
		kafkatest.Message{Value: []byte(whole)}, // no headers at all
		kafkatest.Message{Value: []byte(whole), Headers: []kafkatest.Header{{Name: "other", Value: []byte("x")}}},
		message("Something", whole),
		message("candidate", whole), // the case matters
		message("Candidate", ""),
		kafkatest.Message{Headers: []kafkatest.Header{{Name: "messageType", Value: []byte("Decision")}}},
		message("Candidate", whole[:len(whole)-40]),
		message("Candidate", strings.Replace(whole, `"publishedAt":1`, `"publishedAt":NaN`, 1)),
		message("Candidate", strings.Replace(whole, `"readvers":[],`, "", 1)),
		message("Decision", `{"version":1}`),
		message("Decision", strings.Repeat("[", 100_000)),
		message("Candidate", strings.Repeat(`{"a":`, 100_000)),
	)
	first := b.send(candidate(2, "0001", deposit("0001", 7)))
	b.send(commit(first, 0))
	r := b.start()
	b.eventually("(100007.00000)", "select amount from bank_accounts where number = '0001'")
	b.eventually(fmt.Sprintf("(%d)", first), "select version from cohort_snapshot")
	for _, want := range []string{
		`ichor_records_total{kind="candidate",reason=""} 1`,
		`ichor_records_total{kind="decision",reason="committed"} 1`,
		`ichor_refused_total 4`, // the core's own figures come a moment after what they count
	} {
		r.shows("/metrics", want+"\n")
	}
	text := r.get("/metrics")
	sum := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "ichor_records_total{") {
			var n int
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	if sum != first+2 {
		t.Errorf("%d records are counted, of %d:\n%s", sum, first+2, text)
	}
}

// A committed candidate without a meaning is held; what does not need it goes on, and it is all
// in the quarantine.
func TestCommittedStatemapsWithoutMeaningAreHeld(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for name, tc := range map[string]struct{ statemap, kind, message string }{
		"empty element":    {`[{}]`, "unreadable", "no_key"},
		"two keys":         {`[{"DEPOSIT":{},"WITHDRAW":{}}]`, "unreadable", "several_keys"},
		"object for array": {`{"DEPOSIT":{"account":"0001","amount":1}}`, "unreadable", "not_a_list"},
		"number":           {`[7]`, "unreadable", "element_not_an_object"},
		"100,000 levels":   {`[{"DEPOSIT":` + deep + `}]`, "unreadable", "too_deep"},
		"unknown action":   {`[{"NOTHING":{}}]`, "unknown_action", "NOTHING"},
		"bad payload":      {`[{"DEPOSIT":{"account":"0001"}}]`, "guest_reject", "amount"},
		"no number":        {`[{"DEPOSIT":{"account":"0001","amount":"1e99999"}}]`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t, 3)
			b.send(message("Other", "position 0"))
			bad := b.send(candidate(1, "0001", tc.statemap))
			good := b.send(candidate(2, "0002", deposit("0002", 7)), candidate(3, "0001", deposit("0001", 9)))
			b.send(commit(bad, 0), commit(good, 0), commit(good+1, bad))
			r := b.start()
			b.eventually(fmt.Sprintf("(%d,t)", bad), "select version, held from ichor.quarantine")
			b.eventually("(100007.00000)", "select amount from bank_accounts where number = '0002'")
			if got := b.text("select amount from bank_accounts where number = '0001'"); got != "(100000.00000)" {
				t.Errorf("what depends on the held version was installed: %s", got)
			}
			row := b.text("select kind, message, candidate is not null from ichor.quarantine")
			if !strings.Contains(row, tc.kind) || !strings.Contains(row, tc.message) || !strings.Contains(row, ",t)") {
				t.Errorf("the quarantine says %s", row)
			}
			r.shows("/readyz", `"reason":"poison_held"`)
			if err := r.drain(); err != nil {
				t.Error(err)
			}
			// Held again after a restart, counted in the same row, and nothing is installed twice.
			b.start()
			b.eventually("(2)", "select times from ichor.quarantine")
			b.eventually("(100007.00000)", "select amount from bank_accounts where number = '0002'")
		})
	}
}

func TestDecisionsEarlyTwiceAndContradicting(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"), commit(2, 0)) // before its candidate: forgotten
	v := b.send(candidate(1, "0001", deposit("0001", 5)), candidate(2, "0001", deposit("0001", 7)))
	b.send(commit(v, 0), commit(v, 0), commit(v+1, v), abort(v+1), abort(v), commit(v+1, 0))
	r := b.start()
	b.eventually("(100012.00000)", "select amount from bank_accounts where number = '0001'")
	b.eventually(fmt.Sprintf("(%d)", v+1), "select version from cohort_snapshot")
	for _, want := range []string{`"repeated":1,`, `"conflicting_outcomes":2,`, `"conflicting_safepoints":1,`} {
		r.shows("/v1/status", want)
	}
	r.shows("/metrics", "ichor_decisions_conflicting_outcome_total 2\n")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.eventually("(2)", "select epoch from ichor.state")
	b.eventually("(100012.00000)", "select amount from bank_accounts where number = '0001'")
}

func TestALargeValueIsInstalled(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	large := string(candidate(1, "0001", deposit("0001", 5)).Value)
	large = strings.Replace(large, `"publishedAt"`, `"onCommit":"`+strings.Repeat("x", 20<<20)+`","publishedAt"`, 1)
	v := b.send(message("Candidate", large))
	b.send(commit(v, 0))
	b.start()
	b.eventually("(100005.00000)", "select amount from bank_accounts where number = '0001'")
}

func TestATopicWithTwoPartitionsIsRefused(t *testing.T) {
	b := newBank(t, 1)
	b.options.Source.Topic = "two"
	if err := b.broker.CreateTopic(t.Context(), "two", 2, nil); err != nil {
		t.Fatal(err)
	}
	var wrong *kafka.PartitionsError
	if err := b.start().ended(); !errors.As(err, &wrong) || wrong.Partitions != 2 {
		t.Errorf("%v", err)
	}
}

// settled runs a host on three versions, so that the database has a resume point.
func (b *bank) settled() {
	b.t.Helper()
	b.send(message("Other", "position 0"))
	v := b.send(candidate(1, "0001", deposit("0001", 5)), candidate(2, "0002", deposit("0002", 5)))
	b.send(commit(v, 0), commit(v+1, 0))
	r := b.start()
	b.eventually(fmt.Sprintf("(%d)", v+1), "select version from cohort_snapshot")
	if err := r.drain(); err != nil {
		b.t.Fatal(err)
	}
}

func TestARecreatedTopicIsNotReadOn(t *testing.T) {
	for name, refill := range map[string]int{"shorter": 1, "longer": 40} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t, 3)
			b.settled()
			epoch := b.text("select epoch, token from ichor.state")
			if err := b.broker.DeleteTopic(t.Context(), b.topic); err != nil {
				t.Fatal(err)
			}
			if err := b.broker.CreateTopic(t.Context(), b.topic, 1, nil); err != nil {
				t.Fatal(err)
			}
			for range refill {
				b.send(message("Other", "another log"))
			}
			var diverged *kafka.DivergedError
			if err := b.start().ended(); !errors.As(err, &diverged) {
				t.Errorf("%v", err)
			}
			findings := slices.Collect(host.Check(t.Context(), b.options, time.Minute, 0))
			if i := slices.IndexFunc(findings, func(f status.Finding) bool { return f.What == "topic" }); i < 0 || !errors.As(findings[i].Err, &diverged) {
				t.Errorf("check says %+v", findings)
			}
			if got := b.text("select version from cohort_snapshot"); got != "(2)" {
				t.Errorf("the snapshot moved: %s", got)
			}
			if got := b.text("select epoch, token from ichor.state"); got != epoch {
				t.Errorf("a host that refuses its log took the epoch: %s, was %s", got, epoch)
			}
		})
	}
}

func TestRetentionThatPassesTheResumePointIsNotSkipped(t *testing.T) {
	b := newBank(t, 3)
	b.settled()
	epoch := b.text("select epoch, token from ichor.state")
	v := b.send(candidate(3, "0003", deposit("0003", 5)), message("Other", "later"))
	if err := b.broker.DeleteRecordsBefore(t.Context(), b.topic, int64(v+1)); err != nil {
		t.Fatal(err)
	}
	var truncated *kafka.TruncatedError
	if err := b.start().ended(); !errors.As(err, &truncated) || int(truncated.Asked) != v || int(truncated.Start) != v+1 {
		t.Errorf("%v", err)
	}
	if got := b.text("select epoch, token from ichor.state"); got != epoch {
		t.Errorf("a host that refuses its log took the epoch: %s, was %s", got, epoch)
	}
}

func TestRetentionThatEmptiedAnIdleTopicGoesOn(t *testing.T) {
	b := newBank(t, 3)
	b.settled()
	end := b.text("select resume from ichor.state")
	if err := b.broker.DeleteRecordsBefore(t.Context(), b.topic, 5); err != nil || end != "(5)" {
		t.Fatal(err, end)
	}
	b.start()
	v := b.send(candidate(3, "0003", deposit("0003", 5)))
	b.send(commit(v, 0))
	b.eventually("(100005.00000)", "select amount from bank_accounts where number = '0003'")
}

func TestANewDatabaseOnALogWithoutItsBeginningIsRefused(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "0"), message("Other", "1"))
	if err := b.broker.DeleteRecordsBefore(t.Context(), b.topic, 1); err != nil {
		t.Fatal(err)
	}
	var gap *host.LogGapError
	if err := b.start().ended(); !errors.As(err, &gap) || !strings.Contains(err.Error(), "source.start: earliest") {
		t.Errorf("%v", err)
	}
	b.options.Source.Start = host.StartEarliest
	v := b.send(candidate(3, "0003", deposit("0003", 5)))
	b.send(commit(v, 0))
	b.start()
	b.eventually("(100005.00000)", "select amount from bank_accounts where number = '0003'")
}

func TestADatabaseThatIsDownIsWaitedFor(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	v := b.send(candidate(3, "0003", deposit("0003", 5)))
	b.send(commit(v, 0))
	real := b.options.Database.URL
	b.options.Database.URL = "postgres://postgres@127.0.0.1:1/none?connect_timeout=1"
	r := b.start()
	r.shows("/readyz", `"reason":"database_unavailable"`)
	if got := r.get("/healthz"); !strings.Contains(got, "true") {
		t.Errorf("a host that waits is not alive: %s", got)
	}
	if err := r.drain(); err != nil {
		t.Errorf("a host that is told to stop while it waits: %v", err)
	}
	b.options.Database.URL = real
	b.start()
	b.eventually("(100005.00000)", "select amount from bank_accounts where number = '0003'")
}

func TestAMissingSnapshotRowIsSaid(t *testing.T) {
	b := newBank(t, 3)
	b.exec("delete from cohort_snapshot")
	var notReady *installer.NotReadyError
	if err := b.start().ended(); !errors.As(err, &notReady) || !strings.Contains(err.Error(), "SINGLETON") {
		t.Errorf("%v", err)
	}
}

func TestAGuestThatCanNotBeLoadedIsSaid(t *testing.T) {
	b := newBank(t, 3)
	if err := os.Remove(filepath.Join(b.guests, "banking.wasm")); err != nil {
		t.Fatal(err)
	}
	if err := b.start().ended(); err == nil || !strings.Contains(err.Error(), "put the module there") {
		t.Errorf("a missing file: %v", err)
	}
	b.install("banking", []byte("#!/bin/sh\n"))
	var refused *guest.LoadError
	if err := b.start().ended(); !errors.As(err, &refused) {
		t.Errorf("no wasm: %v", err)
	}
}

// What a guest declares is put to the database before a record of the topic is: a table that is not
// there is said at the start, not by the first version that needs it.
func TestAGuestWhoseTableIsNotThereIsRefused(t *testing.T) {
	b := newBank(t, 3)
	b.install("misbehaving", guesttest.Misbehaving(t))
	b.options.Guests.Routes = []rollout.Route{{Cohort: "*", Guest: "misbehaving"}}
	err := b.start().ended()
	var refused *guest.LoadError
	if !errors.As(err, &refused) || refused.Step != guest.StepDatabase {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(err.Error(), `relation "misbehaving" does not exist`) {
		t.Errorf("it does not say what is missing: %v", err)
	}
}

func TestAGuestThatTrapsHoldsItsVersionAlone(t *testing.T) {
	b := newBank(t, 3)
	b.install("misbehaving", guesttest.Misbehaving(t))
	b.exec("create table misbehaving (a text, b text, c bigint)")
	b.options.Guests.Routes = []rollout.Route{{Cohort: "*", Guest: "banking"}, {Cohort: "bad", Guest: "misbehaving"}}
	b.send(message("Other", "position 0"))
	bad := candidate(1, "0001", `[{"PANIC":{}}]`)
	bad.Value = []byte(strings.Replace(string(bad.Value), `"cohort":"c"`, `"cohort":"bad"`, 1))
	v := b.send(bad, candidate(2, "0002", deposit("0002", 7)))
	b.send(commit(v, 0), commit(v+1, 0))
	r := b.start()
	b.eventually("(guest_fault)", "select kind from ichor.quarantine")
	b.eventually("(100007.00000)", "select amount from bank_accounts where number = '0002'")
	r.shows("/readyz", `"reason":"poison_held"`)
}

func TestACohortWithoutARoute(t *testing.T) {
	for policy, want := range map[rollout.UnroutedPolicy]string{
		rollout.UnroutedPoison: "(unrouted)",
		rollout.UnroutedIgnore: "",
	} {
		t.Run(string(policy), func(t *testing.T) {
			b := newBank(t, 3)
			b.options.Guests.Routes = []rollout.Route{{Cohort: "c", Guest: "banking"}}
			b.options.Guests.Unrouted = policy
			other := candidate(1, "0001", deposit("0001", 5))
			other.Value = []byte(strings.Replace(string(other.Value), `"cohort":"c"`, `"cohort":"stranger"`, 1))
			b.send(message("Other", "position 0"))
			v := b.send(other, candidate(2, "0002", deposit("0002", 7)))
			b.send(commit(v, 0), commit(v+1, 0))
			b.start()
			b.eventually("(100007.00000)", "select amount from bank_accounts where number = '0002'")
			b.eventually(want, "select kind from ichor.quarantine")
			if got := b.text("select amount from bank_accounts where number = '0001'"); got != "(100000.00000)" {
				t.Errorf("it was installed: %s", got)
			}
		})
	}
}

// TestActionsGoToSeveralGuests: within a cohort an action may have a guest of its own. A version is converted by one
// module: one whose items go to two, or only in part to one, is poison, also where what has no route is ignored.
func TestActionsGoToSeveralGuests(t *testing.T) {
	b := newBank(t, 3)
	b.install("deposits", guesttest.Small(t))
	b.options.Guests.Routes = []rollout.Route{{Cohort: "c", Action: "TRANSFER", Guest: "banking"}, {Cohort: "*", Action: "DEPOSIT", Guest: "deposits"}}
	b.options.Guests.Unrouted = rollout.UnroutedIgnore
	b.send(message("Other", "position 0"))
	transfer := `{"TRANSFER":{"from":"0001","to":"0002","amount":1}}`
	v := b.send(
		candidate(1, "0001", "["+transfer+"]"), candidate(2, "0002", deposit("0003", 7)),
		candidate(3, "x", "["+transfer+`,{"DEPOSIT":{"to":"0003","amount":1}}]`), candidate(4, "y", "["+transfer+`,{"REFUND":{}}]`),
		candidate(5, "z", `[{"REFUND":{}}]`))
	for i := range 5 {
		b.send(commit(v+i, 0))
	}
	b.start()
	b.eventually("(unrouted) (unrouted)", "select kind from ichor.quarantine where held order by version")
	b.eventually("(99999.00000) (100001.00000) (100007.00000)", "select amount from bank_accounts order by number")
	b.eventually("(banking) (deposits)", "select name from ichor.guest_history order by name")
}

// A host that cannot run must not end the one that does.
func TestAHostThatRefusesToStartLeavesTheOwnerAlone(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	owner := b.start()
	owner.shows("/readyz", `"ready":true`)
	bad := *b
	bad.guests = t.TempDir()
	bad.options.Guests.Directory = bad.guests
	bad.install("banking", []byte("no module"))
	other := bad.start() // the module that the owner took goes on beside a file that is none
	other.standsBy()
	if err := other.drain(); err != nil {
		t.Error(err)
	}
	b.exec("create role without_rights login; grant usage on schema ichor to without_rights; grant select on all tables in schema ichor to without_rights")
	defer b.exec("drop owned by without_rights; drop role without_rights")
	poor := *b
	poor.options.Database.URL = strings.Replace(b.options.Database.URL, "user=postgres", "user=without_rights", 1)
	var missing *installer.RightsError
	if err := poor.start().ended(); !errors.As(err, &missing) || !strings.Contains(err.Error(), "GRANT ") {
		t.Errorf("a role without rights: %v", err)
	}
	v := b.send(candidate(1, "0001", deposit("0001", 5)))
	b.send(commit(v, 0))
	b.eventually("(100005.00000)", "select amount from bank_accounts where number = '0001'")
	b.eventually("(1)", "select epoch from ichor.state")
}

// What looks like SQL in a payload is a value, whatever it says.
func TestSQLInAPayloadIsText(t *testing.T) {
	b := newBank(t, 3)
	name := `'; commit; --`
	b.exec("insert into bank_accounts (number, name, amount, version) values ($1, 'x', 0, 0)", name)
	b.send(message("Other", "position 0"))
	v := b.send(candidate(1, "0001", deposit(name, 5)), candidate(2, "0001", deposit("0001", 1)))
	b.send(commit(v, 0), commit(v+1, 0))
	b.start()
	b.eventually(fmt.Sprintf("(%d)", v+1), "select version from cohort_snapshot")
	b.eventually("(5.00000)", "select amount from bank_accounts where number = $1", name)
	b.eventually("(100001.00000)", "select amount from bank_accounts where number = '0001'")
	b.eventually("(0)", "select count(*) from ichor.quarantine")
}
