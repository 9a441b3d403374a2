package queue

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

// statements is a conversion of so many bytes.
type statements int

func (s statements) Bytes() int { return int(s) }

// large are limits that nothing reaches.
var large = Limits{Entries: 100, Bytes: 1 << 20}

// filled returns a queue above snapshot 0 with the described entries. Each is a version, what it
// reads (r:) and writes (w:), its safepoint (s:), and what became of it: nothing for converting,
// awaiting, held, undecided, skipped by its guest once all are there, none for a version without effects, ahead for one of the ledger.
func filled(t *testing.T, entries ...string) *Queue {
	t.Helper()
	q := New(0)
	for _, text := range entries {
		words := strings.Fields(text)
		e := &Entry{Version: version(t, words[0]), Outcome: talos.Committed, AddedAt: 1}
		e.Before = talos.Anchor{Position: talos.Position(e.Version) - 1}
		var reads, writes []string
		then := ""
		for _, w := range words[1:] {
			what, value, named := strings.Cut(w, ":")
			switch {
			case what == "r":
				reads = strings.Split(value, ",")
			case what == "w":
				writes = strings.Split(value, ",")
			case named:
				e.Safepoint = version(t, value)
			default:
				then = w
			}
		}
		e.Keys, e.Effects, e.Ahead = talos.Keys(reads, writes), then != "none", then == "ahead"
		if then == "undecided" {
			e.Outcome = talos.Undecided
		}
		q.Add(e)
		switch then {
		case "awaiting":
			q.Converted(e, statements(100), 0)
		case "held":
			q.Hold(e)
		case "skipped":
			defer q.Settle(e)
		}
	}
	return q
}

func version(t *testing.T, text string) (v talos.Version) {
	t.Helper()
	if _, err := fmt.Sscan(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// beyond is where the log is read next in these tests.
var beyond = Beyond{Resume: 1000, Anchor: talos.Anchor{Position: 999}}

// say returns a group as text.
func say(g *Group) string {
	if g == nil {
		return "none"
	}
	var versions []string
	for _, e := range g.Entries {
		versions = append(versions, e.Version.String())
	}
	list := strings.Join(versions, " ")
	if !g.Frontier {
		return "ahead " + list
	}
	return fmt.Sprintf("frontier %s; %v to %v, resume %v after %v, %d of the ledger", list, g.From, g.Snapshot, g.Resume, g.Anchor.Position, g.Ledgered)
}

func TestFrontierGroup(t *testing.T) {
	for name, c := range map[string]struct {
		entries []string
		limits  Limits
		want    string
	}{
		"all, however hot the key":     {[]string{"1 w:a awaiting", "2 w:a s:1 awaiting", "3 w:a s:2 awaiting"}, large, "frontier 1 2 3; 0 to 3, resume 1000 after 999, 0 of the ledger"},
		"up to one that is converting": {[]string{"1 awaiting", "2", "3 awaiting"}, large, "frontier 1; 0 to 1, resume 2 after 1, 0 of the ledger"},
		"up to one that is held":       {[]string{"1 awaiting", "2 held", "3 awaiting"}, large, "frontier 1; 0 to 1, resume 2 after 1, 0 of the ledger"},
		"with what is settled":         {[]string{"1 none", "2 awaiting", "3 none", "4 ahead", "5"}, large, "frontier 2; 0 to 4, resume 5 after 4, 1 of the ledger"},
		"as many as may go":            {[]string{"1 awaiting", "2 awaiting", "3 awaiting"}, Limits{2, 1 << 20}, "frontier 1 2; 0 to 2, resume 3 after 2, 0 of the ledger"},
		"as many bytes as may go":      {[]string{"1 awaiting", "2 awaiting", "3 awaiting"}, Limits{100, entryOverhead + 101}, "frontier 1 2; 0 to 2, resume 3 after 2, 0 of the ledger"},
		"one, however large":           {[]string{"1 awaiting", "2 awaiting"}, Limits{100, 1}, "frontier 1; 0 to 1, resume 2 after 1, 0 of the ledger"},
		"none while it converts":       {[]string{"1", "2 awaiting"}, large, "none"},
		"none of nothing":              {[]string{"1 none"}, large, "none"},
	} {
		q := filled(t, c.entries...)
		if got := say(q.NextFrontier(0, c.limits, beyond)); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestAheadGroup(t *testing.T) {
	for name, c := range map[string]struct {
		entries []string
		want    string
	}{
		"of those whose keys are free":                                                {[]string{"1 w:x held", "2 w:b awaiting", "3 w:c awaiting"}, "ahead 2 3"},
		"whatever their safepoints say":                                               {[]string{"1 w:x held", "2 w:b s:1 awaiting", "3 w:c s:2 awaiting"}, "ahead 2 3"},
		"not of those with its key":                                                   {[]string{"1 w:a held", "2 r:a awaiting", "3 w:a awaiting", "4 w:b awaiting"}, "ahead 4"},
		"nor of those behind these":                                                   {[]string{"1 w:a held", "2 r:a w:b awaiting", "3 r:b w:c awaiting", "4 r:c awaiting", "5 w:d awaiting"}, "ahead 5"},
		"of those that read as it does":                                               {[]string{"1 r:a held", "2 r:a awaiting", "3 w:a awaiting"}, "ahead 2"},
		"with those that wait for its members":                                        {[]string{"1 w:x held", "2 w:a awaiting", "3 r:a w:b awaiting", "4 w:b awaiting"}, "ahead 2 3 4"},
		"not with those that wait for others too":                                     {[]string{"1 w:x held", "2 w:a awaiting", "3 w:a,x awaiting", "4 w:a awaiting"}, "ahead 2"},
		"not of a writer before whom one reads":                                       {[]string{"1 r:a held", "2 r:a awaiting", "3 w:a awaiting", "4 r:a awaiting"}, "ahead 2"},
		"of one behind a version that was skipped, not past what that one waited for": {[]string{"1 w:a held", "2 w:a skipped", "3 w:a awaiting", "4 w:b awaiting"}, "ahead 4"},
		"none past one without keys":                                                  {[]string{"1 w:x held", "2 w:a awaiting", "3", "4 w:b awaiting"}, "ahead 2"},
		"none of one without keys":                                                    {[]string{"1 w:x held", "2 awaiting"}, "none"},
		"not while the frontier may go":                                               {[]string{"1 awaiting", "2 w:a awaiting"}, "none"},
		"past one that is undecided":                                                  {[]string{"1 w:a undecided", "2 w:a awaiting", "3 w:b awaiting"}, "ahead 3"},
		"not while it is converting":                                                  {[]string{"1", "2 w:a awaiting"}, "none"},
		"of those above one of its keys":                                              {[]string{"1 w:a none", "2 w:x held", "3 w:a awaiting"}, "ahead 3"},
	} {
		q := filled(t, c.entries...)
		if got := say(q.NextAhead(1, 0, large)); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// Others wait for a frontier that is converting, and for one that converts for long no more.
func TestASlowConversionIsPassed(t *testing.T) {
	q := filled(t, "1 w:a", "2 w:a awaiting", "3 w:b awaiting")
	if got := say(q.NextAhead(5, 0, large)); got != "none" {
		t.Errorf("at once: %s", got)
	}
	if got := say(q.NextAhead(5, 1, large)); got != "ahead 3" {
		t.Errorf("after a while: %s", got)
	}
}

// Beside a frontier group in flight another lane takes a full group or none, until that has been in
// flight for long; and when there was none it is not looked for again at once.
func TestBesideAGroupInFlightGoesAFullOne(t *testing.T) {
	q := filled(t, "1 awaiting w:a", "2 awaiting w:b", "3 awaiting w:c", "4 awaiting w:d")
	two := Limits{2, 1 << 20}
	first := q.NextFrontier(10, Limits{1, 1 << 20}, beyond)
	if got := say(q.NextAhead(10, 5, Limits{4, 1 << 20})); got != "none" {
		t.Errorf("a small group: %s", got)
	}
	if got := say(q.NextAhead(10, 5, two)); got != "ahead 2 3" {
		t.Errorf("a full group: %s", got)
	}
	if got := say(q.NextAhead(10, 5, Limits{1, 1 << 20})); got != "ahead 4" {
		t.Errorf("a second full group: %s", got)
	}
	q.Done(first)

	hot := filled(t, "1 awaiting w:a", "2 awaiting w:a", "3 awaiting w:a", "4 awaiting w:b", "5 awaiting w:c", "6 awaiting w:d")
	first = hot.NextFrontier(10, Limits{1, 1 << 20}, beyond)
	if got := say(hot.NextAhead(10, 5, Limits{4, 1 << 20})); got != "none" || hot.conflicts.on {
		t.Errorf("three that are free do not fill a group of four: %s", got)
	}
	if got := say(hot.NextAhead(10, 5, two)); got != "none" {
		t.Errorf("at once after a search that found too little: %s", got)
	}
	if got := say(hot.NextAhead(20, 15, Limits{4, 1 << 20})); got != "ahead 4 5 6" {
		t.Errorf("beside one that has been in flight for long: %s", got)
	}
	hot.Done(first)
	first = hot.NextFrontier(20, Limits{1, 1 << 20}, beyond)
	hot.Done(first)
	if hot.rest != 0 {
		t.Errorf("%d frontier groups later it is still not looked for", hot.rest)
	}
}

func TestChainedGroupIsFullOrNone(t *testing.T) {
	q := filled(t, "1 awaiting", "2 awaiting", "3 awaiting", "4 awaiting", "5 awaiting")
	two := Limits{2, 1 << 20}
	if got := say(q.NextChained(0, two, beyond)); got != "none" {
		t.Errorf("chained to nothing: %s", got)
	}
	first := q.NextFrontier(0, two, beyond)
	second := q.NextChained(0, two, beyond)
	if got := say(second); got != "frontier 3 4; 2 to 4, resume 5 after 4, 0 of the ledger" || !second.Chained {
		t.Fatalf("the second is %s", got)
	}
	if got := say(q.NextChained(0, Limits{1, 1}, beyond)); got != "none" {
		t.Errorf("a third is %s", got)
	}
	q.Done(first)
	if got := say(q.NextChained(0, two, beyond)); got != "none" {
		t.Errorf("one that is not full: %s", got)
	}
	q.Undone(second)
	if got := say(q.NextFrontier(0, large, beyond)); got != "frontier 3 4 5; 2 to 5, resume 1000 after 999, 0 of the ledger" {
		t.Errorf("after the second had no effect: %s", got)
	}
}

// TestKeysAreForgotten: what the queue no longer holds takes no memory, also of a version that its
// guest skipped, or that two wrote and read.
func TestKeysAreForgotten(t *testing.T) {
	q := filled(t, "1 w:a,b held", "2 w:c,g", "3 r:a w:d awaiting", "4 w:e none", "5 w:f ahead", "6 w:c awaiting", "7 w:h awaiting")
	q.NextAhead(0, 0, Limits{1, 1}) // from now on the table of conflicts is kept
	q.Settle(q.Find(2))
	q.Reconvert(q.Find(1))
	q.Settle(q.Find(1))
	for range 5 {
		if g := q.NextFrontier(0, Limits{2, 1 << 20}, beyond); g != nil {
			q.Done(g)
		}
		if e := q.Find(7); e != nil && e.State() == InFlight {
			q.Done(e.group)
		}
	}
	q.Done(q.Flush(beyond))
	if q.Len() != 0 || len(q.conflicts.lines) != 0 || q.Bytes() != 0 || len(q.ready.items) != 0 || q.conflicts.on {
		t.Errorf("%d entries, %d keys, %d bytes, %d ready are left", q.Len(), len(q.conflicts.lines), q.Bytes(), len(q.ready.items))
	}
}

// A safepoint below an unsettled version with a key of its own is the certifier's mistake.
func TestSafepointsThatAreTooLowAreCounted(t *testing.T) {
	q := filled(t, "1 w:a held", "2 w:a s:1 awaiting", "3 w:a s:0 awaiting", "4 w:b s:0 awaiting", "5 r:b s:4 awaiting", "6 r:b s:0 awaiting")
	q.NextAhead(1, 0, large)
	if got := q.TooLow(); got != 2 {
		t.Errorf("%d, want those of versions 3 and 6", got)
	}
}

func TestWhatMustNotHappenPanics(t *testing.T) {
	for name, do := range map[string]func(*Queue){
		"version 3 added after 3":                    func(q *Queue) { q.Add(&Entry{Version: 3}) },
		"version 2 is converting, not undecided":     func(q *Queue) { q.Decided(q.Find(2)) },
		"version 1 is awaiting, not converting":      func(q *Queue) { q.Converted(q.Find(1), nil, 0) },
		"version 1 is awaiting, not held":            func(q *Queue) { q.Reconvert(q.Find(1)) },
		"version 3 is held, not converting":          func(q *Queue) { q.Settle(q.Find(3)) },
		"version 2 is converting, not held":          func(q *Queue) { q.LetGo(q.Find(2)) },
		"version 1 held while in flight":             func(q *Queue) { q.NextFrontier(0, large, beyond); q.Hold(q.Find(1)) },
		"the group from snapshot 0 is not in flight": func(q *Queue) { a := q.Flush(beyond); q.Done(a); b := q.Flush(beyond); q.Done(a); q.Done(b) },
	} {
		func() {
			defer func() {
				if p := recover(); p != Assertion(name) {
					t.Errorf("got %v, want %s", p, name)
				}
			}()
			do(filled(t, "1 awaiting", "2", "3 held"))
		}()
	}
}

// However many wait for a member, a group looks at a bounded number of them.
func TestASearchForFollowersEnds(t *testing.T) {
	q := New(0)
	add := func(v talos.Version, reads, writes []string) {
		q.Add(&Entry{Version: v, Outcome: talos.Committed, Effects: true, Keys: talos.Keys(reads, writes), AddedAt: 1})
		q.Converted(q.Find(v), statements(10), 0)
	}
	var hot []string
	for i := range 50 {
		hot = append(hot, fmt.Sprint("r", i))
	}
	add(1, nil, []string{"held"})
	for i, key := range hot {
		add(talos.Version(i+2), nil, []string{key})
	}
	for i := range talos.Version(5000) {
		add(100+i, hot, []string{"held"})
	}
	q.Hold(q.Find(1))
	g := q.NextAhead(1, 0, Limits{Entries: 512, Bytes: 1 << 30})
	if len(g.Entries) != 50 {
		t.Errorf("%d entries go, want the 50 writers", len(g.Entries))
	}
}
