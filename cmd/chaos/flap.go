package main

import (
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/status"
)

// heardOf is how much later than the database a host may know that something was installed: what it says in that
// time may still be about what was before.
const heardOf = time.Second

// begins are the reasons of a host that begins or ends something by itself or by its operator: it may say them and
// be ready, and then have another reason, although nothing has been installed yet.
var begins = []status.Reason{status.Starting, status.LoadingGuests, status.Reloading, status.Standby, status.Unowned, status.Paused, status.Stopped}

// flap follows one standstill: a host that has said a reason for it is not ready before something is installed.
type flap struct {
	said status.Reason // first
	calm bool          // and then nobody said one, although nothing was installed
}

// see takes what hosts answered while the snapshot stood, and how long it had stood. It returns the reason that was
// said and taken back when another, or the same, is said again. What it saw counts only as long as no later look
// finds that the snapshot has moved: then the caller begins anew.
func (f *flap) see(answers []answer, stood time.Duration) (before, again status.Reason) {
	var says status.Reason
	for _, a := range answers {
		switch {
		case !a.answered, !a.Ready && slices.Contains(begins, a.Reason):
			*f = flap{}
			return "", ""
		case !a.Ready:
			says = a.Reason
		}
	}
	switch {
	case says == "":
		f.calm = f.said != ""
	case f.calm:
		return f.said, says
	case stood > heardOf:
		f.said = says
	}
	return "", ""
}
