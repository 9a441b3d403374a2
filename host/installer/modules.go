package installer

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// StoreModule keeps a guest's module by its digest. It must be durable before the module's
// first conversion is installed.
func (in *Installer) StoreModule(ctx context.Context, name, digest string, module []byte) error {
	return in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "insert into ichor.guest_module (digest, name, module) values ($1, $2, $3) on conflict (digest) do nothing",
			digest, name, module)
		if err != nil {
			return failure(err, "store the guest's module")
		}
		return nil
	})
}

// LoadModule returns a module that was stored, or an error that says what to do without it.
func (in *Installer) LoadModule(ctx context.Context, name, digest string) ([]byte, error) {
	var module []byte
	err := in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "select module from ichor.guest_module where digest = $1", digest).Scan(&module)
		if errors.Is(err, pgx.ErrNoRows) {
			return &NotReadyError{fmt.Sprintf("the history says that guest %s with digest %s converts versions that are not installed yet, and ichor.guest_module does not have it", name, digest),
				"put that file into the guest directory and start again"}
		}
		if err != nil {
			return failure(err, "load the guest's module")
		}
		return nil
	})
	return module, err
}

// ModuleOf returns the module of a digest, and the name of its guest.
func (in *Installer) ModuleOf(ctx context.Context, digest string) (name string, module []byte, err error) {
	err = in.with(ctx, "guest", func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "select name, module from ichor.guest_module where digest = $1", digest).Scan(&name, &module)
		if errors.Is(err, pgx.ErrNoRows) {
			return &NotReadyError{"ichor.guest_module does not have the module " + digest, "look for the file with that SHA-256"}
		}
		if err != nil {
			return failure(err, "load the guest's module")
		}
		return nil
	})
	return name, module, err
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
