package sim

import (
	"fmt"
	"io"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// world is everything that there is in a play.
type world struct {
	setup     setup
	log       *history
	truth     *truth
	now       int64 // ns
	calm      bool  // no faults any more
	exploring bool  // what happens is chosen by Explore
	cured     int64 // from then on the database takes what it refuses for a while, ns

	shown   int            // records that can be read
	end     talos.Position // behind them
	batch   int            // records of a batch at most
	module  int            // the newest digest
	refused bool           // what lies there is no module that any host takes

	servers     []*server
	hosts       []*host
	beside      *initiator // nil for none
	checker     *checker
	failOvers   int // that lost commits or not
	takeovers   int
	lastToken   token
	lastRequest int64
	cares       bool // somebody ends in the end what waits for ever

	turnDice, faultDice, network, guestDice, hostDice dice

	sometimes map[string]int
	violation string // the first
	trace     io.Writer
	steps     int // of cores
	struck    int // faults
	buffer    []turn
}

// newWorld makes what a seed and its setup say.
func newWorld(seed uint64, s setup) *world {
	logDice := newDice(seed, partLog)
	w := &world{
		setup: s, now: 1e9, sometimes: map[string]int{}, log: writeLog(&s, &logDice),
		turnDice: newDice(seed, partTurns), faultDice: newDice(seed, partFaults), network: newDice(seed, partNetwork),
		guestDice: newDice(seed, partGuests), hostDice: newDice(seed, partHosts),
	}
	w.truth = newTruth(w.log, s.accounts, s.core.Order == replicator.OrderVersion)
	w.batch = of(&w.turnDice, 1, 5, 20, 60)
	w.cured = w.now + w.turnDice.span(4e9)
	w.populate()
	return w
}

// populate makes the server, the hosts and the initiator.
func (w *world) populate() {
	w.checker = &checker{world: w, books: bookkeeping{world: w}}
	w.servers = []*server{newServer(w, 0)}
	for n := range w.setup.hosts {
		w.hosts = append(w.hosts, &host{world: w, number: n})
	}
	w.hosts[0].starts = w.now
	if w.setup.initiator {
		w.beside = &initiator{world: w}
	}
}

// primary is the server that connections are made to.
func (w *world) primary() *server { return w.servers[len(w.servers)-1] }

// token is the random number of a take-over.
func (w *world) token() token {
	w.lastToken++
	return w.lastToken
}

// met counts something that must happen sometimes, in a play.
func (w *world) met(what string) {
	if !w.exploring {
		w.sometimes[what]++
	}
}

// violated ends the play, with what is wrong.
func (w *world) violated(format string, args ...any) {
	if w.violation == "" {
		w.violation = fmt.Sprintf(format, args...)
		w.tell("VIOLATED: %s", w.violation)
	}
}

// tell writes a line of the trace.
func (w *world) tell(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "# %.6fs %s\n", float64(w.now)/1e9, fmt.Sprintf(format, args...))
	}
}

// noticed counts what a core says that an operator should read.
func (w *world) noticed(n *replicator.Notice) {
	switch n.Kind {
	case replicator.ConflictOutcome:
		w.met("decided again, differently")
	case replicator.LateCommit:
		w.met("refused, and committed")
	case replicator.CandidateMissing:
		w.met("missing, and too late to hold it")
	case replicator.HeldVersion:
		w.met("held: " + n.Failure.Kind)
	case replicator.BacklogTooLong:
		w.met("no room for candidates")
	}
}
