package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/cohort"
)

// Module is a guest's module as the database keeps it.
type Module struct {
	Guest      string // that had it first
	Digest     string
	Bytes      []byte
	Signatures string // one a line, empty for none
}

// StoreModule keeps a guest's module by its digest, and its signatures beside those that are there.
// It must be durable before the module's first conversion is installed.
//
// Its bytes are megabytes: they are sent only where the database has not got them.
func (in *Installer) StoreModule(ctx context.Context, m Module) error {
	return in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		signatures := strings.TrimSpace(m.Signatures)
		known, err := conn.Exec(ctx, `update ichor.guest_module m set stored_at = now(), `+withSignatures+` where digest = $1`, m.Digest, signatures)
		if err == nil && known.RowsAffected() == 0 {
			_, err = conn.Exec(ctx, `insert into ichor.guest_module as m (digest, signatures, name, module) values ($1, nullif($2, ''), $3, $4)
				on conflict (digest) do update set stored_at = now(), `+withSignatures, m.Digest, signatures, m.Guest, m.Bytes)
		}
		if err != nil {
			return failure(err, "store the guest's module")
		}
		return nil
	})
}

// withSignatures sets the signatures to those that are there and the lines of $2.
const withSignatures = `signatures = (
	select string_agg(distinct line, E'\n') from unnest(string_to_array(concat_ws(E'\n', m.signatures, $2::text), E'\n')) line where line <> '')`

// Prune removes of a guest what nobody needs, and returns how many modules that were; all of it or nothing. A host that
// does not own the cohort removes none.
//
// Of its modules those go that no version needs: all but the newest of a number, those that this host has in use, those
// that the history names for versions above the snapshot, and those by which a version was converted that is held. Of
// modules that are gone that they passed checks goes, but for the newest of the same number, and what became of them, but
// for the newest events of another number. What says which module is wanted, and the newest of what became of a module
// that is there, stays.
func (in *Installer) Prune(ctx context.Context, guest string, keep, events int, inUse []string) (pruned int64, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, `delete from ichor.guest_module m using ichor.state s
				where s.epoch = $1 and s.token = $2 and m.name = $3 and m.digest <> all(coalesce($5::text[], '{}'))
				  and m.digest not in (select digest from ichor.guest_module where name = $3 order by stored_at desc, digest limit $4)
				  and not exists (
					select from ichor.guest_history h where h.digest = m.digest and (h.from_version > s.snapshot
						or not h.only_version and not exists (
							select from ichor.guest_history n where n.name = h.name and not n.only_version
							and n.from_version > h.from_version and n.from_version <= s.snapshot + 1)))
				  and not exists (select from ichor.quarantine q where q.digest = m.digest and q.held)`,
				in.own.epoch, in.own.token, guest, keep, inUse)
			if err != nil {
				return failure(err, "prune the guests' modules")
			}
			pruned = tag.RowsAffected()
			if err := in.pruneRows(ctx, tx, guest, keep, events); err != nil {
				return failure(err, "prune what is remembered of the guests")
			}
			return nil
		})
	})
	return pruned, err
}

// pruneRows removes the rows of modules that are gone.
func (in *Installer) pruneRows(ctx context.Context, tx pgx.Tx, guest string, checks, events int) error {
	_, err := tx.Exec(ctx, `delete from ichor.guest_check c using ichor.state s
		where s.epoch = $1 and s.token = $2 and c.guest = $3
		  and not exists (select from ichor.guest_module m where m.digest = c.digest)
		  and c.name not in (select name from ichor.guest_check where guest = $3 order by passed_at desc, name limit $4)`,
		in.own.epoch, in.own.token, guest, checks)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `delete from ichor.guest_event e using ichor.state s
		where s.epoch = $1 and s.token = $2 and e.guest = $3
		  and e.id <= (select id from ichor.guest_event where guest = $3 order by id desc offset $4 limit 1)
		  and e.id not in (select max(n.id) from ichor.guest_event n join ichor.guest_module m using (digest) where n.guest = $3 group by n.digest, n.state)
		  and e.id is distinct from (select max(id) from ichor.guest_event where guest = $3 and state in ('armed', 'back'))
		  and e.id is distinct from (select max(id) from ichor.guest_event where guest = $3 and state = 'armed' and who = $5)`,
		in.own.epoch, in.own.token, guest, events, WhoFile)
	return err
}

const selectModule = "select name, digest, module, coalesce(signatures, '') from ichor.guest_module where digest = $1"

// LoadModule returns a module that was stored, or an error that says what to do without it.
func (in *Installer) LoadModule(ctx context.Context, name, digest string) (Module, error) {
	return in.loadModule(ctx, digest, &NotReadyError{
		What: fmt.Sprintf("the history says that guest %s with digest %s converts versions that are not installed yet, and ichor.guest_module does not have it", name, digest),
		Hint: "put that file into the guest directory and start again",
	})
}

// ModuleOf returns the module of a digest, whatever the history says of it.
func (in *Installer) ModuleOf(ctx context.Context, digest string) (Module, error) {
	return in.loadModule(ctx, digest, &NotReadyError{What: "ichor.guest_module does not have the module " + digest, Hint: "look for the file with that SHA-256"})
}

func (in *Installer) loadModule(ctx context.Context, digest string, missing error) (m Module, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		m, err = scanModule(conn.QueryRow(ctx, selectModule, digest))
		if errors.Is(err, pgx.ErrNoRows) {
			return missing
		}
		if err != nil {
			return failure(err, "load the guest's module from ichor.guest_module")
		}
		return nil
	})
	return m, err
}

func scanModule(row pgx.Row) (m Module, err error) {
	err = row.Scan(&m.Guest, &m.Digest, &m.Bytes, &m.Signatures)
	return m, err
}

// History returns which guest converts what, as it was recorded.
func (in *Installer) History(ctx context.Context) (history cohort.History, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		history, err = loadHistory(ctx, conn)
		return err
	})
	return history, err
}

// Routes returns which routes versions went by, as it was recorded.
func (in *Installer) Routes(ctx context.Context) (routes []cohort.Routes, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		routes, err = loadRoutes(ctx, conn)
		return err
	})
	return routes, err
}

// Passed reports whether a check of a guest's module was passed before; check names it by all
// that its result depends on.
func (in *Installer) Passed(ctx context.Context, check string) (known bool, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "select exists (select from ichor.guest_check where name = $1)", check).Scan(&known)
		if err != nil {
			return failure(err, "ask whether a check was passed")
		}
		return nil
	})
	return known, err
}

// KeepPassed remembers that a check was passed; guest and digest are for people.
func (in *Installer) KeepPassed(ctx context.Context, check, guest, digest string) error {
	return in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "insert into ichor.guest_check (name, guest, digest) values ($1, $2, $3) on conflict (name) do nothing",
			check, guest, digest)
		if err != nil {
			return failure(err, "keep that a check was passed")
		}
		return nil
	})
}
