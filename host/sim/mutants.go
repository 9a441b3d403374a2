package sim

// Mutant is a bug of one line in the protocol: a text of one of the core's files, or of the model of what
// the database and a lane do, and what stands there instead. The mutated file is built beside the others
// by an overlay, so that what is shipped knows nothing of it.
type Mutant struct {
	Name   string
	Breaks string // what goes wrong
	File   string // from the root of the repository
	Old    string // occurs once in it
	New    string
}

const (
	fileQueue     = "host/queue/queue.go"
	fileGroup     = "host/queue/group.go"
	fileConflicts = "host/queue/conflicts.go"
	fileSuffix    = "host/suffix/suffix.go"
	fileReading   = "host/replicator/reading.go"
	fileDoubt     = "host/replicator/doubt.go"
	fileAnswers   = "host/replicator/laneanswers.go"
	filePoison    = "host/replicator/poison.go"
	fileForward   = "host/replicator/forwarding.go"
	fileCuts      = "host/replicator/cuts.go"
	fileFunctions = "host/sim/functions.go"
	fileLane      = "host/sim/lane.go"
)

// Mutants are those that the seeds must kill.
var Mutants = []Mutant{
	// The fence.
	{"no fence", "a superseded owner commits", fileFunctions,
		"return mine(s) && s.claim == claim && unmoved(s.snapshot)", "return unmoved(s.snapshot)"},
	{"epoch compared at BEGIN only", "the fence is not held to the COMMIT", fileFunctions,
		"	if row, found = get[R](t, key); !found || !holds(row) {\n		return row, false, done\n	}\n	a = t.lock(key)\n",
		"	if row, found = get[R](t, key); !found || !holds(row) {\n		return row, false, done\n	}\n	if key.table == tableLane {\n		return row, true, done\n	}\n	a = t.lock(key)\n"},
	{"token missing", "after a copy two hosts with one epoch both commit", fileFunctions,
		"return epoch == own.epoch && token == own.token", "return epoch == own.epoch"},
	{"claim of the lane not renewed", "an earlier connection commits after it was found not to have", fileFunctions,
		"		row.claim++\n		t.put(laneKey(lane), row)\n", "		t.put(laneKey(lane), row)\n"},
	{"claim of the state not renewed", "a frontier group in doubt commits after it was found not to have", fileFunctions,
		"		s.claim++\n		t.put(stateKey, s)\n", "		t.put(stateKey, s)\n"},
	{"take-over leaves the lanes", "an earlier owner goes on ahead of the snapshot", fileFunctions,
		"t.put(laneKey(n), laneRow{x.state.epoch, x.state.token, row.claim + 1})", "t.put(laneKey(n), row)"},
	{"snapshot not compared in the transaction", "a chained group commits without the one that it follows", fileFunctions,
		"return snapshot == g.From", "return true"},
	{"late renewal taken for a fence", "a host ends although it owns the cohort", fileFunctions,
		"		case s.claim != claim:\n				return fail(codeClaim)\n", "		case s.claim != claim:\n				return fail(codeFenced)\n"},
	{"timeline not compared", "a copy that lacks ahead groups is taken for the database", fileFunctions,
		"case t.backend.server.timeline != own.timeline:", "case false:"},
	{"requests of a copy taken", "a version is skipped that nobody asked for there", "host/sim/faults.go",
		" && h.own.timeline == s.timeline", ""},

	// The ledger.
	{"ledger not written", "what went ahead is installed again", fileFunctions,
		"		t.put(ledgerKey(e.Version), ledgerRow{})\n", "		_ = e\n"},
	{"ledger not emptied", "the ledger keeps what the snapshot has passed", fileFunctions,
		"		t.put(ledgerKey(v), nil)\n", ""},
	{"ledger not loaded", "after a start what went ahead is installed again", "host/replicator/core.go",
		"c.forwarding.ledger[v] = true", "_ = v"},
	{"ledger forgotten at the decision", "after a start what went ahead is installed again", fileForward,
		"if f.ledger[e.Version] {", "if false {"},

	// Commits in doubt.
	{"lost acknowledgement taken for a failure", "a group is installed twice", fileAnswers, "if ev.InDoubt {", "if false {"},
	{"lost acknowledgement taken for a failure by the lane", "a group is installed twice", fileLane,
		"return f, x != nil && x.commits", "return f, false"},
	{"57P01 after COMMIT taken for a failure", "a group is installed twice", fileLane,
		"f.Kind, f.Code = replicator.KindSQL, \"57P01\"", "f.Kind, f.Code = replicator.KindSQL, \"57P01\"\n		return f, false"},
	{"doubt taken for a commit", "a group is never installed", fileDoubt,
		"return ev.Ledgered == len(g.Entries)", "return true"},
	{"snapshot compared late", "a healthy host says that the database lost commits", fileDoubt,
		"case ev.Snapshot < l.confirmed:", "case ev.Snapshot < ls.queue.Snapshot():"},
	{"chained group kept after a failure", "the queue loses a group", fileAnswers,
		"	l := &ls.all[ev.Lane]\n	ls.unchain(l)\n	ls.countFailure", "	l := &ls.all[ev.Lane]\n	ls.countFailure"},

	// Who may go.
	{"who may go is not asked", "a version goes before one that it conflicts with", fileConflicts,
		"			e.waits++\n", "			_ = e\n"},
	{"followers taken unseen", "a version goes with a member although it waits for others", fileGroup,
		"(e.waits == 0 || s.precedes(e))", "(e.waits == 0 || from == &s.found)"},
	{"transitive waiters forgotten", "a reader passes a writer that waits", fileConflicts,
		"		if l.waiting != nil {\n			e.waits++", "		if !t.grantable() {\n			e.waits++"},
	{"readers forgotten", "a writer passes a reader", fileConflicts,
		"return t.prev == nil || !t.writes && !t.prev.writes", "return t.prev == nil || !t.prev.writes"},
	{"keys released at install", "a version goes before one that is in flight", fileGroup,
		"e.state, e.group = InFlight, g", "e.state, e.group = InFlight, g\n		if q.conflicts.on {\n			q.conflicts.remove(e, q.offer)\n		}"},
	{"version without keys conflicts with nothing", "a version goes before one without keys", fileConflicts,
		"return len(c.keyless) > 0 && c.keyless[0].Version <= e.Version", "return false"},
	{"what waits is not let go", "what waited for a version never goes", fileConflicts,
		"			if w.entry.waits--; w.entry.waits == 0 {", "			if w.entry.waits--; w.entry.waits < 0 {"},

	// Snapshot and resume point.
	{"snapshot is the highest installed", "the snapshot passes what is not settled", fileGroup,
		"g.Snapshot = max(g.From, q.entries.At(end-1).Version)", "g.Snapshot = max(g.From, q.Last())"},
	{"held counts as settled", "the snapshot passes a held version", fileQueue,
		"q.entries.At(q.settled).state == Settled {", "q.entries.At(q.settled).state >= Held {"},
	{"resume point behind all that was read", "a start passes what is not settled", fileGroup,
		"g.Resume, g.Anchor = talos.Position(next.Version), next.Before", "_ = next"},
	{"resume from the group's offset", "in front of a copy a start passes what is not settled", "host/sim/host.go",
		"Resume: state.resume, Anchor", "Resume: max(state.resume, w.checker.offset), Anchor"},
	{"offset published early", "the published offset passes what is not durable", "host/replicator/committing.go",
		"		c.do(&Publish{Resume: c.resume})\n	}\n}", "		c.do(&Publish{Resume: c.queue.ResumeAt(c.reading.beyond())})\n	}\n}"},

	// The log.
	{"first decision does not bind", "a later decision changes what an earlier one said", fileReading,
		"		case s.Decision.Outcome != talos.Undecided:\n", "		case false:\n"},
	{"undecided versions are forwarded", "the snapshot passes an undecided version", fileSuffix,
		"if e := s.Head(); e == nil || e.Decision.Outcome == talos.Undecided {", "if e := s.Head(); e == nil {"},
	{"late decision forgotten", "a version that was passed is never installed", fileReading,
		"	r.late = append(r.late, s)\n", "	_ = s\n"},
	{"duplicate installed", "a duplicate takes effect", fileForward,
		"d.Outcome == talos.Committed && !d.Duplicate && s.Kind", "d.Outcome == talos.Committed && s.Kind"},
	{"hole believed", "a committed version that the log lacks is passed in silence", fileReading,
		"		r.missing(ev, h)\n		return\n", "		_ = h\n		return\n"},
	{"seek without waiting for its mark", "what was read before a seek is taken for what comes after it", fileReading,
		"r.skipFrom, r.seeking = r.skipFrom, r.skipped, 0, true", "r.skipFrom, r.seeking = r.skipFrom, r.skipped, 0, false"},
	{"skipped candidates not read again", "candidates that there was no room for are lost", fileReading,
		"		r.skipFrom, r.skipped = talos.Position(ev.Version), ev.Before\n", ""},
	{"pause goes on while one is undecided", "the decision that everything waits for is never read", fileReading,
		"(r.queue.Bytes() <= r.opts.queueLow() || len(r.passed) > 0)", "r.queue.Bytes() <= r.opts.queueLow()"},

	// Guests and quarantine.
	{"swap takes what was given out", "a version is converted by one guest, and the history names another", fileCuts,
		"from = max(c.given[guest]+1, last.From)", "from = last.From"},
	{"retired with statements of its own", "a version is to be installed by a guest that is closed", "host/replicator/converting.go",
		"if c.queue.Has(generation) {", "if c.queue.Has(cohort.NoGeneration) {"},
	{"history recorded before it is durable", "a version is converted by a guest that the history does not name", fileCuts,
		"uses = append(uses, Use{Guest: e.Guest, Generation: e.Generation, From: cut.From})", "uses = append(uses, Use{Guest: e.Guest, Generation: e.Generation, From: cut.From})\n			cut.Recorded = true"},
	{"tried again before its row is durable", "the quarantine holds what is installed", filePoison,
		"if !recording && due(h) {", "if due(h) {"},
	{"end of a quarantine forgotten", "the quarantine holds what is installed", "host/replicator/endings.go",
		"			ends = append(ends, End{Version: e.Version, How: EndedInstalled, Generation: e.Generation})\n", "			_ = t\n"},
	{"cure forgotten", "a held version that could go stays", filePoison,
		"return p.outdated(h) || (h.retryAt != 0 && h.retryAt <= p.now)", "return p.outdated(h)"},
	{"generation before let go on probation", "the one that is taken back is not there any more", "host/replicator/probation.go",
		"t.under && t.before == generation", "t.before == generation && t.recent.rejects < 0"},
	{"generation let go that has another cut", "what is taken back converts, and is not there any more", "host/replicator/converting.go",
		"		case c.cuts.converts(generation):\n			return true\n", ""},
	{"culprit not set apart", "a poison version keeps its group for ever", fileAnswers,
		"			ls.queue.Limit(e, 1)\n		case ev.Culprit == 0:", "		case ev.Culprit == 0:"},

	// Operators.
	{"abandoned by an old answer of the log", "a version that is decided is given up", "host/replicator/operator.go",
		"if all[i].since > asked {", "if false {"},
	{"abandoned before it is durable", "what conflicts with a candidate goes on, and after a start it is waited for", "host/replicator/operator.go",
		"		o.deciding[r.ID] = v\n", "		o.reading.decide(s, abandonment(o.now))\n"},
	{"end of a skip forgotten", "a skip never ends, and is done again after a start", filePoison,
		"	p.unended = append(p.unended, End{e.Version, EndedByOperator, cohort.NoGeneration, p.skips[e.Version]})\n", "	_ = cohort.NoGeneration\n"},
}
