package installer

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Owner is what the database says of the host that owns the cohort. The zero value is that nobody ever
// did.
type Owner struct {
	Name         string
	Epoch, Token int64
	// Beats counts while the owner lives.
	Beats int64
	// Connected says that the session which beats is there, or that none was opened yet.
	Connected bool
	// Released says that the owner gave the cohort away.
	Released bool
	// Resume is the owner's resume point; 0 while it has none.
	Resume talos.Position
}

// Is reports whether both speak of one take-over of the cohort.
func (o Owner) Is(other Owner) bool { return o.Epoch == other.Epoch && o.Token == other.Token }

// ErrOvertaken is what Take returns when another host was quicker: the owner is not the one any more that
// was given.
var ErrOvertaken = errors.New("another host took the cohort over meanwhile")

// selectOwner returns no row on a database that no host ever ran on. A host of before there were beats has
// no row in ichor.beat; it counts as one that does not beat.
const selectOwner = `select s.owner, s.epoch, s.token, coalesce(b.beats, 0), coalesce(b.released, false), coalesce(s.resume, 0),
	b.backend is null or exists (select from pg_stat_activity a where a.pid = b.backend
		and (a.backend_start is null or (extract(epoch from a.backend_start) * 1000000)::bigint = b.backend_since))
	from ichor.state s left join ichor.beat b on b.epoch = s.epoch and b.token = s.token`

func ownerOf(ctx context.Context, conn *pgx.Conn) (o Owner, err error) {
	err = conn.QueryRow(ctx, selectOwner).Scan(&o.Name, &o.Epoch, &o.Token, &o.Beats, &o.Released, &o.Resume, &o.Connected)
	if errors.Is(err, pgx.ErrNoRows) {
		return Owner{}, nil
	}
	if err != nil {
		return Owner{}, failure(err, "look in ichor.state who owns the cohort")
	}
	return o, nil
}

// Own returns this host's own take-over, as other hosts see it; zero before Take.
func (in *Installer) Own() Owner {
	return Owner{Name: in.opts.Owner, Epoch: in.own.epoch, Token: in.own.token}
}

// WatchOwner looks every so often who owns the cohort, on a session of its own with that name, and returns
// the owner for which free reports true. Hosts that wait are known to others by that session: its name is
// StandbySession. The error is an *Error, or the context's.
func (in *Installer) WatchOwner(ctx context.Context, session string, every time.Duration, free func(Owner) bool) (Owner, error) {
	conn, err := in.connectWithin(ctx, session)
	if err != nil {
		return Owner{}, failure(err, "look in ichor.state who owns the cohort")
	}
	defer closeSoon(conn)
	for {
		// No longer than for a new session: one that a router forgot is silent for ever, and the owner may end meanwhile.
		look, done := context.WithTimeout(ctx, in.opts.ConnectTimeout)
		o, err := ownerOf(look, conn)
		done()
		if err != nil || free(o) {
			return o, err
		}
		sleep(ctx, every)
		if ctx.Err() != nil {
			return Owner{}, context.Cause(ctx)
		}
	}
}

// StandbySession is the name of the session of a host that waits.
const StandbySession = "standby"

// Standbys returns the owner, and how many hosts wait to take the cohort over from it.
func (in *Installer) Standbys(ctx context.Context) (o Owner, waiting int, err error) {
	err = in.with(ctx, "ask", func(ctx context.Context, conn *pgx.Conn) error {
		if err := check(ctx, conn); err != nil {
			return err
		}
		if o, err = ownerOf(ctx, conn); err != nil {
			return err
		}
		err := conn.QueryRow(ctx, "select count(*) from pg_stat_activity where datname = current_database() and application_name = $1", once, "ichor "+StandbySession).Scan(&waiting)
		if err != nil {
			return failure(err, "count the hosts that wait")
		}
		return nil
	})
	return o, waiting, err
}

// MayHandOver returns who owns the cohort, or says why a handover would leave it with nobody for a while (*RefusedError);
// forced, it does not matter whether a host waits.
func (in *Installer) MayHandOver(ctx context.Context, forced bool) (Owner, error) {
	owner, waiting, err := in.Standbys(ctx)
	switch {
	case err != nil:
		return owner, err
	case owner.Epoch == 0 || owner.Released || !owner.Connected:
		return owner, &RefusedError{"no host owns the cohort now; see ichor check"}
	case waiting == 0 && !forced:
		return owner, &RefusedError{owner.Name + " owns the cohort and no host stands by, so that nothing would be installed for a while; start another one first, or give it up with --force"}
	}
	return owner, nil
}

// beatAgain is the pause before a session that beats is opened again: others wait for it only shortly.
const beatAgain = 50 * time.Millisecond

const beatTrouble = "the owner cannot tell the hosts that stand by that it lives"

// Beat tells the hosts that wait, until ctx ends, that this one lives. It has a session of its own, so that
// nothing the host does holds it up, and its end is seen at once where the process ends. When the cohort is
// another host's it beats no more: the lanes say so.
func (in *Installer) Beat(ctx context.Context, every time.Duration) {
	defer in.troubles.over(beatTrouble)
	for ctx.Err() == nil {
		err := in.beat(ctx, every)
		if err == nil || ctx.Err() != nil {
			return
		}
		in.log.Log(ctx, in.troubles.failed(beatTrouble, err), "the beat is interrupted; it is tried again", "error", err)
		sleep(ctx, beatAgain)
	}
}

// beat returns nil when the cohort is another host's.
func (in *Installer) beat(ctx context.Context, every time.Duration) error {
	conn, err := in.connectWithin(ctx, "beat")
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	b, err := backendOf(ctx, conn)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		mine := false
		err := in.within(ctx, func(ctx context.Context) error {
			tag, err := conn.Exec(ctx, "update ichor.beat set beats = beats + 1, backend = $3, backend_since = $4, at = now() where epoch = $1 and token = $2",
				in.own.epoch, in.own.token, int32(b.pid), b.since)
			mine = tag.RowsAffected() == 1
			return err
		})
		if err != nil {
			return failure(err, "write ichor.beat")
		}
		if !mine {
			return nil
		}
		in.troubles.over(beatTrouble)
		if err := idle(ctx, conn, every); err != nil {
			return failure(err, "wait for the next beat")
		}
	}
	return nil
}

// idle waits on a session that nothing is asked on. The error says that it has ended, which is seen at once: the hosts that wait
// see it too, and do not wait for the next beat.
func idle(ctx context.Context, conn *pgx.Conn, pause time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, pause)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := conn.WaitForNotification(ctx); err != nil && ctx.Err() == nil { // nobody notifies; a server that warns is heard
			return err
		}
	}
	return nil
}

// Release gives the cohort away: the next host that waits, or starts, takes it at once. Nothing of this host
// may be under way any more.
func (in *Installer) Release(ctx context.Context) error {
	return in.with(ctx, "release", func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "update ichor.beat set released = true where epoch = $1 and token = $2", once, in.own.epoch, in.own.token); err != nil {
			return failure(err, "give the cohort away")
		}
		return nil
	})
}
