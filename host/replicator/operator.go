package replicator

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
)

// operator is what people asked for. It keeps these rules: a request is taken up once, however often it
// is told; a candidate is abandoned only when the log, read to its end, has no decision about it; and
// what conflicts with it goes on only AFTER that is durable.
type operator struct {
	*step
	reading *reading
	poison  *poison
	ledger  map[talos.Version]bool // forwarding's

	seen     map[int64]bool          // requests that were taken up
	abandons []abandoning            // that are looked into when the log is read to its end
	deciding map[int64]talos.Version // abandons that are being made durable
	answers  []Answer                // that are to be written
	pause    Request                 // that is in force; one without an ID is none
	handover int64                   // the request to give the cohort away; 0 is none
	swaps    []Request               // that are not asked for yet
}

// onAsked takes requests up.
func (o *operator) onAsked(requests []Request) {
	for i := range requests {
		r := &requests[i]
		if o.seen[r.ID] {
			continue
		}
		o.seen[r.ID] = true
		switch r.Verb {
		case Skip:
			o.skip(r)
		case Retry:
			o.retry(r)
		case Abandon:
			o.abandons = append(o.abandons, abandoning{*r, o.now})
			o.answer(r, ReplyTaken, "")
		case Pause:
			o.pauseBy(r)
		case Resume:
			o.resume(r)
		case Handover:
			o.handOver(r)
		case Swap, Deploy:
			o.swaps = append(o.swaps, *r)
			o.answer(r, ReplyTaken, "")
		default:
			o.refuse(r, "this host does not know the verb")
		}
	}
	o.poison.release(o.poison.due)
}

// bring asks for the guests that are wanted.
func (o *operator) bring() {
	if o.draining {
		return
	}
	for i := range o.swaps {
		r := &o.swaps[i]
		o.do(&Bring{Request: r.ID, Guest: r.Guest, Digest: r.Digest, Who: r.Who, Why: r.Why, Deploy: r.Verb == Deploy})
	}
	o.swaps = nil
}

// onGuestRefused answers who asked for a guest that cannot be had.
func (o *operator) onGuestRefused(ev *GuestRefused) {
	o.answers = append(o.answers, Answer{Request: ev.Request, Reply: ReplyRefused, Words: ev.Words})
}

func (o *operator) answer(r *Request, reply Reply, words string) {
	o.answers = append(o.answers, Answer{Request: r.ID, Reply: reply, Words: words})
}

func (o *operator) refuse(r *Request, format string, args ...any) {
	o.answer(r, ReplyRefused, fmt.Sprintf(format, args...))
}

// skip notes that a held version is to settle without effects; it does so once nothing is under way with
// it.
func (o *operator) skip(r *Request) {
	if o.holds(r) {
		o.poison.skips[r.Version] = r.ID
		if e := o.queue.Find(r.Version); e != nil {
			o.poison.skipping = append(o.poison.skipping, e)
		}
		o.answer(r, ReplyTaken, "")
	}
}

// holds reports whether the version of a request is held, or was held by an earlier host and has not come
// yet; it refuses the request otherwise.
func (o *operator) holds(r *Request) bool {
	t := o.poison.troubles[r.Version]
	switch e := o.queue.Find(r.Version); {
	case r.Version <= o.queue.Snapshot():
		o.refuse(r, "it is not held: the snapshot, which is %d, has passed it", o.queue.Snapshot())
	case e != nil && e.State() == queue.Settled:
		o.refuse(r, "it is not held: it has settled")
	case t == nil || t.held == 0 && !t.recorded:
		o.refuse(r, "it is not held")
	case o.poison.skips[r.Version] != 0:
		o.refuse(r, "it is being skipped")
	default:
		return true
	}
	return false
}

// retry lets a held version be tried now. One that is being tried need not wait any longer, and one that
// has not come since the start will be tried when it does.
func (o *operator) retry(r *Request) {
	if !o.holds(r) {
		return
	}
	t, e := o.poison.troubles[r.Version], o.queue.Find(r.Version)
	switch {
	case e == nil:
	case e.State() == queue.Held && !t.failure.retriable():
		o.refuse(r, "there is nothing to try: %s; skip it, or mend what the kind says", t.failure.Kind)
		return
	case e.State() == queue.Held:
		t.asked = 0
		t.retry = true
	case e.State() == queue.Awaiting:
		o.queue.Delay(e, 0)
	}
	o.answer(r, ReplyDone, "")
}

// retriable reports whether a version that is held for the failure can be tried again: whether a guest may
// be given it.
func (f Failure) retriable() bool {
	return !slices.Contains([]string{KindUnreadable, KindUnrouted, KindContradiction, KindMissing}, f.Kind)
}

func (o *operator) pauseBy(r *Request) {
	if o.pause.ID != 0 {
		o.refuse(r, "it is paused already, by %s", o.pause.Who)
		return
	}
	o.pause = *r
	o.answer(r, ReplyTaken, "")
}

func (o *operator) resume(r *Request) {
	if o.pause.ID == 0 {
		o.refuse(r, "it is not paused")
		return
	}
	o.answer(&o.pause, ReplyDone, "resumed")
	o.answer(r, ReplyDone, "")
	o.pause = Request{}
}

// handOver drains once it is written down that the cohort is given away.
func (o *operator) handOver(r *Request) {
	if o.handover != 0 {
		o.refuse(r, "it is being handed over")
		return
	}
	if from := o.queue.ResumeAt(o.reading.beyond()); o.reading.start > from {
		o.refuse(r, "the next host would read from position %d, where the snapshot waits, and the log begins at %d by now: have what is held end here first, see ichor quarantine list", from, o.reading.start)
		return
	}
	o.handover = r.ID
	o.answer(r, ReplyDone, "")
}

// refuseHandovers answers those that an earlier host had not taken up.
func (o *operator) refuseHandovers(requests []Request) {
	for i := range requests {
		if r := &requests[i]; r.Verb == Handover {
			o.seen[r.ID] = true
			o.refuse(r, "the host that it was meant for owns the cohort no more")
		}
	}
}

// abandoning is a request to abandon a version, and the instant, in ns, at which the core was told; 0 is before its first.
type abandoning struct {
	Request
	since int64
}

// begin is told the instant of the first step: what stood before was asked for by then, and not later.
func (o *operator) begin() {
	for i := range o.abandons {
		o.abandons[i].since = o.now
	}
}

// abandon looks into the abandons that the core was told of before an instant, at which the log was asked. It is called when
// the log was read to the end that it had when it answered, and nothing hides more, so that a decision which was there already
// binds. An answer may be old: it waited while reading was paused, or was read by this host before it took the cohort over.
func (o *operator) abandon(asked int64) {
	all := o.abandons
	o.abandons = nil
	for i := range all {
		if all[i].since > asked {
			o.abandons = append(o.abandons, all[i])
			continue
		}
		o.consider(&all[i])
	}
}

func (o *operator) consider(r *abandoning) {
	v := r.Version
	s, t := o.reading.undecided(v), o.poison.troubles[v]
	switch x := o.reading.decisionOf(v); {
	case o.ledger[v]:
		o.refuse(&r.Request, "it is installed, ahead of the snapshot")
	case t != nil && t.recorded:
		o.refuse(&r.Request, "it was decided, and is held: skip it")
	case s != nil && o.reading.abandoned[v]:
		o.refuse(&r.Request, "it is being abandoned")
	case s != nil:
		o.reading.abandoned[v] = true
		o.deciding[r.ID] = v
		o.answer(&r.Request, ReplyDone, "")
	case x.decidedAt == AtOperator:
		o.refuse(&r.Request, "it was abandoned before")
	case x.outcome != talos.Undecided:
		o.refuse(&r.Request, "it is decided: %s, by the decision at position %d", x.outcome, x.decidedAt)
	case v <= o.queue.Snapshot():
		o.refuse(&r.Request, "it is settled: the snapshot is %d", o.queue.Snapshot())
	case o.reading.skipFrom != 0 && talos.Position(v) >= o.reading.skipFrom:
		o.abandons = append(o.abandons, *r) // it is read again when there is room for it
	case talos.Position(v) >= o.reading.next:
		o.refuse(&r.Request, "the log can be read up to position %d, and it lies beyond that", o.reading.next)
	default:
		o.refuse(&r.Request, "at this position stands no candidate that the certifier accepts")
	}
}

// skipHeld settles what is to be skipped, as far as it can be now.
func (o *operator) skipHeld() {
	for _, v := range o.poison.skip() {
		o.answers = append(o.answers, Answer{Request: o.poison.skips[v], Reply: ReplyRefused, Words: "it has settled before it could be skipped"})
		delete(o.poison.skips, v)
	}
}

// take returns the answers that are to be written next, nil for none.
func (o *operator) take() []Answer {
	n := min(len(o.answers), answersMax)
	if n == 0 {
		return nil
	}
	taken := slices.Clone(o.answers[:n])
	o.answers = slices.Delete(o.answers, 0, n)
	return taken
}

// answered is told of answers that are durable: what was abandoned counts as aborted from now on.
func (o *operator) answered(answers []Answer) {
	for i := range answers {
		a := &answers[i]
		o.do(&Notice{Kind: RequestAnswered, Answer: *a})
		if a.Request == o.handover && a.Reply == ReplyDone {
			o.draining, o.handingOver = true, true
		}
		v, deciding := o.deciding[a.Request]
		if !deciding || a.Reply != ReplyDone { // it may have been taken alone
			continue
		}
		delete(o.deciding, a.Request)
		o.stats.Abandoned++
		o.reading.decide(o.reading.undecided(v), abandonment(o.now))
	}
}
