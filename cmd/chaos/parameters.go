package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// parameters are what the address of the database says for this fault beside where it is.
const parameters = "&search_path=public&options=-c%20search_path%3Dpublic%20-c%20statement_timeout%3D0"

// What a session of the hosts' role finds if nothing but its start-up message says where the cohort's tables are: others of the
// same names, and rows whose version, which nobody gives them, is 0.
const (
	sqlElsewhere = `create schema elsewhere authorization ` + role + `;
		create table elsewhere.bank_accounts as table public.bank_accounts;
		create table elsewhere.cohort_snapshot as table public.cohort_snapshot;
		update elsewhere.bank_accounts set version = 0;
		update elsewhere.cohort_snapshot set version = 0;
		grant all on all tables in schema elsewhere to ` + role + `;
		alter role ` + role + ` set search_path = elsewhere`
	sqlWentElsewhere = `select (select count(*) from elsewhere.bank_accounts where version <> 0) + (select count(*) from elsewhere.cohort_snapshot where version <> 0)`
	sqlNotElsewhere  = "alter role " + role + " reset search_path; drop schema elsewhere cascade"
)

// dropParameters has what stands between a host and the database drop the parameters of each start-up message, among them
// those of the host's own address. The host says what its sessions depend on once more when they have begun, so it goes on
// installing as before, and where it should.
func dropParameters(ctx context.Context, w *world) error {
	if err := w.host.Check(); err != nil {
		return err
	}
	login := w.login(w.host.Settings)
	err := errors.Join(w.exec(ctx, sqlElsewhere), os.WriteFile(login, []byte(w.url()+parameters), 0o600))
	if err != nil {
		return err
	}
	w.host.Kill()
	w.proxy.DropParameters(true)
	w.proxy.Cut() // a pooler keeps sessions that began before
	if err = w.host.Start(); err == nil {
		err = w.becomes(ctx, w.host, owns)
	}
	if err == nil {
		err = w.amid(ctx, func() error { return errors.Join(w.goesOn(ctx), endBackends(ctx, w), w.goesOn(ctx), w.goesOn(ctx)) })
	}
	rows := 0
	if err == nil {
		err = w.query(ctx, &rows, sqlWentElsewhere)
	}
	if err == nil && rows > 0 {
		err = violated("%d rows were written in another schema", rows)
	}
	w.proxy.DropParameters(false)
	w.over = time.Now()
	return errors.Join(err, os.WriteFile(login, []byte(w.url()), 0o600), w.exec(ctx, sqlNotElsewhere))
}
