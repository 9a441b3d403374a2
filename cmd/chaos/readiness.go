package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/status"
)

const (
	// saidWithin is how soon a host says why it installs nothing although something decided waits.
	saidWithin = 5 * time.Second
	// allowance is what a busy machine may add to that, as the driver's own clock measures it.
	allowance = 2 * time.Second
	// starved is how long the driver may not have run itself before it begins to measure anew.
	starved = time.Second

	askEvery = 25 * time.Millisecond
)

// slow are the reasons that speak of a time without progress, and of no failure. A busy machine may make a
// host say one, so a fault must name it only where it stands for longer than the allowance.
var slow = []status.Reason{status.NotConverted, status.Installing, status.Contended, status.SlowStatement}

// readiness asks the hosts all the time whether they are ready, looks how far the database is, and holds
// both against what is decided. Its methods may be called from any goroutine.
type readiness struct {
	mu        sync.Mutex
	addresses []string // of the hosts that are asked
	database  string   // the URL
	fault     *fault   // that they must explain; nil is none, and then nothing is judged
	began     time.Time
	last      time.Time
	snapshot  int64
	stands    time.Time // since when the snapshot does not move although something decided waits; zero while it does
	unsaid    time.Time // since when, besides, no host says a reason
	flap      flap      // of this standstill
	said      []status.Reason
	first     time.Duration // from when it stood to the first of them
	wrong     error
}

// answer is what a host says of itself.
type answer struct {
	answered bool
	Ready    bool          `json:"ready"`
	Reason   status.Reason `json:"reason"`
}

// look is what is seen at one time: what is decided is read first, then the hosts are asked, then the database.
// What waits at the end waited all the time.
type look struct {
	begun, ended time.Time
	decided      int64
	answers      []answer
	snapshot     int64
}

// listen has a host be asked from now on.
func (r *readiness) listen(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses = append(r.addresses, address)
}

// forget has a host be asked no more.
func (r *readiness) forget(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses = slices.DeleteFunc(r.addresses, func(a string) bool { return a == address })
}

// reads makes another database the one that is looked at.
func (r *readiness) reads(url string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.database = url
}

// begin begins anew, with a fault that begins now: what was asked before is not about it.
func (r *readiness) begin(f *fault, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault, r.began, r.said, r.first, r.wrong = f, now, nil, 0, nil
}

// explains lets hosts give further reasons for this fault.
func (r *readiness) explains(reasons ...status.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault == nil {
		return
	}
	wider := *r.fault
	wider.reasons = slices.Concat(wider.reasons, reasons)
	r.fault = &wider
}

// end returns the reasons since begin, how long it had stood when the first was said, and an error where a
// host did not say what it must.
func (r *readiness) end() (said []status.Reason, first time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said), r.first, r.wrong
}

// heard reports whether a host said the reason since begin.
func (r *readiness) heard(reason status.Reason) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.said, reason)
}

// follow looks until the context ends.
func (r *readiness) follow(ctx context.Context, t *traffic) {
	client := http.Client{Timeout: time.Second}
	for ctx.Err() == nil {
		r.mu.Lock()
		addresses, database := slices.Clone(r.addresses), r.database
		r.mu.Unlock()
		l := look{begun: time.Now(), decided: t.decided.Load()}
		l.answers = askAll(ctx, &client, addresses)
		if s, err := readState(ctx, database); err == nil {
			l.snapshot = s.snapshot
		}
		l.ended = time.Now()
		r.judge(&l)
		_ = hosttest.Sleep(ctx, askEvery) // the context's end is seen above
	}
}

// askAll asks all hosts at once.
func askAll(ctx context.Context, client *http.Client, addresses []string) []answer {
	answers := make([]answer, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() { answers[i] = ask(ctx, client, address) })
	}
	all.Wait()
	return answers
}

func ask(ctx context.Context, client *http.Client, address string) (a answer) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return a
	}
	response, err := client.Do(request)
	if err != nil {
		return a
	}
	defer response.Body.Close()
	a.answered = json.NewDecoder(response.Body).Decode(&a) == nil
	return a
}

// judge holds a look against what a host promises: when the snapshot does not move for saidWithin although
// something decided waits, a host says a reason, and it is one that the fault explains. A database that does
// not answer has moved nothing: its snapshot is 0.
func (r *readiness) judge(l *look) {
	r.mu.Lock()
	defer r.mu.Unlock()
	moved := l.snapshot != 0 && l.snapshot != r.snapshot
	if moved {
		r.snapshot = l.snapshot
	}
	if moved || l.begun.Sub(r.last) > starved || l.decided <= r.snapshot {
		r.stands, r.unsaid, r.flap = time.Time{}, time.Time{}, flap{}
	}
	r.last = l.ended
	if l.decided > r.snapshot {
		r.steady(l)
	}
	answers, says := 0, false
	for _, a := range l.answers {
		if a.answered {
			answers++
		}
		if a.answered && !a.Ready {
			says = true
			if !l.begun.Before(r.began) {
				r.hear(l, a.Reason)
			}
		}
	}
	switch {
	case says || r.stands.IsZero():
		r.unsaid = time.Time{}
	case r.unsaid.IsZero():
		r.unsaid = l.ended
	case l.begun.Sub(r.unsaid) > saidWithin+allowance:
		r.breaks("the snapshot is %d and does not move for %v, %d is decided, and nobody says why: %d of %d hosts answer, and say that they are ready",
			r.snapshot, l.begun.Sub(r.stands).Round(time.Millisecond), l.decided, answers, len(l.answers))
	}
}

// steady looks whether hosts keep to what they say while the snapshot stands. Where the database does not answer
// that is not known yet: the snapshot may have moved before.
func (r *readiness) steady(l *look) {
	if r.stands.IsZero() {
		r.stands = l.ended
		return
	}
	if l.snapshot == 0 {
		return
	}
	if before, again := r.flap.see(l.answers, l.begun.Sub(r.stands)); again != "" {
		r.breaks("it flaps: the snapshot is %d and has not moved for %v, and a host says %s, is ready, and says %s", r.snapshot, l.begun.Sub(r.stands).Round(time.Millisecond), before, again)
	}
}

// hear takes a reason of a host that is not ready.
func (r *readiness) hear(l *look, reason status.Reason) {
	var stood time.Duration
	if !r.stands.IsZero() {
		stood = max(0, l.begun.Sub(r.stands))
	}
	if len(r.said) == 0 {
		r.first = stood
	}
	if !slices.Contains(r.said, reason) {
		r.said = append(r.said, reason)
	}
	if r.fault == nil || slices.Contains(r.fault.reasons, reason) {
		return
	}
	if !slices.Contains(slow, reason) || stood > saidWithin+allowance {
		r.breaks("a host says %s, and that is none of the reasons that this fault gives it: %v", reason, r.fault.reasons)
	}
}

// breaks notes the first promise that was broken.
func (r *readiness) breaks(format string, args ...any) {
	if r.wrong == nil && r.fault != nil {
		r.wrong = violated(format, args...)
	}
}
