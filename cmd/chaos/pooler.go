package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// behind has the host reach the database by way of a pooler of sessions from now on, or without one: another
// host takes its place.
func (w *world) behind(ctx context.Context, pooled bool) (err error) {
	if w.pooled == pooled {
		return nil
	}
	if w.pooler == nil {
		if w.pooler, err = w.startPooler(ctx, "session"); err != nil {
			return err
		}
	}
	w.pooled = pooled
	before := w.host
	w.host, err = w.second(ctx)
	err = errors.Join(err, w.dismiss(before))
	if err == nil {
		err = w.becomes(ctx, w.host, owns)
	}
	return err
}

// startPooler starts a PgBouncer before the proxy.
func (w *world) startPooler(ctx context.Context, mode string) (*pgtest.Pooler, error) {
	at := w.proxy.Address()
	return pgtest.StartPooler(ctx, at.IP.String(), at.Port, mode, role)
}

func killPooler(ctx context.Context, w *world) error {
	w.pooler.Kill()
	return errors.Join(w.some(ctx, 2*time.Second), w.pooler.Restart(ctx))
}

// refuseTransactions starts a host behind a pooler that gives a session away after each transaction: it ends
// with the pooler's name, and takes nothing.
func refuseTransactions(ctx context.Context, w *world) error {
	pooler, err := w.startPooler(ctx, "transaction")
	if err != nil {
		return err
	}
	before, err := w.epoch(ctx)
	if err == nil {
		err = w.refused(ctx, as(pooler.URL(database), role, firstPassword))
	}
	if err == nil {
		var after int64
		if after, err = w.epoch(ctx); err == nil && after != before {
			err = violated("behind a pooler of transactions the epoch went from %d to %d", before, after)
		}
	}
	return errors.Join(err, pooler.Close())
}

// refused checks that a host with the settings of this one, but for the address of the database, ends and
// says what to do about the pooler.
func (w *world) refused(ctx context.Context, url string) error {
	text, err := os.ReadFile(w.settings())
	if err != nil {
		return err
	}
	listen, err := hosttest.FreeAddress()
	if err != nil {
		return err
	}
	login := w.stage.Path("transactions.url")
	if err := os.WriteFile(login, []byte(url), 0o600); err != nil {
		return err
	}
	text = bytes.ReplaceAll(text, []byte(w.login(w.host.Settings)), []byte(login))
	text = bytes.ReplaceAll(text, []byte(w.host.Address), []byte(listen))
	file := w.stage.Path("transactions.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.options.Patience)
	defer cancel()
	_, err = w.stage.Ichor(ctx, "run", "-c", file)
	if err == nil || !strings.Contains(err.Error(), "pool_mode=session") {
		return violated("behind a pooler of transactions a host does not say that it needs pool_mode=session: %v", err)
	}
	return nil
}
