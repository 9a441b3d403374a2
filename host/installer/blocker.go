package installer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// watch looks once, after the given time and on a connection of its own, which sessions hold the lock
// that a backend waits for. blockers describes them; it returns "" if there were none. end stops the
// watch.
func (in *Installer) watch(pid uint32, after time.Duration) (blockers func() string, end func()) {
	ctx, end := context.WithCancel(context.Background())
	seen := make(chan string, 1)
	go func() {
		select {
		case <-ctx.Done():
			seen <- ""
		case <-time.After(after):
			seen <- in.blockers(ctx, pid)
		}
	}()
	return func() string {
		select {
		case s := <-seen:
			return s
		case <-time.After(after): // who waited has its answer; the looking must not keep it
			return ""
		}
	}, end
}

// inTheWay adds to a failure who held what was waited for, if that is known.
func (e *Error) inTheWay(blockers func() string) {
	if e.Class != Contention {
		return
	}
	if who := blockers(); who != "" {
		e.Err = fmt.Errorf("%w; in the way: %s", e.Err, who)
	}
}

// blockers describes the sessions that a backend waits for. Of sessions of other roles the server
// may tell a host no more than their number.
func (in *Installer) blockers(ctx context.Context, pid uint32) string {
	var all []string
	err := in.with(ctx, "look for a blocker", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select pid, coalesce(nullif(application_name, ''), 'no name'), coalesce(state, 'in a state that this role may not see'),
				coalesce(extract(epoch from now() - query_start), 0)::bigint
			from pg_stat_activity where pid = any(pg_blocking_pids($1::int)) order by pid limit 5`, int32(pid))
		if err != nil {
			return err
		}
		var other int32
		var name, state string
		var age int64
		_, err = pgx.ForEachRow(rows, []any{&other, &name, &state, &age}, func() error {
			all = append(all, fmt.Sprintf("pid %d (%s, %s, its last statement began %d s ago)", other, name, state, age))
			return nil
		})
		return err
	})
	if err != nil {
		return "" // the lane's own error says enough
	}
	return strings.Join(all, ", ")
}
