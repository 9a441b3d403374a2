package installer_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer"
)

func TestPassesAreKeptByName(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	known := func(name string, want bool) {
		t.Helper()
		if got, err := in.Passed(t.Context(), name); err != nil || got != want {
			t.Errorf("%s was passed: %v, want %v, %v", name, got, want, err)
		}
	}
	known("a", false)
	for range 2 {
		if err := in.KeepPassed(t.Context(), "a", "banking", "d1"); err != nil {
			t.Fatal(err)
		}
	}
	known("a", true)
	known("b", false)
	b.want("select name, guest, digest from ichor.guest_check", "(a,banking,d1)")
	b.exec("drop table ichor.guest_check")
	if _, err := in.Passed(t.Context(), "a"); err == nil {
		t.Error("without the table it is answered")
	}
	if err := in.KeepPassed(t.Context(), "a", "banking", "d1"); err == nil {
		t.Error("without the table it is kept")
	}
}

func TestModulesThatNoVersionNeedsArePruned(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	b.exec("with s as (update ichor.state set snapshot = 100) update cohort_snapshot set version = 100")
	// Of a guest with 20 modules, stored one after the other. m03 converted up to 49 and m05 from there up
	// to 119, m07 from there on, m02 version 130 alone and m01 version 90 alone; m04 made a version that is held,
	// and m06 one that was.
	b.exec(`insert into ichor.guest_module (digest, name, module, stored_at)
		select 'm' || lpad(n::text, 2, '0'), 'banking', '\x00', now() - interval '1 day' + n * interval '1 minute' from generate_series(1, 20) n`)
	b.exec("insert into ichor.guest_module (digest, name, module, stored_at) values ('o1', 'other', '\\x00', now() - interval '2 days'), ('shared', 'banking', '\\x00', now() - interval '2 days')")
	b.exec(`insert into ichor.guest_history (name, digest, from_version, only_version) values
		('banking', 'm03', 1, false), ('banking', 'm05', 50, false), ('banking', 'm07', 120, false), ('banking', 'm02', 130, true), ('banking', 'm01', 90, true),
		('other', 'shared', 1, false)`)
	b.exec(`insert into ichor.quarantine (version, held, kind, message, safepoint, snapshot, digest) values (101, true, 'k', '', 0, 0, 'm04'), (99, false, 'k', '', 0, 0, 'm06')`)
	left := "select string_agg(digest, ' ' order by digest) from ichor.guest_module"
	prune := func(in *installer.Installer, keep int, want int64, inUse ...string) {
		t.Helper()
		if n, err := in.Prune(t.Context(), "banking", keep, 1000, inUse); err != nil || n != want {
			t.Errorf("%d were pruned, want %d, %v", n, want, err)
		}
	}
	history := b.text("select * from ichor.guest_history order by name, from_version")
	prune(in, 20, 0)
	prune(in, 10, 5, "m08")
	b.want(left, `("m02 m04 m05 m07 m08 m11 m12 m13 m14 m15 m16 m17 m18 m19 m20 o1 shared")`)
	prune(in, 10, 1)
	// One that is stored again is new again.
	if err := in.StoreModule(t.Context(), installer.Module{Guest: "banking", Digest: "m11", Bytes: []byte{0}}); err != nil {
		t.Fatal(err)
	}
	// A host whose epoch is over prunes nothing.
	next, _ := b.take(1)
	prune(in, 2, 0)
	prune(next, 2, 8)
	b.want(left, `("m02 m04 m05 m07 m11 m20 o1 shared")`)
	b.exec("update ichor.state set snapshot = 119")
	b.exec("update ichor.quarantine set held = false")
	prune(next, 1, 3)
	b.want(left, `("m02 m07 m11 o1 shared")`)
	if now := b.text("select * from ichor.guest_history order by name, from_version"); now != history {
		t.Errorf("the history is\n%s\nand was\n%s", now, history)
	}
}

func TestSignaturesOfAModuleAreGathered(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	for _, signatures := range []string{"", "b\n", "a", "", "b"} {
		if err := in.StoreModule(t.Context(), installer.Module{Guest: "banking", Digest: "d1", Bytes: []byte{0}, Signatures: signatures}); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := in.ModuleOf(t.Context(), "d1"); err != nil || m.Signatures != "a\nb" || m.Guest != "banking" {
		t.Errorf("%+v, %v", m, err)
	}
	if err := in.StoreModule(t.Context(), installer.Module{Guest: "banking", Digest: "d2", Bytes: []byte{0}}); err != nil {
		t.Fatal(err)
	}
	b.want("select count(*) from ichor.guest_module where signatures is null", "(1)")
}

// What is remembered of modules that are gone goes too, but for the newest; what decides something stays.
func TestRowsOfModulesThatAreGoneArePruned(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	b.exec("insert into ichor.guest_module (digest, name, module) values ('kept', 'banking', '')")
	b.exec(`insert into ichor.guest_check (name, guest, digest, passed_at)
		select 'c' || n, 'banking', case n when 1 then 'kept' else 'gone' || n end, now() + n * interval '1 s' from generate_series(1, 9) n
		union all values ('other', 'other', 'o', now())`)
	b.exec(`insert into ichor.guest_event (guest, digest, state, who) values
		('other', 'o', 'armed', 'the file'), ('banking', 'lost', 'armed', 'the file'), ('banking', 'lost', 'active', 'ichor'), ('banking', 'kept', 'armed', 'ann'),
		('banking', 'kept', 'active', 'ichor'), ('banking', 'kept', 'gone', 'ann'), ('banking', 'lost2', 'back', 'ichor')`)
	b.exec("insert into ichor.guest_event (guest, digest, state, who) select 'banking', 'x' || n, 'refused', 'the file' from generate_series(1, 20) n")
	events := "select string_agg(digest || ' ' || state, ', ' order by id) from ichor.guest_event where guest = 'banking'"
	all := b.text(events)
	next, _ := b.take(2)
	if _, err := in.Prune(t.Context(), "banking", 0, 0, nil); err != nil { // it owns the cohort no more
		t.Fatal(err)
	}
	b.want(events, all)
	for range 2 {
		if _, err := next.Prune(t.Context(), "banking", 2, 3, nil); err != nil {
			t.Fatal(err)
		}
		b.want("select string_agg(name, ' ' order by name) from ichor.guest_check", "(\"c1 c8 c9 other\")")
		b.want(events, `("lost armed, kept armed, kept active, kept gone, lost2 back, x18 refused, x19 refused, x20 refused")`)
	}
	b.want("select count(*) from ichor.guest_event where guest = 'other'", "(1)")
	if _, err := next.Prune(t.Context(), "nobody", 2, 3, nil); err != nil {
		t.Error(err)
	}
}

// TestAnEventHasTheTimeAtWhichItBecameSo: also one that waited until the database took it.
func TestAnEventHasTheTimeAtWhichItBecameSo(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	err := in.AddGuestEvents(t.Context(),
		installer.GuestEvent{Guest: "banking", Digest: "d", State: installer.GuestActive, Who: "ichor", At: time.Now().Add(-time.Hour)},
		installer.GuestEvent{Guest: "banking", Digest: "d", State: installer.GuestProven, Who: "ichor"})
	if err != nil {
		t.Fatal(err)
	}
	b.want("select round(extract(epoch from now() - at) / 600) from ichor.guest_event order by id", "(6) (0)")
}

// A host that another superseded writes down nothing of guests any more: the next owner has written what became of them.
func TestWhoIsSupersededWritesNoGuestEvents(t *testing.T) {
	b := newBase(t)
	first, _ := b.take(1)
	event := installer.GuestEvent{Guest: "bank", Digest: "d", State: installer.GuestArmed, Who: "me"}
	if err := first.AddGuestEvents(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	second, _ := b.take(1)
	event.State = installer.GuestGone
	if err := first.AddGuestEvents(t.Context(), event); !installer.IsFenced(err) {
		t.Errorf("the first: %v", err)
	}
	event.State = installer.GuestActive
	if err := errors.Join(second.AddGuestEvents(t.Context(), event), b.installer(1).AddGuestEvents(t.Context(), event)); err != nil {
		t.Error(err)
	}
	b.want("select state from ichor.guest_event order by id", "(armed) (active) (active)")
}

// What is asked about guests under one context is asked on one session, which may end meanwhile; with the context it ends.
func TestASessionIsSharedUpToItsEnd(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	const sessions = "select array_agg(pid) from pg_stat_activity where application_name = 'ichor guest' and datname = current_database()"
	ctx, done := installer.Sharing(t.Context())
	ask := func() string {
		t.Helper()
		if err := in.StoreModule(ctx, installer.Module{Guest: "banking", Digest: "d1", Bytes: []byte{0}}); err != nil {
			t.Fatal(err)
		}
		if err := in.AddGuestEvents(ctx, installer.GuestEvent{Guest: "banking", Digest: "d1", State: installer.GuestArmed}); err != nil {
			t.Fatal(err)
		}
		return b.text(sessions)
	}
	first := ask()
	if again := ask(); again != first {
		t.Errorf("asked on %s, then on %s", first, again)
	}
	b.exec("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'ichor guest' and datname = current_database()")
	if fresh := ask(); fresh == first || fresh == "" {
		t.Errorf("asked on %q behind the end of %s", fresh, first)
	}
	ended := func() {
		t.Helper()
		hosttest.Until(t, func() bool { return b.text(sessions) == "()" }, func() string { return "a session stays: " + b.text(sessions) })
	}
	done()
	ended()
	ask()
	ended()
	runtime.KeepAlive(ctx) // one that nobody holds would be closed by the garbage collector
	b.want("select count(*) from ichor.guest_event where state = 'armed'", "(4)")
}

// A module's bytes are sent to a database that has not got them, and not again.
func TestAModuleIsSentOnce(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	m := installer.Module{Guest: "banking", Digest: "d1", Bytes: []byte{1, 2, 3}}
	for range 2 {
		if err := in.StoreModule(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		b.want("select encode(module, 'hex') from ichor.guest_module", "(010203)")
		m.Bytes = nil
	}
	if err := in.StoreModule(t.Context(), installer.Module{Guest: "banking", Digest: "d2", Bytes: []byte{4}}); err != nil {
		t.Fatal(err)
	}
	b.want("select encode(module, 'hex') from ichor.guest_module order by digest", "(010203) (04)")
}

// TestOneGoesBackToWhatConvertedBefore has each line be what became of modules, and says to which one goes back then. A small
// letter is one that the database does not have any more.
func TestOneGoesBackToWhatConvertedBefore(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	for _, digest := range []string{"A", "B", "C", "D"} {
		if err := in.StoreModule(t.Context(), installer.Module{Guest: "g", Digest: digest, Bytes: []byte(digest)}); err != nil {
			t.Fatal(err)
		}
	}
	step := func(digest string, state installer.GuestState, who string) installer.GuestEvent {
		return installer.GuestEvent{Guest: "g", Digest: digest, State: state, Who: who}
	}
	swap := func(digest string) []installer.GuestEvent {
		return []installer.GuestEvent{step(digest, installer.GuestArmed, installer.WhoFile), step(digest, installer.GuestActive, installer.WhoIchor)}
	}
	for _, c := range []struct {
		name, became, want string // of became: a module is swapped in; <M: one goes back to it by hand; !M: by itself
	}{
		{"the first", "A", ""},
		{"one before", "A B", "A"},
		{"one before that is not kept", "A d B", "A"},
		{"after a rollback", "A B <A", ""},
		{"there and back by swaps", "A B A", "B"},
		{"twice", "A B C <B", "A"},
		{"over two at once", "A B C <A", ""},
		{"over two, and one of them again", "A B C <A B", "A"},
		{"taken back over another on probation", "A B C D !B", "A"},
		{"taken back, and given the cohort by hand", "A B !A <B", ""},
		{"taken back, and given the cohort by hand in place of another", "A B !A C <B", "A"},
		{"given by hand, and swapped", "A B !A <B C", "B"},
		{"given by hand, swapped, and back", "A B !A <B C <B", ""},
		{"to one that never converted", "A B <D", "A"},
	} {
		b.exec("truncate ichor.guest_event")
		current := ""
		for _, word := range strings.Fields(c.became) {
			var events []installer.GuestEvent
			digest := strings.TrimLeft(word, "<!")
			switch word[0] {
			case '<':
				events = []installer.GuestEvent{
					step(digest, installer.GuestArmed, "ann"), step(digest, installer.GuestProven, "ann"), step(current, installer.GuestGone, "ann"), step(digest, installer.GuestActive, installer.WhoIchor),
				}
			case '!':
				events = []installer.GuestEvent{step(digest, installer.GuestBack, installer.WhoIchor), step(current, installer.GuestGone, installer.WhoIchor)}
			default:
				events = append(swap(digest), step(digest, installer.GuestProven, installer.WhoIchor))
			}
			if err := in.AddGuestEvents(t.Context(), events...); err != nil {
				t.Fatal(err)
			}
			current = digest
		}
		if got, err := in.GoesBackTo(t.Context(), "g", current); err != nil || got != c.want {
			t.Errorf("%s: from %s of %q back to %q, %v, not %q", c.name, current, c.became, got, err, c.want)
		}
	}
}
