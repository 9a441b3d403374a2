package replicator

import (
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Stats counts what the core has seen and done since it was made. Each number only grows; all
// are counts unless they say another unit.
type Stats struct {
	// Candidates that were read and kept.
	Candidates uint64 `json:"candidates"`
	// Candidates that the certifier's parser refuses; they settle at once.
	Refused uint64 `json:"refused"`
	// Candidates at position 0, which is never a version.
	OffsetZero uint64 `json:"offset_zero"`
	// Records that were read before.
	Redelivered uint64 `json:"redelivered"`
	// Times that reading left candidates out for want of memory, to read them later.
	Skips uint64 `json:"skips"`
	// Decisions that commit.
	Committed uint64 `json:"committed"`
	// Decisions that abort.
	Aborted uint64 `json:"aborted"`
	// Decisions about a candidate that repeats another.
	Duplicates uint64 `json:"duplicates"`
	// Decisions that say what an earlier one said.
	Repeated uint64 `json:"repeated"`
	// Decisions about versions that are not known, or not any more.
	UnknownDecisions uint64 `json:"unknown_decisions"`
	// Decisions that commit what the certifier's parser refuses.
	LateCommits uint64 `json:"late_commits"`
	// Decisions with another outcome than the first, which binds.
	ConflictingOutcomes uint64 `json:"conflicting_outcomes"`
	// Decisions with another safepoint than the first, which binds.
	ConflictingSafepoints uint64 `json:"conflicting_safepoints"`
	// Versions that were committed and that the log does not have.
	MissingCandidates uint64 `json:"missing_candidates"`
	// Versions that went from the suffix to the queue.
	Forwarded uint64 `json:"forwarded"`
	// Versions that a guest made statements of.
	Converted uint64 `json:"converted"`
	// Versions for which a guest has nothing to install.
	SkippedByGuest uint64 `json:"skipped_by_guest"`
	// Times that another generation of a guest took over.
	CutOvers uint64 `json:"cut_overs"`
	// Versions whose transaction was committed.
	Installed uint64 `json:"installed"`
	// Transactions that were committed.
	Groups uint64 `json:"groups"`
	// Of Groups, those of versions beyond the frontier.
	AheadGroups uint64 `json:"ahead_groups"`
	// Of Groups, those that moved the snapshot alone.
	Flushes uint64 `json:"flushes"`
	// Versions that could not be installed.
	Poisoned uint64 `json:"poisoned"`
	// Groups that were halved to find the version that fails.
	Splits uint64 `json:"splits"`
	// Connections that were lost while a commit was on its way.
	InDoubt uint64 `json:"in_doubt"`
	// Of InDoubt, where it turned out to be committed.
	DoubtCommitted uint64 `json:"doubt_committed"`
	// Of InDoubt, where it turned out not to be.
	DoubtAborted uint64 `json:"doubt_aborted"`
	// Payloads that were let go of for memory, to be read again.
	LetGo uint64 `json:"let_go"`
	// Payloads that were read again.
	Refetched uint64 `json:"refetched"`
	// Times that a version waited for another because of a key.
	KeyBites uint64 `json:"key_bites"`
	// Times that reading paused because the memory was full.
	Pauses uint64 `json:"pauses"`
	// Nanoseconds of all pauses.
	PausedTotal int64 `json:"paused_total_ns"`
	// Nanoseconds of the longest pause.
	PausedLongest int64 `json:"paused_longest_ns"`
	// Failures of transactions and connections, by class, in the order of the constants of Class:
	// transient, contention, timed out, poison, fenced, regressed, broken.
	Failures [Classes]uint64 `json:"failures"`
}

// Reason is why the snapshot does not move, in one stable word.
type Reason string

// The reasons, most urgent first.
const (
	Progressing     Reason = ""
	Stopped         Reason = "stopped"
	NoDatabase      Reason = "database_unavailable"
	HeldByPoison    Reason = "poison_held"
	Undecided       Reason = "undecided"
	NotConverted    Reason = "converting"
	Installing      Reason = "installing"
	Contended       Reason = "contention"
	SlowStatement   Reason = "statement_timeout"
	DatabaseRefuses Reason = "database_refuses"
)

// Status is the core at one instant, for people and metrics.
type Status struct {
	Snapshot talos.Version
	Resume   talos.Position
	Next     talos.Position
	End      talos.Position

	SuffixLen  int
	SuffixHead talos.Version
	QueueLen   int
	QueueHead  talos.Version // the frontier
	QueueLast  talos.Version
	Known      talos.Version
	Bytes      int
	Held       int           // versions that were held and have not settled since
	Lowest     talos.Version // the lowest held version
	HeldFor    Failure       // why
	InFlight   int
	LanesUp    int
	Lanes      int
	Paused     bool

	Reason Reason
	// Blocker is the version that Reason is about, and Since when it was read, ns.
	Blocker talos.Version
	Since   int64
	// ProgressAt is when something that was due last got on, ns; while nothing is due it is now.
	ProgressAt int64
	// DownSince is since when no lane has had a connection, ns; 0 while one has.
	DownSince int64
	// Failure is the last failure of what Reason is about.
	Failure Failure

	Stats Stats
}

// Status returns the core's state. Like Step it is the owner's to call.
func (c *Core) Status() Status {
	s := Status{
		Snapshot: c.queue.Snapshot(), Resume: c.resume, Next: c.next, End: c.end,
		SuffixLen: c.suffix.Len(), QueueLen: c.queue.Len(), QueueLast: c.queue.Last(), Known: c.known,
		Bytes: c.queue.Bytes() + c.suffix.Held() + suffixOverhead*c.suffix.Len(),
		Held:  c.unresolved, Lanes: len(c.lanes), Paused: c.paused, Stats: c.stats,
	}
	s.Stats.KeyBites = c.queue.Bites()
	for v, t := range c.troubles { // the lowest is the same in any order
		if t.held > 0 && (s.Lowest == 0 || v < s.Lowest) {
			s.Lowest, s.HeldFor = v, t.failure
		}
	}
	for i := range c.lanes {
		l := &c.lanes[i]
		if l.state == laneIdle || l.state == laneBusy {
			s.LanesUp++
		} else if l.failure.Kind != "" {
			s.Failure = l.failure
		}
		for _, g := range [2]*queue.Group{l.group, l.next} {
			if g != nil {
				s.InFlight += len(g.Entries)
			}
		}
	}
	if s.LanesUp == 0 {
		for i := range c.lanes {
			s.DownSince = max(s.DownSince, c.lanes[i].downAt)
		}
	}
	c.explain(&s)
	return s
}
