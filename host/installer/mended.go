package installer

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// HeldCount is how many versions are held for one kind, converted by one module.
type HeldCount struct {
	Digest   string // of the module; empty for what none converted
	Kind     string // as of Held
	Versions int
}

// CountHeld counts what is held, and returns the instant of the database at which it did.
func (in *Installer) CountHeld(ctx context.Context) (counts []HeldCount, at time.Time, err error) {
	err = in.with(ctx, "quarantine", func(ctx context.Context, conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, "select clock_timestamp()").Scan(&at); err != nil {
			return failure(err, "ask the database what time it is")
		}
		rows, err := conn.Query(ctx, "select coalesce(digest, ''), kind, count(*) from ichor.quarantine where held group by 1, 2")
		if err == nil {
			counts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[HeldCount])
		}
		if err != nil {
			return failure(err, "count what is held")
		}
		return nil
	})
	return counts, at, err
}

// Mended returns the versions that another module, or none, left held, and that a module made good since an instant of
// the database: the lowest, and how many there are.
func (in *Installer) Mended(ctx context.Context, digest string, since time.Time, most int) (lowest []talos.Version, all int, err error) {
	err = in.with(ctx, "quarantine", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select version, count(*) over () from ichor.quarantine
			where not held and resolved_digest = $1 and digest is distinct from $1 and resolved_at > $2 order by version limit $3`, digest, since, most)
		if err == nil {
			var version int64
			_, err = pgx.ForEachRow(rows, []any{&version, &all}, func() error {
				lowest = append(lowest, talos.Version(version))
				return nil
			})
		}
		if err != nil {
			return failure(err, "read what a module mended")
		}
		return nil
	})
	return lowest, all, err
}
