package sim

import "github.com/ichor-replicator/ichor/host/replicator"

// fault is something that goes wrong.
type fault int

// The faults. Each seed has some of them.
const (
	crashHost fault = iota
	freezeHost
	jumpClock
	stopHost // as SIGTERM does: it drains
	swapGuest
	cutConnection
	loseClient      // the server does not hear of it
	terminate       // a backend, as an administrator does
	stall           // a backend or a lane is slow for once
	crashServer     // all backends end at once
	failOver        // to a copy that may lack commits
	refuseAll       // the server refuses every statement for a while
	refuseConnects  // it has no room for more connections, or is away
	contend         // a statement fails as if another transaction were in the way
	timeOut         // a statement runs for too long
	losePayload     // a payload cannot be read again for once
	strangeLock     // a transaction of somebody else's holds a row
	startSecondHost // although another works
	operate         // somebody asks for something: no fault, but as unforeseen
	faults
)

var faultNames = [faults]string{
	"crash of a host", "freeze of a host", "clock jump", "drain", "guest swap", "cut connection", "lost client", "terminated backend", "stall",
	"crash of the server", "fail-over", "everything refused", "connections refused", "contention", "time-out", "payload lost", "a stranger's lock", "second host", "operator",
}

// setup is the sizes and the faults of a world. A seed picks them.
type setup struct {
	hosts      int
	candidates int
	accounts   int
	hot        int // of a thousand touches, those of the first three accounts
	core       replicator.Options
	initiator  bool
	turns      int   // of the phase with faults
	pace       int64 // ns that a turn takes at most
	statement  int   // bytes of a version's statements at most
	payload    int   // bytes of a candidate at most
	checked    bool  // the COMMIT is sent after the counts of rows were seen
	sampled    int   // of so many commits, one after which the books are checked; 0 is never
	log        logSetup
	faults     [faults]int // of 10,000 turns, those with the fault
}

// logSetup is how often, of a thousand candidates, something is so.
type logSetup struct {
	delay         int // decisions wait behind so many others at most
	long          int // the decision comes at the end of the log
	never         int // there is none
	aborted       int
	duplicate     int
	empty         int
	refused       int
	unreadable    int
	contradictory int
	keyless       int
	skipped       int // the guest has nothing to install
	rejected      int // by the guests before a swap, or for ever
	poison        int // the database refuses it, for a while or for ever
	forever       int // of those, the ones that are never cured
	repeated      int
	conflicting   int
	early         int
	foreign       int // records that are none of ours
	gap           int
	hole          int
	missing       int // of holes, those that are decided
	forgotten     int // safepoints that are too low
	hidden        int // versions that write a row outside of their write set
}

// newSetup picks what a seed plays.
func newSetup(seed uint64) setup {
	d := newDice(seed, partSetup)
	s := setup{
		hosts:      of(&d, 1, 1, 2, 2, 3, 4),
		candidates: of(&d, 20, 60, 120, 200, 300, 400),
		accounts:   of(&d, 2, 5, 12, 40, 200),
		hot:        of(&d, 0, 0, 300, 700),
		initiator:  d.chance(250),
		turns:      d.between(500, 4000),
		pace:       of(&d, int64(100e3), 500e3, 2e6, 8e6),
		statement:  of(&d, 200, 200, 2000, 20_000),
		payload:    of(&d, 200, 1000, 4000),
		checked:    d.chance(200),
	}
	s.sampled = 1 + s.candidates/100
	s.core = coreOptions(&d)
	s.log = pickLog(&d, s.initiator, s.core.Order == replicator.OrderVersion)
	if s.log.forever > 0 || s.log.missing > 0 {
		s.core.Memory = 128 << 20 // what waits for ever fills a small one, and then reading pauses for ever
	}
	for f := range s.faults {
		if d.chance(550) {
			s.faults[f] = faultRates[f] * of(&d, 1, 1, 3)
		}
	}
	if s.hosts == 1 {
		s.faults[startSecondHost] = 0
	}
	s.core.Probation = replicator.Probation{Versions: of(&d, 0, 3, 40), Rejects: of(&d, 0, 0, 2)}
	return s
}

// faultRates is how often each fault comes in 10,000 turns, where it comes at all.
var faultRates = [faults]int{
	crashHost: 6, freezeHost: 8, jumpClock: 6, stopHost: 3, swapGuest: 12, cutConnection: 25, loseClient: 12, terminate: 15, stall: 40,
	crashServer: 4, failOver: 4, refuseAll: 3, refuseConnects: 5, contend: 30, timeOut: 12, losePayload: 100, strangeLock: 20, startSecondHost: 14, operate: 30,
}

func coreOptions(d *dice) replicator.Options {
	o := replicator.Options{
		Lanes:         of(d, 1, 2, 2, 4),
		GroupMax:      of(d, 1, 3, 8, 20, 64),
		GroupBytesMax: of(d, 1500, 1<<20, 1<<20),
		Conversions:   d.between(1, 3),
		ConvertMax:    d.between(1, 30),
		Memory:        of(d, 48<<10, 160<<10, 1<<20, 128<<20), // small ones fill
		PoisonBreaker: of(d, 2, 100, 100),
		LockWait:      of(d, int64(1e9), 5e9),
		AheadAfter:    d.span(20e6),
		Order:         replicator.OrderKeys,
		Beat:          of(d, int64(15e8), 50e6),
		Seed:          d.random.Uint64(),
	}
	if d.chance(100) {
		o.Order = replicator.OrderVersion
	}
	return o
}

// pickLog turns each kind of record on or off.
func pickLog(d *dice, initiator, inOrder bool) logSetup {
	sometimes := func(thousandth int) int {
		if d.chance(500) {
			return 0
		}
		return thousandth
	}
	l := logSetup{
		delay:   of(d, 1, 5, 40, 120),
		aborted: sometimes(200), duplicate: sometimes(50), empty: sometimes(80), refused: sometimes(40),
		skipped: sometimes(40), rejected: sometimes(of(d, 30, 150)), poison: sometimes(30), long: sometimes(10),
		repeated: sometimes(60), conflicting: sometimes(60), early: sometimes(40), foreign: sometimes(150), gap: sometimes(20), hole: sometimes(20),
	}
	if d.chance(250) {
		l.forever, l.never = 300, of(d, 0, 10)
		l.unreadable, l.contradictory = sometimes(8), sometimes(8)
	}
	if !initiator { // it takes a safepoint's word, and has no guest that skips
		l.forgotten = sometimes(50)
		if d.chance(120) {
			l.keyless = 15
		}
		if inOrder {
			l.hidden = 300
		}
	} else {
		l.skipped = 0
	}
	if d.chance(100) && !initiator {
		l.hole, l.missing = 20, 300
	}
	return l
}
