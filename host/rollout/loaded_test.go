package rollout

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
)

// shelf is guests whose modules are put in use and out of use by hand.
type shelf struct {
	*Guests
	t *testing.T
}

// use puts a module in use, as one that converts.
func (s shelf) use(module []byte) *Loaded {
	s.t.Helper()
	m := trust.NewModule(module, "")
	generation, _ := s.takeLoaded("banking", m.Digest.String())
	if generation == nil {
		var err error
		if generation, err = guest.Load(s.t.Context(), "banking", module, s.opts.Limits, s.log, s.metrics); err != nil {
			s.t.Fatal(err)
		}
		s.holds[generation] = 1
	}
	l := &Loaded{ID: s.nextID, Name: "banking", Digest: m.Digest.String(), From: 1, Generation: generation, Templates: s.templates.of(generation)}
	s.nextID++
	s.byID[l.ID] = l
	return l
}

// converts reports whether a module is loaded still.
func (s shelf) converts(l *Loaded) bool {
	s.t.Helper()
	err := l.Generation.Convert(s.t.Context(), nil, new(guest.Conversions))
	if err != nil && !errors.Is(err, guest.ErrClosed) {
		s.t.Fatal(err)
	}
	return err == nil
}

// states returns what became of the modules since it was asked last.
func (s shelf) states() (states []installer.GuestState) {
	for _, e := range s.events {
		states = append(states, e.State)
	}
	s.events = nil
	return states
}

func (s shelf) wantStates(want ...installer.GuestState) {
	s.t.Helper()
	if got := s.states(); len(got) != len(want) || len(got) > 0 && got[0] != want[0] || len(got) > 1 && got[1] != want[1] {
		s.t.Errorf("states %v, want %v", got, want)
	}
}

// A module that converts no more stays loaded until there is another such one: who goes back to it has it at once, with
// its statements. It is closed when nobody needs it, however many do.
func TestTheModuleOfBeforeStaysLoaded(t *testing.T) {
	first := guesttest.Small(t)
	other := func(mark byte) []byte { return append(append([]byte(nil), first...), 0, 2, 1, mark) } // a custom section
	opts := Options{Routes: []Route{{Cohort: "*", Guest: "banking"}}, Limits: guest.Options{CacheDir: guesttest.CacheDir(t)}}
	s := shelf{New(opts, nil, guest.NoMetrics(), slog.New(slog.DiscardHandler)), t}
	defer s.Close()

	a := s.use(first)
	b := s.use(other('b'))
	s.Release(a.ID)
	s.wantStates(installer.GuestWarm)
	if !s.converts(a) {
		t.Fatal("the module of before is closed")
	}
	again := s.use(first)
	if again.Generation != a.Generation || again.Templates[1] != a.Templates[1] {
		t.Error("the module of before is loaded anew, or its statements are")
	}
	s.Release(b.ID)
	s.wantStates(installer.GuestWarm)

	twice := s.use(first) // while it converts
	s.Release(again.ID)
	s.wantStates()
	if twice.Generation != a.Generation || !s.converts(twice) {
		t.Error("a module that converts from two versions on is loaded twice, or closed when one of them is over")
	}
	c := s.use(other('c'))
	s.Release(twice.ID)
	s.wantStates(installer.GuestWarm, installer.GuestRetired)
	if s.converts(b) || !s.converts(a) {
		t.Error("another module of before: the one earlier is open, or this one closed")
	}
	s.refused["banking"] = refusal{}
	worse := s.use(other('d'))
	r := refusal{}
	r.Digest = worse.Digest
	s.refused["banking"] = r // it was taken back
	s.Release(worse.ID)
	s.wantStates(installer.GuestRetired)
	if s.converts(worse) || !s.converts(a) || !s.converts(c) {
		t.Error("a module that was taken back stays, or others go with it")
	}
	s.newest = []string{c.Digest}
	s.Close()
	if newest := s.Newest("banking"); newest != "" { // another host may have swapped since
		t.Errorf("at the end %.12s converts still", newest)
	}
	if s.converts(a) || s.converts(c) || len(s.holds) > 0 || len(s.templates) > 0 {
		t.Errorf("at the end something is left: %d modules, %d statements", len(s.holds), len(s.templates))
	}
	if s.Get(cohort.Generation(0)) != nil {
		t.Error("a generation is in use after the end")
	}
}

// Who goes back does not wait until a file is checked; who brings another module does.
func TestWhoGoesBackEndsTheTurn(t *testing.T) {
	g := &Guests{woken: make(chan struct{}, 1)}
	turn, end := g.beginTurn(t.Context())
	defer end()
	g.Bring(&replicator.Bring{Guest: "banking", Deploy: true})
	if turn.Err() != nil {
		t.Error("a module that is brought ends the check of another")
	}
	g.Bring(&replicator.Bring{Guest: "banking"})
	if turn.Err() == nil {
		t.Error("who goes back waits for the check of a file")
	}
}

// TestAGuestHasOneSwapInFlight: while a module is armed and does not convert yet, no other is brought or read for its
// guest. Red without inFlightLocked.
func TestAGuestHasOneSwapInFlight(t *testing.T) {
	g := &Guests{
		opts: Options{Directory: t.TempDir()}, names: []string{"banking"}, newest: []string{"d1"}, arming: []cohort.Generation{3},
		metrics: guest.NoMetrics(), log: slog.New(slog.DiscardHandler), refused: map[string]refusal{}, received: map[string]received{}, woken: make(chan struct{}, 1),
		shadows: make([]*shadowing, 1), judged: map[string][]status.Judgement{},
	}
	var answers []Armed
	look := func() {
		arm := func(a Armed) bool { answers = append(answers, a); return true }
		if !g.bringAll(t.Context(), arm) || !g.lookAtFiles(t.Context(), arm) {
			t.Error("it ends")
		}
	}
	g.Bring(&replicator.Bring{Guest: "banking", Digest: "d1", Request: 7})
	look()
	if len(answers) > 0 || len(g.refused) > 0 || len(g.brings) != 1 {
		t.Errorf("beside a swap in flight: answers %v, refused %v, %d to bring", answers, g.refused, len(g.brings))
	}
	g.arming[0] = cohort.NoGeneration
	g.store = nil
	if !g.bringAll(t.Context(), func(a Armed) bool { answers = append(answers, a); return true }) || len(answers) != 1 || answers[0].Request != 7 {
		t.Errorf("after it: answers %v", answers)
	}
}

// What no more waits for the database is said in the log.
func TestAnEventTooManyIsLogged(t *testing.T) {
	var log strings.Builder
	g := &Guests{log: slog.New(slog.NewTextHandler(&log, nil)), woken: make(chan struct{}, 1), events: make([]installer.GuestEvent, eventsMost-1)}
	g.note(installer.GuestEvent{Guest: "banking", State: installer.GuestActive})
	if log.Len() > 0 || len(g.events) != eventsMost {
		t.Errorf("%d wait, and the log says %q", len(g.events), log.String())
	}
	g.note(installer.GuestEvent{Guest: "banking", Digest: "d7", State: installer.GuestProven})
	if len(g.events) != eventsMost || !strings.Contains(log.String(), "digest=d7 state=proven") {
		t.Errorf("%d wait, and the log says %q", len(g.events), log.String())
	}
}
