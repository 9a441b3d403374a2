package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What is committed, in the order of the commits: each change of a row that says who owns the cohort and how far
// it is, and each version that is written to an account. The triggers number a change while they hold its row's
// lock, which the transaction keeps to its end, so for each row the order of the numbers is that of the commits.
const sqlWatch = `create table watched_commits (id bigserial primary key, row text, epoch bigint, token bigint, snapshot bigint, resume bigint);
	create table watched_writes (id bigserial primary key, account text, version bigint);
	create function watch_state() returns trigger language plpgsql as $$ begin
		insert into public.watched_commits (row, epoch, token, snapshot, resume) values ('state', new.epoch, new.token, new.snapshot, coalesce(new.resume, 0)); return null; end $$;
	create function watch_lane() returns trigger language plpgsql as $$ begin
		insert into public.watched_commits (row, epoch, token, snapshot, resume) values ('lane ' || new.lane, new.epoch, new.token, 0, 0); return null; end $$;
	create function watch_beat() returns trigger language plpgsql as $$ begin
		insert into public.watched_commits (row, epoch, token, snapshot, resume) values ('beat', new.epoch, new.token, 0, 0); return null; end $$;
	create function watch_account() returns trigger language plpgsql as $$ begin
		insert into public.watched_writes (account, version) values (new.number, new.version); return null; end $$;
	create trigger watch after update on ichor.state for each row execute function watch_state();
	create trigger watch after update on ichor.lane for each row execute function watch_lane();
	create trigger watch after update on ichor.beat for each row execute function watch_beat();
	create trigger watch after update on bank_accounts for each row when (old.touched = new.touched) execute function watch_account()`

// commit is a change of a row that says who owns the cohort, or how far it is.
type commit struct {
	row                            string // state, beat, or a lane's
	epoch, token, snapshot, resume int64  // the last two of state
}

// fenced checks the commits of each row in their order: no owner commits after the next one has (I9), an epoch is
// one owner's, and snapshot and resume point never go back (I7, I8).
func fenced(all []commit) error {
	last, owners := map[string]commit{}, map[int64]int64{}
	for _, c := range all {
		before := last[c.row]
		if _, known := owners[c.epoch]; !known {
			owners[c.epoch] = c.token
		}
		switch {
		case c.epoch < before.epoch:
			return violated("epoch %d commits to %s after epoch %d has", c.epoch, c.row, before.epoch)
		case c.token != owners[c.epoch]:
			return violated("two owners commit with epoch %d, the second to %s", c.epoch, c.row)
		case c.snapshot < before.snapshot:
			return violated("the snapshot goes back from %d to %d", before.snapshot, c.snapshot)
		case c.resume < before.resume:
			return violated("the resume point goes back from %d to %d", before.resume, c.resume)
		}
		last[c.row] = c
	}
	return nil
}

// written is a version that was written to an account.
type written struct {
	account string
	version int64
}

// ordered checks that each account was written in the order of versions, and by each once (I10): in this traffic
// versions conflict exactly where they write the same account.
func ordered(all []written) error {
	last := map[string]int64{}
	for _, w := range all {
		if before := last[w.account]; w.version <= before {
			return violated("version %d writes account %s after version %d has", w.version, w.account, before)
		}
		last[w.account] = w.version
	}
	return nil
}

// watched checks what the triggers have noted.
func (w *world) watched(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return err
	}
	commits, err := collect(ctx, conn, "select row, epoch, token, snapshot, resume from watched_commits order by id", func(row pgx.CollectableRow) (c commit, err error) {
		return c, row.Scan(&c.row, &c.epoch, &c.token, &c.snapshot, &c.resume)
	})
	var writes []written
	if err == nil {
		writes, err = collect(ctx, conn, "select account, version from watched_writes order by id", func(row pgx.CollectableRow) (x written, err error) {
			return x, row.Scan(&x.account, &x.version)
		})
	}
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	w.commits, w.writes = len(commits), len(writes)
	return errors.Join(fenced(commits), ordered(writes))
}

// seen says how much was looked at so far.
func (w *world) seen() string {
	counted := 0
	for _, n := range w.counts {
		counted += n
	}
	return fmt.Sprintf("in order: %d commits of owners, %d writes to accounts; published offsets not above the resume point: %d; positions counted once: %d",
		w.commits, w.writes, w.offsets.looks(), counted)
}

func collect[R any](ctx context.Context, conn *pgx.Conn, sql string, scan func(pgx.CollectableRow) (R, error)) ([]R, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}
