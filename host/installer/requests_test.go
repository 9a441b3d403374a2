package installer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// hold records held versions of a kind.
func (b *base) hold(l *installer.Lane, kind string, versions ...talos.Version) {
	b.t.Helper()
	var rows []installer.Quarantined
	for _, v := range versions {
		rows = append(rows, installer.Quarantined{Version: v, Held: true, Kind: kind, Message: "m", Candidate: &talos.Candidate{Value: []byte(fmt.Sprint("value of ", v))}})
	}
	if err := l.Quarantine(b.t.Context(), rows); err != nil {
		b.t.Fatal(err)
	}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	var r *installer.RefusedError
	var a *installer.AnotherHashError
	var p *installer.AnotherPauseError
	if !errors.As(err, &r) && !errors.As(err, &a) && !errors.As(err, &p) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want a refusal with %q", err, want)
	}
}

// Versions are positions of a log, which may be long, and what people look for may be any text.
func TestWhatIsLookedForMayBeAnything(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	b.hold(b.lane(in, 0), "sql", 1<<40)
	for filter, want := range map[installer.Filter]int{{Version: 1 << 40}: 1, {Version: 1 << 41}: 0, {Kind: "sql"}: 1, {Kind: "s\x00ql\xff"}: 0, {Code: "\x00"}: 0} {
		if held, err := in.List(t.Context(), filter); err != nil || len(held) != want {
			t.Errorf("%+v: %v, %v", filter, held, err)
		}
	}
}

// What a swap asks the quarantine about is counted there: it may have as many rows as there were versions.
func TestWhatAModuleMendedIsCounted(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.hold(l, "sql", 1, 2, 3, 4, 5, 6)
	b.hold(l, "guest_reject", 7)
	b.exec("update ichor.quarantine set digest = 'old' where version < 6; update ichor.quarantine set digest = 'new' where version = 5")
	resolve := func(versions string) {
		b.exec("update ichor.quarantine set held = false, resolved_at = clock_timestamp(), resolution = 'installed', resolved_digest = 'new' where version in (" + versions + ")")
	}
	resolve("1")
	counts, since, err := in.CountHeld(t.Context())
	want := map[installer.HeldCount]bool{{Digest: "old", Kind: "sql", Versions: 3}: true, {Digest: "new", Kind: "sql", Versions: 1}: true, {Kind: "sql", Versions: 1}: true, {Kind: "guest_reject", Versions: 1}: true}
	for _, c := range counts {
		if !want[c] {
			t.Errorf("%+v is counted", c)
		}
		delete(want, c)
	}
	if err != nil || len(want) > 0 {
		t.Errorf("not counted are %v, %v", want, err)
	}
	resolve("2, 3, 5, 6") // 5 it had left held itself
	b.exec("update ichor.quarantine set held = false, resolved_at = clock_timestamp(), resolution = 'skipped', resolved_digest = 'other' where version = 4")
	for most, want := range map[int]string{2: "[2 3]", 20: "[2 3 6]"} {
		if lowest, all, err := in.Mended(t.Context(), "new", since, most); err != nil || all != 3 || fmt.Sprint(lowest) != want {
			t.Errorf("at most %d: %v of %d, %v, want %s of 3", most, lowest, all, err, want)
		}
	}
	if lowest, all, err := in.Mended(t.Context(), "none", since, 2); err != nil || all != 0 || len(lowest) > 0 {
		t.Errorf("%v of %d, %v", lowest, all, err)
	}
}

// A request is taken once, and ended once, in the transaction that its host writes.
func TestAnswersToRequests(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.hold(l, "sql", 3)
	held, err := in.List(t.Context(), installer.Filter{})
	if err != nil || len(held) != 1 || len(held[0].Hash) != 12 {
		t.Fatalf("%v, %v", held, err)
	}
	skip := installer.Request{Verb: "skip", Hash: held[0].Hash, Who: "me\x00", Reason: "why"}
	asked, err := in.AskHeld(t.Context(), skip, installer.Filter{Version: 3})
	if err != nil || len(asked) != 1 || asked[0].Version != 3 {
		t.Fatalf("%v, %v", asked, err)
	}
	_, err = in.AskHeld(t.Context(), skip, installer.Filter{Version: 3})
	refused(t, err, "asked for already")
	retry, err := in.AskHeld(t.Context(), installer.Request{Verb: "retry", Who: "me", Reason: "r"}, installer.Filter{Kind: "sql"})
	if err != nil || len(retry) != 1 {
		t.Fatalf("%v, %v", retry, err)
	}
	state, err := in.Read(t.Context())
	if err != nil || len(state.Requests) != 2 || state.Requests[0].Verb != "skip" || state.Requests[1].Verb != "retry" {
		t.Fatalf("%+v, %v", state.Requests, err)
	}
	answers := []installer.Answer{{Request: asked[0].ID, Stands: true}, {Request: retry[0].ID, Refused: true, Words: "it is being skipped"}}
	for range 2 { // as after a commit in doubt
		if err := l.Respond(t.Context(), answers); err != nil {
			t.Fatal(err)
		}
	}
	b.want("select verb, taken_at is not null, ended_at is not null, outcome from ichor.request order by id", "(skip,t,f,) (retry,t,t,\"refused: it is being skipped\")")
	g := frontier(0, 3)
	g.Ends = []installer.QuarantineEnd{{Version: 3, How: "skipped_by_operator", Request: asked[0].ID}}
	if err := install(l, g); err != nil {
		t.Fatal(err)
	}
	wantClass(t, l.Respond(t.Context(), []installer.Answer{{Request: 1 << 40}}), installer.Regressed, "IC006", 0) // another database's
	if err := l.Respond(t.Context(), []installer.Answer{{Request: asked[0].ID, Refused: true, Words: "too late"}}); err != nil {
		t.Fatal(err)
	}
	b.want("select verb, outcome from ichor.request where verb = 'skip'", "(skip,done)")
	b.want("select held, resolution from ichor.quarantine", "(f,skipped_by_operator)")
	b.want("select who, deed, reason from ichor.audit order by id",
		`(me,"retry version 3: refused: it is being skipped",r) (me`+"\uFFFD"+`,"skip version 3 `+held[0].Hash+`: done",why)`)
	_, err = in.AskHeld(t.Context(), skip, installer.Filter{Version: 3})
	refused(t, err, "version 3 is not held")
}

// An answer is the owner's alone.
func TestAnswersAreFenced(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	r, err := in.Ask(t.Context(), installer.Request{Verb: "abandon", Version: 7, Who: "me", Reason: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	other, _ := b.take(1)
	wantClass(t, l.Respond(t.Context(), []installer.Answer{{Request: r.ID}}), installer.Fenced, "IC001", 0)
	b.want("select count(*) from ichor.request where ended_at is null", "(1)")
	if err := b.lane(other, 0).Respond(t.Context(), []installer.Answer{{Request: r.ID}}); err != nil {
		t.Fatal(err)
	}
	state, err := other.Read(t.Context())
	if err != nil || len(state.Requests) != 0 || len(state.Abandoned) != 1 || state.Abandoned[0] != 7 {
		t.Errorf("%+v, %v", state, err)
	}
	// On another log a version 7 is another one.
	snapshot := talos.Version(2)
	done, err := other.Adopt(t.Context(), installer.Adoption{Resume: 5, Snapshot: &snapshot, Who: "me", Reason: "another log"})
	if err != nil || done.RequestsEnded != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if state, err = other.Read(t.Context()); err != nil || len(state.Abandoned) != 0 {
		t.Errorf("%+v, %v", state, err)
	}
}

// The hash of a skip is of what a person has seen: of each record, and of why it is held.
func TestASkipIsOfWhatWasSeen(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.hold(l, "sql", 3, 4)
	b.hold(l, "unreadable", 5)
	hash := func(filter installer.Filter) string {
		t.Helper()
		held, err := in.List(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		return installer.HashOf(held)
	}
	sql := installer.Filter{Kind: "sql"}
	seen, one := hash(sql), hash(installer.Filter{Version: 5})
	b.hold(l, "sql", 6)
	_, err := in.AskHeld(t.Context(), installer.Request{Verb: "skip", Hash: seen, Who: "me", Reason: "r"}, sql)
	refused(t, err, "the hash of what would be skipped is "+hash(sql))
	b.hold(l, "guest_fault", 5) // it failed in another way since
	_, err = in.AskHeld(t.Context(), installer.Request{Verb: "skip", Hash: one, Who: "me", Reason: "r"}, installer.Filter{Version: 5})
	refused(t, err, "look at it again")
	asked, err := in.AskHeld(t.Context(), installer.Request{Verb: "skip", Hash: hash(sql), Who: "me", Reason: "r"}, sql)
	if err != nil || len(asked) != 3 {
		t.Errorf("%v, %v", asked, err)
	}
	b.want("select verb, version from ichor.request order by version", "(skip,3) (skip,4) (skip,6)")
}

// A resume may name the pause that it is meant for: one that came after it goes on.
func TestAResumeIsOfThePauseThatWasSeen(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	ask := func(verb, match string) (installer.Request, error) {
		return in.Ask(t.Context(), installer.Request{Verb: verb, Match: match, Who: "me", Reason: "r"})
	}
	first, err := ask("pause", "")
	if err != nil {
		t.Fatal(err)
	}
	seen := fmt.Sprint(first.ID)
	if _, err := ask("resume", seen); err != nil {
		t.Fatal(err)
	}
	b.exec("update ichor.request set ended_at = now(), outcome = 'done'")
	second, err := ask("pause", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = ask("resume", seen)
	refused(t, err, fmt.Sprintf("the pause that is in force is request %d", second.ID))
	b.want("select verb from ichor.request where ended_at is null", "(pause)")
	if _, err := ask("resume", ""); err != nil {
		t.Error(err)
	}
	if err := l.Respond(t.Context(), []installer.Answer{{Request: second.ID, Stands: true}}); err != nil {
		t.Error(err)
	}
}

// What is asked for in a database of which another is the owner, as in a copy from before the take-over, is not told.
func TestRequestsOfAnotherDatabaseAreNotTold(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	if _, err := in.Ask(t.Context(), installer.Request{Verb: "pause", Who: "me", Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	b.exec("update ichor.state set token = token + 1")
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	in.FollowRequests(ctx, func(open []installer.Request) { t.Errorf("told of %+v", open) })
	b.exec("update ichor.state set token = token - 1")
	ctx, stop = context.WithCancel(t.Context())
	in.FollowRequests(ctx, func([]installer.Request) { stop() })
}

// What is asked for while nobody looks is told when somebody does, again and again until it is taken.
func TestRequestsAreToldUntilTheyAreTaken(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	r, err := in.Ask(t.Context(), installer.Request{Verb: "pause", Who: "me", Reason: "r"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = in.Ask(t.Context(), installer.Request{Verb: "pause", Who: "me", Reason: "r"})
	refused(t, err, "it is paused already, by me: r")
	told := 0
	ctx, stop := context.WithCancel(t.Context())
	in.FollowRequests(ctx, func(open []installer.Request) {
		if len(open) != 1 || open[0].ID != r.ID || open[0].Who != "me" {
			t.Errorf("told of %+v", open)
		}
		if told++; told == 2 {
			if err := l.Respond(t.Context(), []installer.Answer{{Request: r.ID, Stands: true}}); err != nil {
				t.Error(err)
			}
			if r, err = in.Ask(t.Context(), installer.Request{Verb: "resume", Who: "me", Reason: "r"}); err != nil {
				t.Error(err)
			}
		}
		if told == 3 {
			stop()
		}
	})
	_, err = in.Ask(t.Context(), installer.Request{Verb: "pause", Who: "me", Reason: "r"})
	refused(t, err, "a resume is asked for")
	_, err = in.Ask(t.Context(), installer.Request{Verb: "abandon", Version: 1, Who: "me", Reason: " "})
	refused(t, err, "the reason is empty")
	for _, odd := range []string{"a\nb", "\x1b[31m", "\u009b", "\u202eb", "a\x00", "a\u0085b"} {
		refused(t, installer.CheckReason(odd), "has the character U+")
	}
	if err := installer.CheckReason("Ärger mit 口座 7: «voll» 👩‍🔧"); err != nil {
		t.Error(err)
	}
}
