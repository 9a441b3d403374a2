package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/crash"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// requestFaults are the faults of guests that are swapped because an operator asks for it. On the way there the host
// ends itself at a point that is drawn; what was asked stands, and the next host carries it out.
var requestFaults = []fault{
	{"swapped by a request, and killed on the way", 1, starts, false, deployAndKill},
	{"compared by a request, and killed on the way", 1, starts, false, compareAndKill},
	{"compared and refused, and killed on the way", 1, starts, false, compareRefuseAndKill},
	{"rolled back by a request, and killed on the way", 1, starts, false, rollBackAndKill},
}

// The points that a host comes to on the way from a request to a guest that converts, and where that is refused.
var (
	onTheWay = []string{"module-stored", "armed", "cut-over", "event-written", "cut-recorded"}
	refusing = []string{"module-stored", "event-written"}
)

// requested is something that an operator asks for, and the guest that converts then.
type requested struct {
	digest string
	ask    func(context.Context) error
	first  int64 // of the numbers that its request may have
}

// deployed is that a guest takes the place of the one that converts.
func (w *world) deployed(c converter) requested {
	return requested{digest: c.digest, ask: func(ctx context.Context) error {
		return w.host.Post(ctx, "/v1/guests/"+stage.Banking+"/module?reason=chaos", "application/wasm", c.module)
	}}
}

// rolledBack is that a guest converts again.
func (w *world) rolledBack(digest string) requested {
	return requested{digest: digest, ask: func(ctx context.Context) error {
		return w.host.Post(ctx, "/v1/guests/"+stage.Banking+"/rollback", "application/json", fmt.Appendf(nil, `{"reason": "chaos", "to": %q}`, digest))
	}}
}

func deployAndKill(ctx context.Context, w *world) error {
	r := w.deployed(w.newGuest(ctx))
	return w.amid(ctx, func() error { return errors.Join(w.endsAsked(ctx, &r, onTheWay), w.carriesOut(ctx, &r)) })
}

// rollBackAndKill goes back from a guest that has converted something.
func rollBackAndKill(ctx context.Context, w *world) error {
	before, r := w.converting(ctx), w.deployed(w.newGuest(ctx))
	return w.amid(ctx, func() error {
		err := errors.Join(r.ask(ctx), w.carriesOut(ctx, &r), w.goesOn(ctx), w.goesOn(ctx))
		back := w.rolledBack(before)
		return errors.Join(err, w.endsAsked(ctx, &back, onTheWay), w.carriesOut(ctx, &back))
	})
}

// compared is over how many versions a guest is compared.
const compared = 20

// compareAndKill has a new guest compared first; its SQL is written in another way, which is allowed here.
func compareAndKill(ctx context.Context, w *world) error {
	return w.comparing(ctx, compared, func() error {
		r := w.deployed(w.newGuest(ctx))
		err := errors.Join(w.endsAsked(ctx, &r, onTheWay), w.carriesOut(ctx, &r))
		return errors.Join(err, w.hasEvent(ctx, r.digest, "shadow"))
	})
}

// compareRefuseAndKill has a guest compared that may differ in nothing, and does: the one before goes on.
func compareRefuseAndKill(ctx context.Context, w *world) error {
	before := w.converting(ctx)
	return w.comparing(ctx, 0, func() error {
		r := w.deployed(w.newGuest(ctx))
		err := errors.Join(w.endsAsked(ctx, &r, refusing), w.becomes(ctx, w.host, owns))
		asked, unknown := w.hasRequest(ctx, &r)
		if err = errors.Join(err, unknown); err == nil && !asked {
			err = r.ask(ctx)
		}
		if err == nil {
			err = w.reaches(ctx, func(s state) bool { return s.asked == 0 })
		}
		return errors.Join(err, w.hasEvent(ctx, r.digest, "refused"), w.takesThat(ctx, before))
	})
}

// comparing does something while the host has new guests compared, which may differ in so many versions.
func (w *world) comparing(ctx context.Context, differences int, do func() error) error {
	set := func(versions, differences int) error {
		return w.stage.Rewrite(w.host, func(s *stage.Settings) { s.Guests.Shadow.Versions, s.Guests.Shadow.Differences = versions, differences })
	}
	err := set(compared, differences)
	if err == nil {
		err = w.amid(ctx, do)
	}
	return errors.Join(err, set(0, 0), w.host.KillAndStart())
}

// endsAsked starts the host so that it ends itself on the way, asks, and starts it again when it has ended.
func (w *world) endsAsked(ctx context.Context, r *requested, points []string) error {
	point, pass := points[w.random.IntN(len(points))], 1
	if point == "module-stored" { // at the first it begins with a guest
		pass = 2
	}
	if err := w.query(ctx, &r.first, "select coalesce(max(id), 0) + 1 from ichor.request"); err != nil {
		return err
	}
	w.host.Kill()
	if err := w.host.Start(fmt.Sprintf("%s=%s:%d", crash.Variable, point, pass)); err != nil {
		return err
	}
	err := w.becomes(ctx, w.host, owns)
	if err == nil {
		err = r.ask(ctx)
	}
	if err != nil { // it comes to some points by itself, or before it has answered
		err = errors.Join(err, hosttest.Sleep(ctx, time.Second))
	}
	if err != nil && !w.host.Killed() {
		return err
	}
	return w.endsAt(ctx, point, pass)
}

// carriesOut waits until the host has done what was asked. Where the one before ended before it was written down, it is
// asked again.
func (w *world) carriesOut(ctx context.Context, r *requested) error {
	if err := w.becomes(ctx, w.host, owns); err != nil {
		return err
	}
	asked, err := w.hasRequest(ctx, r)
	if err == nil && !asked {
		err = r.ask(ctx)
	}
	if err == nil {
		err = w.reaches(ctx, func(s state) bool { return s.asked == 0 })
	}
	return errors.Join(err, w.takesThat(ctx, r.digest))
}

// hasRequest reports whether what was asked is written down.
func (w *world) hasRequest(ctx context.Context, r *requested) (found bool, err error) {
	err = w.query(ctx, &found, "select exists (select from ichor.request where digest = $1 and id >= $2)", r.digest, r.first)
	return found, err
}

// hasEvent waits until something is written down that became of a guest.
func (w *world) hasEvent(ctx context.Context, digest, state string) error {
	for begun := time.Now(); ; {
		found := false
		err := w.query(ctx, &found, "select exists (select from ichor.guest_event where digest = $1 and state = $2)", digest, state)
		if err != nil || found {
			return err
		}
		if time.Since(begun) > w.options.Patience {
			return violated("nothing says that the guest %.12s was ever %s; the host's log ends:\n%s", digest, state, w.host.Tail())
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// query asks the server for a value, past the proxy.
func (w *world) query(ctx context.Context, into any, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return err
	}
	err = conn.QueryRow(ctx, sql, args...).Scan(into)
	return errors.Join(err, conn.Close(ctx))
}
