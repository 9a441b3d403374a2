package installer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
)

// GuestEvent is a row of ichor.guest_event: what became of a guest's module, and by whom.
type GuestEvent struct {
	ID     int64         `json:"id"`               // ascending
	At     time.Time     `json:"at"`               // when it became so, by the database's clock
	Guest  string        `json:"guest"`            // its name
	Digest string        `json:"digest"`           // of the module: SHA-256 in hexadecimal; empty if it could not be read
	State  GuestState    `json:"state"`            // what became of the module
	From   talos.Version `json:"from,omitempty"`   // of active and back: the first version that it converts
	Who    string        `json:"who"`              // a token's or a user's name, "the file" or "ichor"
	Reason string        `json:"reason,omitempty"` // that they gave, or why it was refused or taken back
}

// GuestState is what became of a module, in one stable word.
type GuestState string

// The states.
const (
	GuestAsked    GuestState = "asked"    // somebody puts its file in place; it says no more than who does, and why
	GuestReceived GuestState = "received" // the host has it and checks it
	GuestChecked  GuestState = "checked"  // it passed each step of the check; the reason says how long each took
	GuestShadow   GuestState = "shadow"   // it is compared with the one that converts
	GuestArmed    GuestState = "armed"    // it is to convert; it is durable before it does
	GuestActive   GuestState = "active"   // it converts
	GuestProven   GuestState = "proven"   // its probation is over
	GuestBack     GuestState = "back"     // it converts again, for the one after it did worse on probation
	GuestRefused  GuestState = "refused"  // it is not taken
	GuestGone     GuestState = "gone"     // it was taken back or rolled back: a rollback does not go to it
	GuestDraining GuestState = "draining" // another converts what follows; it finishes what it was given
	GuestWarm     GuestState = "warm"     // no version needs it any more; it stays loaded, to go back to
	GuestRetired  GuestState = "retired"  // nothing needs it any more, and it is closed
)

// AllGuestStates are the states, in the order of a module's life.
var AllGuestStates = []GuestState{
	GuestAsked, GuestReceived, GuestChecked, GuestShadow, GuestArmed, GuestActive, GuestProven, GuestBack, GuestRefused, GuestGone, GuestDraining, GuestWarm, GuestRetired,
}

// Those who are no persons.
const (
	WhoFile  = "the file" // another file lies in the guests' directory
	WhoIchor = "ichor"    // the host by itself
)

// AddGuestEvents writes down what became of modules, in their order, all of it or nothing. Their ids are the database's,
// and so are their times: one that has a time, by this process' clock, is as much earlier than now as that. Of who owned
// the cohort, and does no more, nothing is written, and the error is of class Fenced.
func (in *Installer) AddGuestEvents(ctx context.Context, events ...GuestEvent) error {
	return in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := in.owns(ctx, tx); err != nil {
				return err
			}
			for i := range events {
				e, ago := &events[i], time.Duration(0)
				if !e.At.IsZero() {
					ago = time.Since(e.At)
				}
				_, err := tx.Exec(ctx, "insert into ichor.guest_event (guest, digest, state, from_version, who, reason, at) values ($1, $2, $3, nullif($4, 0), $5, $6, now() - $7 * interval '1 microsecond')",
					e.Guest, e.Digest, string(e.State), int64(e.From), printable(e.Who), printable(e.Reason), ago.Microseconds())
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return failure(err, "write down what became of a guest")
		}
		return nil
	})
}

const selectGuestEvents = "select id, at, guest, digest, state, coalesce(from_version, 0) as from_version, who, reason from ichor.guest_event "

// GuestEvents returns the newest events, of a guest or of all if it is empty, oldest first.
func (in *Installer) GuestEvents(ctx context.Context, guest string, limit int) (events []GuestEvent, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select * from ("+selectGuestEvents+"where $1 in ('', guest) order by id desc limit $2) e order by id", guest, limit)
		if err == nil {
			events, err = pgx.CollectRows(rows, pgx.RowToStructByPos[GuestEvent])
		}
		if err != nil {
			return failure(err, "read ichor.guest_event")
		}
		return nil
	})
	return events, err
}

// Gone returns the modules of a guest that were taken back or rolled back, and not armed since.
func (in *Installer) Gone(ctx context.Context, guest string) (digests []string, err error) {
	return in.digests(ctx, "rolled back", `select digest from (select distinct on (digest) digest, state from ichor.guest_event
		where guest = $1 and state in ('armed', 'gone') order by digest, id desc) e where state = 'gone'`, guest)
}

// GoesBackTo returns the module to which a guest goes back from another: the last one that converted, that the database has,
// and that was not taken back or rolled back, nor gone back over, since it was armed; empty where there is none. From is empty
// where nothing converts.
func (in *Installer) GoesBackTo(ctx context.Context, guest, from string) (digest string, err error) {
	before, err := in.digests(ctx, "before", goesBackTo, guest, from, WhoIchor)
	if err != nil || len(before) == 0 {
		return "", err
	}
	return before[0], nil
}

// goesBackTo tells by what the host writes down that one went back: back, or proven by somebody. That is over the modules that
// began to convert since the one to which one goes did; but who gives the cohort to one that is gone goes on, and not back.
const goesBackTo = `with e as (select id, digest, state, who from ichor.guest_event where guest = $1),
	last as (select digest, max(id) as at from e where state in ('active', 'back') group by digest)
	select l.digest from last l join ichor.guest_module using (digest)
	where l.digest <> $2
	  and 'gone' is distinct from (select g.state from e g where g.digest = l.digest and g.state in ('armed', 'gone') order by g.id desc limit 1)
	  and not exists (select from e b where (b.state = 'back' or b.state = 'proven' and b.who <> $3) and b.id > l.at and b.digest <> l.digest
		and l.at > (select max(p.id) from e p where p.digest = b.digest and p.state in ('active', 'back') and p.id < b.id)
		and 'gone' is distinct from (select p.state from e p where p.digest = b.digest and p.state in ('active', 'back', 'gone') and p.id < b.id order by p.id desc limit 1))
	order by l.at desc limit 1`

// digests reads those modules of a guest that a query of its events names; were says what they were.
func (in *Installer) digests(ctx context.Context, were, query string, args ...any) (digests []string, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, args...)
		if err == nil {
			digests, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			return failure(err, "read in ichor.guest_event which modules were "+were)
		}
		return nil
	})
	return digests, err
}

// CameSince reports whether a host saw a module of a guest come after it was decided last what converts.
func (in *Installer) CameSince(ctx context.Context, guest, digest string) (came bool, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, `select exists (select from ichor.guest_event where guest = $1 and digest = $2 and state = 'received' and id > (
			select coalesce(max(id), 0) from ichor.guest_event where guest = $1 and state in ('armed', 'back', 'gone')))`, guest, digest).Scan(&came)
		if err != nil {
			return failure(err, "read whether a module came")
		}
		return nil
	})
	return came, err
}

// ModuleLike returns the digest of the one module of a guest that begins so; a *RefusedError if there is none, also
// where there was one that is pruned, or more than one.
func (in *Installer) ModuleLike(ctx context.Context, guest, prefix string) (digest string, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select digest from ichor.guest_module m where starts_with(digest, $2)
			and (name = $1 or exists (select from ichor.guest_event e where e.guest = $1 and e.digest = m.digest and e.state in ('checked', 'armed'))) limit 2`, guest, prefix)
		var found []string
		if err == nil {
			found, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		switch {
		case err != nil:
			return failure(err, "look in ichor.guest_module for a module")
		case len(found) == 0:
			var pruned string
			err := conn.QueryRow(ctx, "select digest from ichor.guest_history where name = $1 and starts_with(digest, $2) order by from_version desc limit 1", guest, prefix).Scan(&pruned)
			if err == nil {
				return &RefusedError{fmt.Sprintf("the module %.12s of guest %s converted versions once, and the database has it no more: it keeps the newest (guests.keep) and what versions need. Swap its file in, whose SHA-256 is %s", pruned, guest, pruned)}
			}
			if !errors.Is(err, pgx.ErrNoRows) {
				return failure(err, "look in ichor.guest_history for a module that was pruned")
			}
			return &RefusedError{fmt.Sprintf("the database has no module of guest %s whose digest begins with %q: see ichor guest history", guest, prefix)}
		case len(found) > 1:
			return &RefusedError{fmt.Sprintf("the digests of several modules of guest %s begin with %q: give more of it", guest, prefix)}
		}
		digest = found[0]
		return nil
	})
	return digest, err
}

// Proven reports whether nothing says that the probation of a guest's module goes on: it was armed, and since then
// neither proven nor taken back.
func (in *Installer) Proven(ctx context.Context, guest, digest string) (proven bool, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, `select not exists (select from (select state, digest from ichor.guest_event
			where guest = $1 and state in ('armed', 'back', 'proven') order by id desc limit 1) e where state = 'armed' and digest = $2)`, guest, digest).Scan(&proven)
		if err != nil {
			return failure(err, "read in ichor.guest_event whether a guest is proven")
		}
		return nil
	})
	return proven, err
}

// ProvenBefore returns the modules of a guest that were proven, or taken back to, the latest first.
func (in *Installer) ProvenBefore(ctx context.Context, guest string) (digests []string, err error) {
	return in.digests(ctx, "proven", "select digest from ichor.guest_event where guest = $1 and state in ('proven', 'back') group by digest order by max(id) desc", guest)
}

// ActiveSince returns from which version on a module converted that an event armed; 0 where nothing says so.
func (in *Installer) ActiveSince(ctx context.Context, armed *GuestEvent) (from talos.Version, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, `select coalesce(max(from_version), 0) from ichor.guest_event
			where guest = $1 and digest = $2 and state = 'active' and id > $3`, armed.Guest, armed.Digest, armed.ID).Scan(&from)
		if err != nil {
			return failure(err, "read in ichor.guest_event since when a guest converts")
		}
		return nil
	})
	return from, err
}

// SaidToConvert reports whether an event says that a use's module converts from its version on.
func (in *Installer) SaidToConvert(ctx context.Context, u *cohort.Use) (said bool, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, `select exists (select from ichor.guest_event
			where guest = $1 and digest = $2 and state in ('active', 'back') and from_version = $3)`, u.Guest, u.Digest, u.From).Scan(&said)
		if err != nil {
			return failure(err, "read in ichor.guest_event whether a guest is said to convert")
		}
		return nil
	})
	return said, err
}

// AskedFor returns the event by which somebody asked for a module of a guest before they put its file in place, since the
// module was armed or refused the last time; zero where nobody did.
func (in *Installer) AskedFor(ctx context.Context, guest, digest string) (asked GuestEvent, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, selectGuestEvents+`where guest = $1 and digest = $2 and state = 'asked' and id > (
			select coalesce(max(id), 0) from ichor.guest_event where guest = $1 and digest = $2 and state in ('armed', 'refused', 'gone')) order by id desc limit 1`, guest, digest)
		var events []GuestEvent
		if err == nil {
			events, err = pgx.CollectRows(rows, pgx.RowToStructByPos[GuestEvent])
		}
		if err != nil {
			return failure(err, "read in ichor.guest_event who asked for a guest")
		}
		if len(events) > 0 {
			asked = events[0]
		}
		return nil
	})
	return asked, err
}

// Wanted returns the event that says which module of a guest was last wanted, and the digest of the file that
// was last taken or passed over by then; zero where there is none.
func (in *Installer) Wanted(ctx context.Context, guest string) (wanted GuestEvent, file string, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, selectGuestEvents+`where id in (
			(select max(id) from ichor.guest_event where guest = $1 and state in ('armed', 'back')),
			(select max(id) from ichor.guest_event where guest = $1 and state = 'armed' and who = $2)) order by id`, guest, WhoFile)
		if err != nil {
			return failure(err, "read in ichor.guest_event which guest is wanted")
		}
		events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[GuestEvent])
		if err != nil {
			return failure(err, "read in ichor.guest_event which guest is wanted")
		}
		for _, e := range events {
			if wanted = e; e.Who == WhoFile {
				file = e.Digest
			}
		}
		return nil
	})
	return wanted, file, err
}
