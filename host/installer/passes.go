package installer

import (
	"context"

	"github.com/jackc/pgx/v5"
)

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
