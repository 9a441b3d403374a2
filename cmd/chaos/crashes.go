package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/host/crash"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// passes is up to which pass of a crash point a host may live, and after how many it has to be provoked, by what is
// done before it starts or when it owns the cohort; without a line it is the first, and it comes by itself.
var passes = map[string]struct {
	most, alone     int
	before, provoke func(*world) error
}{
	"before-commit":  {most: 3, alone: 3},
	"after-commit":   {most: 3, alone: 3},
	"answered":       {most: 3, alone: 3},
	"module-stored":  {2, 1, nil, (*world).swap},
	"armed":          {2, 0, nil, (*world).swapTwice},
	"cut-over":       {2, 0, nil, (*world).swapTwice},
	"event-written":  {2, 0, nil, (*world).swapTwice},
	"cut-recorded":   {1, 1, (*world).swap, nil},
	"before-release": {1, 0, nil, func(w *world) error { return w.host.Signal(syscall.SIGTERM) }},
}

// crashPrefix stands before the name of a crash point in that of its fault.
const crashPrefix = "crash: "

// crashes are the faults of a host that ends itself at a crash point.
func crashes() (all []fault) {
	for _, point := range crash.Points {
		reasons := starts
		if point == "before-release" {
			reasons = ends
		}
		all = append(all, fault{crashPrefix + point, 1, reasons, false, func(ctx context.Context, w *world) error { return w.crashAt(ctx, point) }})
	}
	return all
}

// crashAt kills the host, starts it so that it ends itself at a crash point, waits until it did, and starts it
// again.
func (w *world) crashAt(ctx context.Context, point string) error {
	if err := w.host.Check(); err != nil {
		return err
	}
	of, pass := passes[point], 1
	if of.most > 1 {
		pass += w.random.IntN(of.most)
	}
	w.host.Kill()
	if of.before != nil {
		if err := of.before(w); err != nil {
			return err
		}
	}
	if err := w.host.Start(fmt.Sprintf("%s=%s:%d", crash.Variable, point, pass)); err != nil {
		return err
	}
	if of.provoke != nil && pass > of.alone {
		err := w.becomes(ctx, w.host, owns)
		if err == nil {
			err = of.provoke(w)
		}
		if err != nil && !w.host.Killed() { // it may come to it by itself: a start that has two modules to load does
			return err
		}
	}
	return w.endsAt(ctx, point, pass)
}

// endsAt waits until the host has ended itself at a pass of a crash point, and starts it again.
func (w *world) endsAt(ctx context.Context, point string, pass int) error {
	for begun := time.Now(); !w.host.Killed(); {
		if err := w.host.Check(); err != nil {
			return violated("it should end at pass %d of %s: %v", pass, point, err)
		}
		if time.Since(begun) > w.options.Patience {
			return violated("it does not come to pass %d of %s within %v, or was built without -tags crashpoints; %s; its log ends:\n%s", pass, point, w.options.Patience, w.guests(ctx), w.host.Tail())
		}
		if err := hosttest.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	w.hits[point]++
	w.over = time.Now()
	return w.host.Start()
}
