package installer

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Request is a row of ichor.request: what an operator asks of the host that owns the cohort.
type Request struct {
	ID      int64         `json:"id"`                 // ascending; /v1/requests/ID says what became of it
	Verb    string        `json:"verb"`               // skip, retry, abandon, pause, resume, handover, swap (a rollback) or deploy
	Version talos.Version `json:"version,omitempty"`  // 0 for those about the cohort
	Hash    string        `json:"hash,omitempty"`     // of a skip, see Held
	Guest   string        `json:"guest,omitempty"`    // of a swap and a deploy
	Digest  string        `json:"digest,omitempty"`   // of them: SHA-256 in hexadecimal; empty is, in a swap, the module before
	Who     string        `json:"who"`                // a token's or a user's name
	Reason  string        `json:"reason"`             // that they gave
	AskedAt time.Time     `json:"asked_at"`           // when it was written down
	TakenAt *time.Time    `json:"taken_at,omitempty"` // when a host took it up
	EndedAt *time.Time    `json:"ended_at,omitempty"` // when it was carried out or refused
	Outcome string        `json:"outcome,omitempty"`  // done, or refused and why

	// Match is what somebody has seen who asks for a resume: the pause, by the number of its request. It is looked at
	// when the request is written down, and not kept; empty is whichever pause is in force.
	Match string `json:"-" db:"-"`
}

// Ended reports whether the request is over, carried out or refused.
func (r *Request) Ended() bool { return r.EndedAt != nil }

// Done reports whether the request was carried out.
func (r *Request) Done() bool { return r.Ended() && r.Outcome == doneOutcome }

// Settled reports whether there is nothing to wait for: it is over, or a pause that is in force.
func (r *Request) Settled() bool { return r.Ended() || r.Verb == "pause" && r.TakenAt != nil }

const (
	// Rows that somebody wrote by hand must not keep a host from starting: an instant may be infinite, a text
	// of any length, a number 0 that stands for none.
	selectRequests = `select id, verb, coalesce(version, 0) as version, coalesce(hash, ''), left(coalesce(guest, ''), 1000), left(coalesce(digest, ''), 1000), left(who, 1000) as who, left(reason, 1000) as reason,
		case when isfinite(asked_at) then asked_at else now() end, case when isfinite(taken_at) then taken_at when taken_at is not null then now() end,
		case when isfinite(ended_at) then ended_at when ended_at is not null then now() end, coalesce(outcome, '') from (select * from ichor.request where id > 0) r `
	doneOutcome = "done"

	// openRequests are those of the database that the lanes install into. A connection that is made after a fail-over may
	// lead to a copy, while the server of before still serves the lanes: what is asked for there is not for them.
	openRequests = selectRequests + `where taken_at is null and ended_at is null
		and exists (select from ichor.state where epoch = $2 and token = $3) and $4 = ` + timeline + ` order by id limit $1`

	endRequest = "select ichor.end_request($1, $2)"

	// takeRequest notes that a host has taken a request up.
	takeRequest = `with taken as (update ichor.request set taken_at = now() where id = $1 and taken_at is null and ended_at is null returning *)
		insert into ichor.audit (who, deed, reason) select who, 'pause', reason from taken where verb = 'pause'`
)

// loadRequests reads what stands when a host takes over.
func loadRequests(ctx context.Context, conn *pgx.Conn, s *State) error {
	rows, err := conn.Query(ctx, selectRequests+"where ended_at is null order by id")
	if err == nil {
		s.Requests, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Request])
	}
	if err != nil {
		return failure(err, "read ichor.request")
	}
	return loadAbandoned(ctx, conn, s, s.Resume)
}

// loadAbandoned reads which versions from a position on were abandoned.
func loadAbandoned(ctx context.Context, conn *pgx.Conn, s *State, from talos.Position) error {
	rows, err := conn.Query(ctx, "select version from ichor.request where verb = 'abandon' and outcome = $1 and version >= $2 order by version", doneOutcome, int64(from))
	if err == nil {
		s.Abandoned, err = pgx.CollectRows(rows, pgx.RowTo[talos.Version])
	}
	if err != nil {
		return failure(err, "read in ichor.request what was abandoned")
	}
	return nil
}

// Answer is what a host says to a request: it stands, or it is ended with an outcome.
type Answer struct {
	Request int64
	Stands  bool
	Refused bool
	Words   string // why it is refused
}

// Respond writes answers to requests, fenced like a group. An answer to a request that is ended changes
// nothing; one that the database does not have was asked of another, and the error is of class Regressed.
func (l *Lane) Respond(ctx context.Context, answers []Answer) error {
	return l.fenced(ctx, "answer requests", func(ctx context.Context, tx pgx.Tx) error {
		for i := range answers {
			a := &answers[i]
			if a.Stands {
				if _, err := tx.Exec(ctx, takeRequest, a.Request); err != nil {
					return err
				}
				continue
			}
			outcome := doneOutcome
			if a.Refused {
				outcome = "refused: " + printable(a.Words)
			}
			if _, err := tx.Exec(ctx, endRequest, a.Request, outcome); err != nil {
				return err
			}
		}
		return nil
	})
}

// The times of FollowRequests.
const (
	requestsEvery = 500 * time.Millisecond // looks for new ones
	requestsAgain = 2 * time.Second        // after the connection failed
	requestsMax   = 1000                   // told at once
)

const requestsTrouble = "what operators ask for cannot be read"

// FollowRequests tells of requests that nobody has taken up, again and again until ctx ends; tell may be
// told of one more than once, and never of one that was asked for in another database than the one that was taken
// over. It has a connection of its own. While that cannot be had, lanes say what ails the database, and what is asked
// for stands.
func (in *Installer) FollowRequests(ctx context.Context, tell func([]Request)) {
	defer in.troubles.over(requestsTrouble)
	for ctx.Err() == nil {
		err := in.followRequests(ctx, tell)
		if ctx.Err() == nil {
			in.log.Log(ctx, in.troubles.failed(requestsTrouble, err), "operators' requests cannot be read; it is tried again", "error", err)
			sleep(ctx, requestsAgain)
		}
	}
}

func (in *Installer) followRequests(ctx context.Context, tell func([]Request)) error {
	conn, err := in.connectWithin(ctx, "requests")
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	for ctx.Err() == nil {
		var open []Request
		err := in.within(ctx, func(ctx context.Context) error {
			rows, err := conn.Query(ctx, openRequests, requestsMax, in.own.epoch, in.own.token, in.own.timeline)
			if err == nil {
				open, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Request])
			}
			return err
		})
		if err != nil {
			return failure(err, "read ichor.request")
		}
		in.troubles.over(requestsTrouble)
		if len(open) > 0 {
			tell(open)
		}
		sleep(ctx, requestsEvery)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
