package talos

// DecodeDecision decodes the value of a decision into into, whose former contents are lost. It
// returns a *Refused when a required field is missing or of the wrong type; into is then of no
// use. A decision whose outcome and safepoint contradict each other is decoded as it is.
//
// Strings alias the value, which must not be written to afterwards. Any bytes may be given.
// It may be called from any goroutine.
func DecodeDecision(value []byte, into *Decision) error {
	*into = Decision{}
	r := decisionReader{into: into}
	r.text = value
	for name := range r.fields() {
		if !r.read(name) {
			break
		}
	}
	if !r.end() || !r.complete() {
		return r.refused
	}
	into.Version = into.Original
	if into.Duplicate {
		into.Version = r.duplicate
	}
	return nil
}

// decisionReader is the state of decoding one decision.
type decisionReader struct {
	scanner
	into      *Decision
	duplicate Version
	seen      decisionSet
	metrics   metricSet
}

// decisionSet holds a bit for each known field that was read.
type decisionSet uint16

const (
	saysXID decisionSet = 1 << iota
	saysAgent
	saysCohort
	saysDecision
	saysSuffixStart
	saysTime
	saysVersion
	saysDuplicateVersion
	saysSafepoint
	saysConflictVersion
	saysMetrics
)

var requiredOfDecision = [...]struct {
	bit  decisionSet
	name string
}{
	{saysXID, "xid"},
	{saysAgent, "agent"},
	{saysCohort, "cohort"},
	{saysDecision, "decision"},
	{saysSuffixStart, "suffixStart"},
	{saysVersion, "version"},
	{saysMetrics, "metrics"},
}

func (r *decisionReader) complete() bool {
	for _, f := range requiredOfDecision {
		if r.seen&f.bit == 0 {
			r.field = f.name
			return r.refuse(ReasonMissingField, len(r.text))
		}
	}
	return true
}

// read reads the value of one field of the decision.
func (r *decisionReader) read(name string) bool {
	d := r.into
	var present bool
	switch name {
	case "xid":
		return r.once(saysXID, "xid") && r.readText(&d.XID)
	case "agent":
		return r.once(saysAgent, "agent") && r.readText(&d.Agent)
	case "cohort":
		return r.once(saysCohort, "cohort") && r.readText(&d.Cohort)
	case "decision":
		return r.once(saysDecision, "decision") && r.outcome()
	case "suffixStart":
		return r.once(saysSuffixStart, "suffixStart") && r.readUint64(&d.SuffixStart)
	case "time":
		return r.once(saysTime, "time") && (r.absent() || r.readText(&d.Time))
	case "version":
		return r.once(saysVersion, "version") && r.readUint64((*uint64)(&d.Original))
	case "duplicateVersion":
		return r.once(saysDuplicateVersion, "duplicateVersion") && r.optional(&r.duplicate, &d.Duplicate)
	case "safepoint":
		return r.once(saysSafepoint, "safepoint") && r.optional(&d.Safepoint, &d.HasSafepoint)
	case "conflictVersion":
		return r.once(saysConflictVersion, "conflictVersion") && r.optional(&d.ConflictVersion, &present)
	case "metrics":
		return r.once(saysMetrics, "metrics") && r.readMetrics()
	}
	return r.skip(1, nil)
}

// once notes that a known field is read and refuses the second of a name.
func (r *decisionReader) once(bit decisionSet, name string) bool {
	r.field = name
	if r.seen&bit != 0 {
		return r.refuse(ReasonRepeatedField, r.at)
	}
	r.seen |= bit
	return true
}

// absent passes over null, which stands for an optional field that is not there. Anything
// else that begins like it is left to be refused by the caller.
func (r *decisionReader) absent() bool {
	return r.peek() == 'n' && r.literal("null")
}

// optional reads a version that may be null.
func (r *decisionReader) optional(into *Version, present *bool) bool {
	if r.absent() {
		return true
	}
	*present = r.readUint64((*uint64)(into))
	return *present
}

func (r *decisionReader) outcome() bool {
	r.peek()
	start := r.at
	var word string
	if !r.readText(&word) {
		return false
	}
	switch word {
	case "committed":
		r.into.Outcome = Committed
	case "aborted":
		r.into.Outcome = Aborted
	default:
		return r.refuse(ReasonUnknownOutcome, start)
	}
	return true
}
