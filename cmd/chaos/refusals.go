package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/status"
)

// refusals are the faults of a database that answers, and does not do what it is asked for.
var refusals = []fault{
	{"a statement always times out", 1, []status.Reason{status.SlowStatement, status.PoisonHeld}, false, dawdle},
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
