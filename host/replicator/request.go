package replicator

import "github.com/ichor-replicator/ichor/host/talos"

// Request is what an operator asks for. ichor.request has it until it is ended, whichever host owns the
// cohort by then.
type Request struct {
	ID      int64 // above 0
	Verb    Verb
	Version talos.Version // of a skip, a retry and an abandon
	Guest   string        // of a swap and a deploy: its name in the routes
	Digest  string        // of them: the module's; empty is, in a swap, the one before
	// Who asked when (ns) and why, for people.
	Who, Why string
	At       int64
}

// Verb is what is asked for, in one stable word.
type Verb string

// The verbs.
const (
	Skip    Verb = "skip"    // a held version settles without effects
	Retry   Verb = "retry"   // a held version is converted again and tried at once
	Abandon Verb = "abandon" // a candidate without a decision counts as aborted
	Pause   Verb = "pause"   // nothing is installed until a resume
	Resume  Verb = "resume"
	Swap    Verb = "swap"   // a module that the database has converts from now on
	Deploy  Verb = "deploy" // the same once it has shown in shadow what it must
	// Handover: this host gives the cohort away. It is meant for the host that owns the cohort when it is
	// asked for, and for no later one.
	Handover Verb = "handover"
)

// Answer is what the core says to a request.
type Answer struct {
	Request int64
	Reply   Reply
	Words   string // why it is refused, or how it ended
}

// Reply is what an answer does with its request.
type Reply uint8

// The replies.
const (
	// ReplyTaken lets it stand: a skip until the snapshot passes the version, in whose transaction it
	// ends, an abandon until the log was read to its end, a pause until it is resumed.
	ReplyTaken   Reply = iota
	ReplyDone          // it is ended
	ReplyRefused       // it is ended, and nothing was changed
)

// String returns the reply's word.
func (r Reply) String() string { return [...]string{"taken", "done", "refused"}[r] }
