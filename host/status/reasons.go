package status

import (
	"fmt"
	"io"
	"strings"

	"github.com/ichor-replicator/ichor/host/replicator"
)

// Reason is why a host is not ready, or has nothing to do, in one stable word. Explained has all of
// them.
type Reason string

// The reasons: phases of a start and what ails the log, of which the core does not know, and then the
// core's own.
const (
	Starting          Reason = "starting"
	SourceUnavailable Reason = "source_unavailable"
	LoadingGuests     Reason = "loading_guests"
	Reloading         Reason = "reloading"
	Standby           Reason = "standby"
	Unowned           Reason = "no_owner"
	OpenTransaction   Reason = "open_transaction"

	DatabaseUnavailable = Reason(replicator.NoDatabase)
	Undecided           = Reason(replicator.Undecided)
	NotConverted        = Reason(replicator.NotConverted)
	Installing          = Reason(replicator.Installing)
	Contended           = Reason(replicator.Contended)
	SlowStatement       = Reason(replicator.SlowStatement)
	PoisonHeld          = Reason(replicator.HeldByPoison)
	DatabaseRefuses     = Reason(replicator.DatabaseRefuses)
	Stopped             = Reason(replicator.Stopped)
	Paused              = Reason(replicator.Suspended)
)

// breaks reports whether it is what a log or a database that fails is shown as, for as long as it does: of what a version or
// a person is the reason, one hears nothing about those.
func (r Reason) breaks() bool {
	switch r {
	case SourceUnavailable, DatabaseUnavailable, Reloading, NotConverted, Installing, Contended, SlowStatement, DatabaseRefuses:
		return true
	}
	return false
}

// Explanation is a reason as a person reads it.
type Explanation struct {
	Reason   Reason
	Sentence string // what is so
	Remedy   string // what to do about it
}

// Explained is every reason that /readyz, /v1/status and the metric ichor_not_progressing can have, in
// the order in which an operator meets them. The README's table is made of it.
var Explained = []Explanation{
	{Starting, "The host has just begun, or takes the cohort over.", "Wait."},
	{SourceUnavailable, "The brokers do not answer, or answer with errors.", "Look at the detail and at the brokers. The host tries again by itself."},
	{DatabaseUnavailable, "No connection to the database: it does not answer, is a standby, is read-only or refuses the role.", "Look at the detail and at the database. The host tries again by itself."},
	{LoadingGuests, "The guests' modules are compiled and their SQL is put to the database.", "Wait: a module that was never seen takes some seconds. The detail says if it cannot be loaded."},
	{Reloading, "The database lost commits, as a failover to a copy may; everything is read from it again.", "Wait. If it comes again and again, look which server the URL leads to."},
	{Standby, "Another host owns the cohort, and this one is ready to take it over.", "Nothing. The detail names the owner; `ichor handover` makes it give the cohort away."},
	{Unowned, "This host gave the cohort away, and no other has taken it yet.", "Look at the hosts that stand by. After `database.lease` this one takes it back."},
	{Undecided, "A candidate has had no decision for longer than `source.decision_overdue`.", "Look at the certifier. The host needs nothing; `ichor abandon VERSION` gives up a candidate that will never be decided."},
	{OpenTransaction, "A transaction of another Kafka client hides what lies behind it.", "Find the client that does not end it. The broker ends it after its time-out."},
	{NotConverted, "The guest has not answered for the version that is next, or its payload is being read again.", "Look at the guest's figures: `ichor_guest_*`, and at the brokers."},
	{Installing, "The transaction of the version that is next has not ended.", "Look at the database: load, locks, disk."},
	{Contended, "Other transactions hold the rows that the version that is next writes.", "After eight tries, about half a minute, the detail names who holds them. End that transaction."},
	{SlowStatement, "A statement of the version that is next runs into `database.statement_timeout`.", "Look at its plan, or raise the setting. After three times alone the version is held."},
	{PoisonHeld, "A version cannot be installed; it holds the snapshot, and what depends on it waits.", "`ichor quarantine show VERSION` has the error, the statemap and what waits. Mend the guest and swap it, or mend the database (it is tried again by itself, or at once by `ichor quarantine retry`) or the routes; or `ichor quarantine skip` it."},
	{DatabaseRefuses, "The database refused as many versions in a row as `installer.poison_breaker` says (100), for the same reason; or it changed, and would not take a statement of the version that is next by now.", "It is no property of the versions: look for a changed table, right or trigger, which the detail names. The host asks again with pauses."},
	{Paused, "An operator paused it: nothing is installed, in this host or the next, until it is resumed.", "The detail says who and why, and the number of the pause. `ichor resume --pause NUMBER` when that is over."},
	{Stopped, "The host has ended or is ending.", "Look at the last line of its log and at its exit code."},
}

// Table writes the reasons as a table in Markdown.
func Table(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| reason | what is so | what to do |\n|---|---|---|\n")
	for _, e := range Explained {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.Reason, e.Sentence, e.Remedy)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
