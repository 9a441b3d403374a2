package replicator

import (
	"maps"
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// asked is a row of the table of requests.
type asked struct {
	Request
	taken, ended, refused bool
}

// ask adds a request to the table.
func (w *world) ask(verb Verb, v talos.Version) {
	w.requests = append(w.requests, &asked{Request: Request{ID: int64(len(w.requests) + 1), Verb: verb, Version: v}})
}

// open returns the open requests of a verb about a version.
func (w *world) open(verb Verb, v talos.Version) *asked {
	for _, r := range w.requests {
		if r.Verb == verb && r.Version == v && !r.ended {
			return r
		}
	}
	return nil
}

// skipAsked reports whether a version is to be skipped.
func (w *world) skipAsked(v talos.Version) bool { return w.open(Skip, v) != nil }

// operate is a person who asks for something, or the host that looks for what was asked.
func (w *world) operate() {
	switch w.r.IntN(6) {
	case 0, 1:
		if held := slices.Sorted(maps.Keys(w.held)); w.chance(50) && len(held) > 0 {
			v := held[w.r.IntN(len(held))]
			verb := [...]Verb{Skip, Retry}[w.r.IntN(2)]
			if w.open(verb, v) == nil {
				w.ask(verb, v)
			}
		}
	case 2:
		if v := talos.Version(w.r.IntN(len(w.log))); w.chance(70) && w.open(Abandon, v) == nil {
			if head := w.core.reading.suffix.Head(); head != nil && w.r.IntN(2) == 0 {
				v = head.Version
			}
			w.ask(Abandon, v)
		}
	case 3:
		switch paused := w.open(Pause, 0) != nil; {
		case !paused && w.chance(10):
			w.ask(Pause, 0)
		case paused && w.open(Resume, 0) == nil && (w.calm || w.r.IntN(4) == 0):
			w.ask(Resume, 0)
		}
	default:
		ev := &Asked{}
		for _, r := range w.requests {
			if !r.taken && !r.ended {
				ev.Requests = append(ev.Requests, r.Request)
			}
		}
		w.step(ev)
	}
}

// untaken reports whether there is a request that the host has yet to answer; an abandon may wait for ever
// for the end of the log.
func (w *world) untaken() bool {
	return w.open(Pause, 0) != nil || slices.ContainsFunc(w.requests, func(r *asked) bool { return !r.taken && !r.ended && r.Verb != Abandon })
}

// giveRequests says what the table has when a host begins.
func (w *world) giveRequests(start *Start) {
	for _, r := range w.requests {
		switch {
		case !r.ended:
			start.Requests = append(start.Requests, r.Request)
		case r.Verb == Abandon && !r.refused && talos.Position(r.Version) >= w.resume:
			start.Abandoned = append(start.Abandoned, r.Version)
		}
	}
}

// begun checks that nothing is begun while it is paused.
func (w *world) begun(a *Install) {
	if w.core.operator.pause.ID != 0 {
		w.fail("a group from snapshot %d is begun although it is paused", a.Group.From)
	}
	w.asked = append(w.asked, a)
}

// respond writes the answers of a lane; now and then the connection is lost before or after.
func (w *world) respond(a *Respond) {
	lost := &LaneDown{Lane: a.Lane, Failure: Failure{Kind: "connection"}}
	if w.chance(20) {
		w.step(lost)
		return
	}
	for _, answer := range a.Answers {
		r := w.requests[answer.Request-1]
		if r.ended {
			continue
		}
		switch answer.Reply {
		case ReplyTaken:
			r.taken = true
		case ReplyDone:
			w.doneBy(r)
		case ReplyRefused:
			w.refusedBy(r)
		}
	}
	if w.chance(20) {
		w.step(lost)
		return
	}
	w.step(&Installed{Lane: a.Lane})
}

func (w *world) doneBy(r *asked) {
	r.ended = true
	switch r.Verb {
	case Skip:
		w.fail("version %d is skipped outside of a transaction that passes it", r.Version)
	case Retry:
		w.met["retried by operator"]++
	case Resume:
		w.met["resumed"]++
	case Abandon:
		w.met["abandoned"]++
		if w.applied[r.Version] > 0 {
			w.fail("version %d is abandoned, and was installed", r.Version)
		}
		w.installable[r.Version] = false
	}
}

func (w *world) refusedBy(r *asked) {
	r.ended, r.refused = true, true
	switch r.Verb {
	case Skip:
		w.met["skipped in vain"]++
		if w.held[r.Version] {
			w.fail("the skip of version %d is refused, and it is held", r.Version)
		}
	case Abandon:
		w.met["abandoned in vain"]++
	}
}

// endSkip ends the request of a version that was skipped.
func (w *world) endSkip(end End) {
	if end.Request == 0 {
		return
	}
	r := w.requests[end.Request-1]
	if r.ended || r.Verb != Skip || r.Version != end.Version || w.applied[end.Version] > 0 {
		w.fail("the quarantine of version %d ends with request %d, which is %+v", end.Version, end.Request, r)
	}
	r.ended = true
	w.met["skipped by operator"]++
	w.installable[end.Version] = false
}
