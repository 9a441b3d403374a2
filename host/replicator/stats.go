package replicator

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
	// Of Forwarded, those that had no decision yet, so that those behind need not wait.
	Passed uint64 `json:"passed"`
	// Versions that went from the suffix to the queue.
	Forwarded uint64 `json:"forwarded"`
	// Versions that a guest made statements of.
	Converted uint64 `json:"converted"`
	// Versions for which a guest has nothing to install.
	SkippedByGuest uint64 `json:"skipped_by_guest"`
	// Versions that an operator skipped.
	SkippedByOperator uint64 `json:"skipped_by_operator"`
	// Candidates that an operator abandoned.
	Abandoned uint64 `json:"abandoned"`
	// Times that another generation of a guest took over.
	CutOvers uint64 `json:"cut_overs"`
	// Of CutOvers, those that took a generation back which did worse on probation.
	TakenBack uint64 `json:"taken_back"`
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
	// Safepoints below an unsettled version that shares a key: the certifier had forgotten that one.
	// Counted only while versions go ahead.
	SafepointsTooLow uint64 `json:"safepoints_too_low"`
	// Versions that had to wait for one with a key of theirs. Counted only while versions go ahead.
	KeyWaits uint64 `json:"key_waits"`
	// Times that reading paused because the memory was full.
	Pauses uint64 `json:"pauses"`
	// Nanoseconds of all pauses, of one that lasts too.
	PausedTotal int64 `json:"paused_total_ns"`
	// Nanoseconds of the longest pause.
	PausedLongest int64 `json:"paused_longest_ns"`
	// Failures of transactions and connections, by class, in the order of the constants of Class:
	// transient, contention, timed out, poison, fenced, regressed, broken. Those of SnapshotFailures
	// are not among them.
	Failures [Classes]uint64 `json:"failures"`
	// Groups without effect that are tried again, by the class of what failed, in the same order.
	Retries [Classes]uint64 `json:"retries"`
	// Transactions that failed and were to move the snapshot or the resume point alone.
	SnapshotFailures uint64 `json:"snapshot_failures"`
}
