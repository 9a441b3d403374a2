package guest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/abi"
)

// FaultKind is the kind of a Fault.
type FaultKind string

// The kinds of faults; stable words, they are labels of metrics.
const (
	FaultTrap       FaultKind = "trap"       // a WebAssembly trap: unreachable, out of bounds inside the guest, …
	FaultExit       FaultKind = "exit"       // it called proc_exit
	FaultAbort      FaultKind = "abort"      // it called abort
	FaultBadFrame   FaultKind = "bad_frame"  // its answer is no output frame
	FaultBounds     FaultKind = "bounds"     // it returned an address outside its memory
	FaultMemory     FaultKind = "memory"     // it refused room for the input, or outgrew its limit
	FaultFuel       FaultKind = "fuel"       // it burnt more fuel than the call had
	FaultSleep      FaultKind = "sleep"      // it waits for time to pass
	FaultRefused    FaultKind = "refused"    // convert returned 0
	FaultUndeclared FaultKind = "undeclared" // a template or an argument count that its manifest does not have
	FaultInstance   FaultKind = "instance"   // it did not come up
)

// faultKinds are all of them.
var faultKinds = []FaultKind{FaultTrap, FaultExit, FaultAbort, FaultBadFrame, FaultBounds, FaultMemory, FaultFuel, FaultSleep, FaultRefused, FaultUndeclared, FaultInstance}

// Fault is why a call of a guest failed. The instance is discarded; the call may be made again on a
// new one.
type Fault struct {
	Kind   FaultKind
	During string // the export that was called
	Detail string
	Err    error // the cause, if there is one beyond Detail
}

// Error implements error.
func (f *Fault) Error() string {
	text := fmt.Sprintf("guest fault %s in %s", f.Kind, f.During)
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// badFrame is the fault of an answer that is no frame, or that is over a limit: then it names the settings that move it.
func badFrame(kind FaultKind, err error) *Fault {
	f := &Fault{Kind: kind, During: abi.ExportConvert, Detail: err.Error(), Err: err}
	if settings := f.Settings(); settings != "" {
		f.Detail += " (" + settings + ")"
	}
	return f
}

// Settings names the settings that move the limit which the answer was over; "" where that is not why it is a fault.
func (f *Fault) Settings() string {
	if wrong, ok := errors.AsType[*abi.FrameError](f.Err); ok {
		return settingsOf[wrong.Limit]
	}
	return ""
}

// settingsOf says what moves a limit.
var settingsOf = map[abi.Limit]string{
	abi.LimitFrame: "guests.limits.output", abi.LimitReferenced: "guests.limits.values",
	abi.LimitStatements: "guests.limits.item_statements or the manifest's, and guests.limits.version_statements",
}

// Step is a stage of loading a guest.
type Step string

// The steps, in their order.
const (
	StepVerify      Step = "verify"      // is it one that the settings pin, and signed by a key of theirs; before anything of it is read
	StepCheck       Step = "check"       // the steps from here on, in a process that lives through them
	StepScan        Step = "scan"        // imports, exports and limits, before anything is compiled
	StepFuel        Step = "fuel"        // rewriting, so that it can be stopped
	StepCompile     Step = "compile"     // to machine code; this validates it
	StepInstantiate Step = "instantiate" // one instance, _initialize
	StepDescribe    Step = "describe"    // the manifest
	StepSQL         Step = "sql"         // its templates, by the policy
	StepVectors     Step = "vectors"     // the manifest's examples
	StepShadow      Step = "shadow"      // compared by the host with the module that converts
	StepDatabase    Step = "database"    // its templates, tried by the host on the database
)

// stepTime is how long a step took.
type stepTime struct {
	Step Step
	Took time.Duration
}

// stepTimes are those of a check, in their order.
type stepTimes []stepTime

// String implements fmt.Stringer.
func (all stepTimes) String() string {
	text := make([]string, len(all))
	for i, s := range all {
		text[i] = fmt.Sprintf("%s %v", s.Step, s.Took.Round(time.Millisecond))
	}
	return strings.Join(text, ", ")
}

// Rule names the part of the scan that refused a module.
type Rule string

// The rules, in their order.
const (
	RuleFormat  Rule = "format"  // a binary of WebAssembly 2.0, of a bearable size
	RuleStart   Rule = "start"   // no start section
	RuleNumbers Rule = "numbers" // no more of anything than a program has
	RuleMemory  Rule = "memory"  // one, of a bearable size
	RuleTables  Rule = "tables"  // few and small
	RuleCode    Rule = "code"    // instructions of WebAssembly 2.0, in functions of a bearable size
	RuleImports Rule = "imports" // nothing that the contract does not offer
	RuleExports Rule = "exports" // all that the contract asks for
)

// LoadError is why a guest is not loaded: which one, at which step, what was found, and
// what to do about it.
type LoadError struct {
	Guest string
	Step  Step
	Rule  Rule // of the scan; empty at other steps
	What  string
	Hint  string
	Err   error
}

// Error implements error.
func (e *LoadError) Error() string {
	at := string(e.Step)
	if e.Rule != "" {
		at += " by the rule of " + string(e.Rule)
	}
	text := fmt.Sprintf("guest %s refused at %s: %s", e.Guest, at, e.What)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return bounded(text)
}

// messageMost is the longest message about a module: it is shown by /readyz, in logs and on terminals,
// and what it quotes is a stranger's.
const messageMost = 4 << 10

// bounded shortens a message and removes control characters other than line breaks, so that it can be
// shown on a terminal.
func bounded(text string) string {
	if len(text) > messageMost {
		text = text[:messageMost] + "…"
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Clean([]byte(lines[i]))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// ErrClosed is returned by calls of a generation that was closed.
var ErrClosed = errors.New("guest generation is closed")

// Class says who rejected a version and why, in one word.
type Class string

// The classes of rejects; stable words, they are labels of metrics and stand in the
// quarantine.
const (
	ClassGuest   Class = "guest_reject"   // the guest said REJECT
	ClassFault   Class = "guest_fault"    // the guest fails on this version
	ClassAction  Class = "unknown_action" // its manifest does not name the action
	ClassPayload Class = "payload"        // the payload is no JSON that a guest may see
	ClassSize    Class = "too_large"      // the version does not fit into an input frame
	ClassValue   Class = "value"          // a value that PostgreSQL would refuse in any column
)

// classes are all of them.
var classes = []Class{ClassGuest, ClassFault, ClassAction, ClassPayload, ClassSize, ClassValue}

// Reject is why a version could not be converted. Such a version is poison: it is held until somebody
// acts.
type Reject struct {
	Class   Class
	Code    uint32 // the guest's own; 0 unless Class is ClassGuest
	Message string // valid UTF-8 without control characters
	Fault   *Fault // when Class is ClassFault
}

// Error implements error.
func (r *Reject) Error() string {
	if r.Class == ClassGuest {
		return fmt.Sprintf("%s %d: %s", r.Class, r.Code, r.Message)
	}
	return fmt.Sprintf("%s: %s", r.Class, r.Message)
}
