package host

import (
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
)

// The shares of the lease. An owner beats ten times within it. One whose session has ended has a twentieth of
// it, at most longestGrace, to open another, for a database that was restarted ends the sessions of owners that live.
const (
	beatShare  = 10
	graceShare = 20
	lookShare  = 50
)

// longestLook bounds the pause between two looks at the owner: by them a host that waits tells that the database
// answers.
const longestLook = time.Second

// longestGrace bounds what an owner has to open another session: it sees the end of one at once, and a process that ended
// opens none, however long its lease.
const longestGrace = time.Second

// lease decides when a host that waits may take the cohort over from its owner. Clocks decide when, never
// whether it is safe: the epoch does that.
type lease struct {
	span time.Duration
	own  installer.Owner // this host's last take-over
	gave bool            // and it was given away: others go first, for as long as a silent owner is given

	last  installer.Owner
	since time.Time // when last was first seen so
	gone  time.Time // when its session was first seen to be gone; zero while it is there
}

// free reports whether the cohort may be taken from an owner, as it is seen now.
func (l *lease) free(o installer.Owner, now time.Time) bool {
	if o.Connected {
		l.gone = time.Time{}
	} else if l.gone.IsZero() {
		l.gone = now
	}
	if l.since.IsZero() || o.Beats != l.last.Beats || !o.Is(l.last) {
		l.last, l.since = o, now
	}
	mine := o.Is(l.own) && o.Epoch != 0
	switch {
	case o.Epoch == 0: // nobody ever owned it
		return true
	case mine && !l.gave: // it ended a moment ago, to load everything again
		return true
	case o.Released && !mine:
		return true
	case !mine && !l.gone.IsZero() && now.Sub(l.gone) >= min(l.span/graceShare, longestGrace):
		return true
	}
	return now.Sub(l.since) >= l.span
}
