package sim

import "slices"

// expected is what must happen in a batch of seeds that is large enough to say something: if it never
// does, nobody knows whether the invariants hold when it does.
var expected = []string{
	"a quarantine ended", "abandoned", "a refused file", "a refused file, and no module before it", "a stale primary commits", "a zombie commits late", "an older guest swapped in", "another connection of the host renewed the fence late", "another file came while one was loaded",
	"asked of a copy", "asked: abandon", "asked: pause", "asked: resume", "asked: retry", "asked: skip", "asked to abandon what is decided", "begun beside a refused file", "chained", "crash", "crash while a module is loaded", "deadlock", "decided again", "decided again, differently", "decided before it was read", "drained", "evicted at a take-over",
	"failed over", "failed over and lost commits", "failed over to a copy from before the take-over", "fenced", "fenced by the token alone",
	"fenced in the middle of a transaction", "frozen and woken", "groups halved", "guest swapped", "held: candidate_missing", "held: contradiction",
	"held: guest_reject", "held: payload_lost", "held: sql", "held: unreadable", "held: unrouted", "in doubt, then committed", "in doubt, then not",
	"lock waited for too long", "missing, and too late to hold it", "no room for candidates", "passed an undecided one", "probation goes on after a start", "payload let go and fetched again",
	"read again", "refused, and committed", "reload after a fail-over", "read while it stood by", "safepoint too low", "server crashed", "skipped by its guest", "sought",
	"split down to one", "take-over during a swap", "take-over while a module is loaded", "taken back on probation", "the backend before ended by its number", "the second writer installed",
	"the second writer is too late: 40001", "the second writer waits", "too many connections", "went ahead", "went ahead of a held one", "window full",
}

// Never returns what has never happened although it must, in a batch.
func Never(sometimes map[string]int) (never []string) {
	for _, what := range expected {
		if sometimes[what] == 0 {
			never = append(never, what)
		}
	}
	return never
}

// Expected returns what must happen in a batch, in order.
func Expected() []string { return slices.Clone(expected) }
