package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
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
func (in *Installer) StoreModule(ctx context.Context, m Module) error {
	return in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `insert into ichor.guest_module as m (digest, name, module, signatures) values ($1, $2, $3, nullif($4, ''))
			on conflict (digest) do update set stored_at = now(), signatures = (
				select string_agg(distinct line, E'\n')
				from unnest(string_to_array(concat_ws(E'\n', m.signatures, excluded.signatures), E'\n')) line where line <> '')`,
			m.Digest, m.Guest, m.Bytes, strings.TrimSpace(m.Signatures))
		if err != nil {
			return failure(err, "store the guest's module")
		}
		return nil
	})
}

// PruneModules removes the modules of a guest that no version needs, and returns how many: all but the
// newest of a number, those that this host has in use, those that the history names for versions above
// the snapshot, and those by which a version was converted that is held. A host that does not own the
// cohort removes none.
func (in *Installer) PruneModules(ctx context.Context, guest string, keep int, inUse []string) (pruned int64, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, `delete from ichor.guest_module m using ichor.state s
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
		return nil
	})
	return pruned, err
}

const selectModule = "select name, digest, module, coalesce(signatures, '') from ichor.guest_module where digest = $1"

// LoadModule returns a module that was stored, or an error that says what to do without it.
func (in *Installer) LoadModule(ctx context.Context, name, digest string) (Module, error) {
	return in.loadModule(ctx, digest, &NotReadyError{
		fmt.Sprintf("the history says that guest %s with digest %s converts versions that are not installed yet, and ichor.guest_module does not have it", name, digest),
		"put that file into the guest directory and start again",
	})
}

// ModuleOf returns the module of a digest, whatever the history says of it.
func (in *Installer) ModuleOf(ctx context.Context, digest string) (Module, error) {
	return in.loadModule(ctx, digest, &NotReadyError{"ichor.guest_module does not have the module " + digest, "look for the file with that SHA-256"})
}

func (in *Installer) loadModule(ctx context.Context, digest string, missing error) (m Module, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		m, err = scanModule(conn.QueryRow(ctx, selectModule, digest))
		if errors.Is(err, pgx.ErrNoRows) {
			return missing
		}
		if err != nil {
			return failure(err, "load the guest's module")
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
func (in *Installer) History(ctx context.Context) (history []Use, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		history, err = loadHistory(ctx, conn)
		return err
	})
	return history, err
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
