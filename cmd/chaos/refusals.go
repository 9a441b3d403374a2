package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/status"
)

// refusals are the faults of a database that answers, and does not do what it is asked for.
var refusals = []fault{
	{"a statement always times out", 1, []status.Reason{status.SlowStatement, status.PoisonHeld}, false, dawdle},
	{"a right is revoked for one table", 1, wrongSQL, false, revoke("update on bank_accounts")},
	{"every right is revoked", 1, slices.Concat(cuts, wrongSQL), false, revoke("all on all tables in schema public, ichor")},
	{"the role has too many connections", 1, noServer, false, refuseRole},
	{"the database is a standby", 1, noServer, false, lasting(standBy)},
	{"the database takes no writes", 1, noServer, false, takeNoWrites},
	{"the password is changed", 1, noServer, false, changePassword},
	{"deadlocks", 1, locks, false, deadlock},
	{"serialization failures", 1, locks, false, upTo(3*time.Second, failSerialization)},
}

// What makes an update of one account by a host last for longer than any time-out.
const (
	sqlDawdle = `create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
		create trigger dawdle before update on bank_accounts for each row
			when (current_user = '` + role + `' and new.version is distinct from old.version and new.number = '%s') execute function dawdle()`
	sqlNoDawdle = "drop trigger dawdle on bank_accounts; drop function dawdle()"
)

// dawdle has every version that writes a hot account run into statement_timeout until one is held for it, and is
// over when the cause is: what is held is tried again by itself.
func dawdle(ctx context.Context, w *world) error {
	if err := w.exec(ctx, fmt.Sprintf(sqlDawdle, w.bank.Opening.Accounts[0])); err != nil {
		return err
	}
	return errors.Join(w.says(ctx, status.SlowStatement, status.PoisonHeld), w.exec(ctx, sqlNoDawdle))
}

// revoke takes rights from the hosts' role and gives them back: what is held by then is tried again by itself.
func revoke(rights string) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		if err := w.exec(ctx, "revoke "+rights+" from "+role); err != nil {
			return err
		}
		err := hosttest.Sleep(ctx, long)
		w.over = time.Now()
		return errors.Join(err, w.exec(ctx, "grant "+rights+" to "+role))
	}
}

// refuseRole ends the role's connections and lets it have none, as a server whose others have taken all.
func refuseRole(ctx context.Context, w *world) error {
	if err := w.exec(ctx, "alter role "+role+" connection limit 0"); err != nil {
		return err
	}
	return errors.Join(endBackends(ctx, w), hosttest.Sleep(ctx, long), w.exec(ctx, "alter role "+role+" connection limit -1"))
}

// standBy has connections reach a server that is in recovery for a while, as behind a name that leads to the wrong
// one, and the primary again.
func standBy(ctx context.Context, w *world, d time.Duration) (err error) {
	if err := w.server.Stop(); err != nil {
		return err
	}
	if w.standby, err = w.server.Standby(ctx); err != nil {
		return errors.Join(err, w.server.Restart(ctx))
	}
	w.proxy.Point(w.standby)
	err = errors.Join(w.server.Restart(ctx), hosttest.Sleep(ctx, d))
	w.proxy.Point(w.server)
	w.over = time.Now()
	w.proxy.Cut() // the standby would be asked for ever by what does not write
	err = errors.Join(err, w.standby.Close())
	w.standby = nil
	return err
}

// What has sessions that begin from then on take no writes, and takes that back, itself in such a session.
const (
	sqlReadOnly  = "alter database " + database + " set default_transaction_read_only = on"
	sqlReadWrite = "begin read write; alter database " + database + " reset default_transaction_read_only; commit"
)

// takeNoWrites has the database take no writes for as long as a host must explain, as an operator sets it who moves it elsewhere, and
// ends the sessions that may write. Those that began meanwhile never may: a host gives its own up by itself, and the other writer's are ended.
func takeNoWrites(ctx context.Context, w *world) error {
	err := errors.Join(w.exec(ctx, sqlReadOnly), endBackends(ctx, w), w.says(ctx, status.DatabaseUnavailable), hosttest.Sleep(ctx, long))
	w.over = time.Now()
	return errors.Join(err, w.exec(ctx, sqlReadWrite), w.exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where usename = '"+otherRole+"'"))
}

// changePassword has the server ask the role for a password that is another one than the host knows, and writes it
// into the host's file later: it must be read again without a restart.
func changePassword(ctx context.Context, w *world) error {
	w.password = fmt.Sprintf("changed%d", w.random.Uint32())
	err := errors.Join(w.server.RequirePasswordsOf(ctx, role), w.exec(ctx, fmt.Sprintf("alter role %s password '%s'", role, w.password)),
		hosttest.Sleep(ctx, 200*time.Millisecond), // until the rules are read
		endBackends(ctx, w), hosttest.Sleep(ctx, long))
	before, unknown := w.state(ctx)
	w.over = time.Now()
	err = errors.Join(err, unknown, os.WriteFile(w.login(w.host.Settings), []byte(w.url()), 0o600))
	if err == nil {
		err = w.passes(ctx, before.snapshot)
	}
	return errors.Join(err, w.server.RequirePasswordsOf(ctx))
}

// deadlocksFor is how long at least strangers lock the rows that are hot in an order of their own.
const deadlocksFor = 3 * time.Second

// deadlock has strangers lock two hot rows after each other while the server looks for deadlocks so soon that the
// hosts' transactions are those that it ends.
func deadlock(ctx context.Context, w *world) error {
	if err := w.exec(ctx, "alter system set deadlock_timeout = '10ms'"); err != nil {
		return err
	}
	before, err := w.deadlocks(ctx)
	err = errors.Join(err, w.exec(ctx, "select pg_reload_conf()"))
	if err == nil {
		crossing, stop := context.WithCancel(ctx)
		var both sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			both.Go(func() { errs[i] = w.cross(crossing, rand.New(rand.NewPCG(w.options.Seed, uint64(i)))) })
		}
		err = w.deadlocked(ctx, before)
		stop()
		both.Wait()
		err = errors.Join(err, errors.Join(errs...))
	}
	return errors.Join(err, w.exec(ctx, "alter system reset deadlock_timeout"), w.exec(ctx, "select pg_reload_conf()"))
}

// deadlocked waits for as long as strangers lock rows at least, and until the server has ended a deadlock.
func (w *world) deadlocked(ctx context.Context, before int64) error {
	for begun := time.Now(); ; {
		if err := hosttest.Sleep(ctx, deadlocksFor/10); err != nil {
			return err
		}
		now, err := w.deadlocks(ctx)
		if err != nil || now > before && time.Since(begun) > deadlocksFor {
			return err
		}
		if time.Since(begun) > w.options.Patience {
			return fmt.Errorf("no deadlock came within %v", w.options.Patience)
		}
	}
}

// cross locks two hot rows in an order that is chosen anew, again and again until it is told to end. What the server refuses it gives up.
func (w *world) cross(ctx context.Context, random *rand.Rand) error {
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(ctx, "set deadlock_timeout = '1min'; set lock_timeout = '1s'"); err != nil { // the other side finds it
		return err
	}
	for ctx.Err() == nil {
		first := random.IntN(4)
		second := (first + 1 + random.IntN(3)) % 4
		_ = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, i := range []int{first, second} {
				if _, err := tx.Exec(ctx, "select from bank_accounts where number = $1 for update", w.bank.Opening.Accounts[i]); err != nil {
					return err
				}
				if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return nil
}

// deadlocks reads how many the server has ended.
func (w *world) deadlocks(ctx context.Context) (n int64, err error) {
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, "select deadlocks from pg_stat_database where datname = current_database()").Scan(&n)
	return n, errors.Join(err, conn.Close(ctx))
}

// What fails a third of the updates by hosts as a database does that cannot serialize them.
const (
	sqlUnserial = `create function unserial() returns trigger language plpgsql as $$ begin
			if random() < 0.3 then raise exception 'could not serialize access due to concurrent update' using errcode = '40001'; end if; return new; end $$;
		create trigger unserial before update on bank_accounts for each row
			when (current_user = '` + role + `' and new.version is distinct from old.version) execute function unserial()`
	sqlSerial = "drop trigger unserial on bank_accounts; drop function unserial()"
)

// failSerialization has the server refuse to serialize updates for a while.
func failSerialization(ctx context.Context, w *world, d time.Duration) error {
	if err := w.exec(ctx, sqlUnserial); err != nil {
		return err
	}
	return errors.Join(hosttest.Sleep(ctx, d), w.exec(ctx, sqlSerial))
}
