package sim

import (
	"fmt"
	"hash/fnv"
	"io"
	"strings"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// world is everything that there is in a play.
type world struct {
	setup setup
	log   *history
	truth *truth
	now   int64 // ns
	calm  bool  // no faults any more
	cured int64 // from then on the database takes what it refuses for a while, ns

	shown  int            // records that can be read
	end    talos.Position // behind them
	batch  int            // records of a batch at most
	module int            // the newest digest

	servers   []*server
	hosts     []*host
	beside    *initiator // nil for none
	checker   *checker
	failOvers int // that lost commits or not
	takeovers int
	lastToken int64

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
	w.checker = newChecker(w)
	w.servers = []*server{newServer(w, 0)}
	w.checker.copied(w.servers[0], nil)
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
func (w *world) token() int64 {
	w.lastToken++
	return w.lastToken
}

// met counts something that must happen sometimes.
func (w *world) met(what string) { w.sometimes[what]++ }

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

// remember keeps a hash of all that a host was told: the state of its core is a function of that.
func (w *world) remember(h *host, now int64, ev replicator.Event) {
	if !w.turnDice.still {
		return
	}
	f := fnv.New64a()
	fmt.Fprintf(f, "%d %d %T %s", h.history, now, ev, strings.TrimSpace(fmt.Sprint(eventHash(ev))))
	h.history = f.Sum64()
}

// eventHash is what tells an event from another.
func eventHash(ev replicator.Event) string {
	switch ev := ev.(type) {
	case *replicator.Converted:
		return fmt.Sprint(ev.Task, len(ev.Results))
	case *replicator.Candidate:
		return ev.Version.String()
	case *replicator.Decision:
		return ev.Position.String()
	case *replicator.Refetched:
		return fmt.Sprint(ev.Version, ev.Payload != nil)
	case *replicator.Failed:
		return fmt.Sprint(ev.Lane, ev.Failure.Code, ev.Culprit)
	case *replicator.LaneDown:
		return fmt.Sprint(ev.Lane, ev.InDoubt, ev.Failure.Code)
	}
	return fmt.Sprintf("%+v", ev)
}
