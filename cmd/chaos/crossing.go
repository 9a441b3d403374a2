package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

const (
	// crossesFor is how long at least answers of the database overtake one another.
	crossesFor = 3 * time.Second
	// crossings is how often at least one of a login has overtaken one of a COMMIT by then, and the other way round.
	crossings = 5
	// latest is by how much an answer comes later at most: less than a host's lease, and more than a commit takes.
	latest = 700 * time.Millisecond
)

// crossAnswers has the answers of the database that let sessions in, and those of COMMIT, come so much later that they
// overtake one another, while one lane after the other is made to connect again.
func crossAnswers(ctx context.Context, w *world) error {
	logins, commits := w.proxy.Crossed()
	w.proxy.Stagger(pgtest.Stagger{Login: latest, Commit: latest, User: role, Seed: w.random.Uint64()})
	defer w.proxy.Stagger(pgtest.Stagger{})
	return w.amid(ctx, func() error {
		for begun := time.Now(); ; {
			err := w.exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'ichor lane %' order by random() limit 1`)
			if err == nil {
				err = w.some(ctx, 2*latest)
			}
			if err != nil {
				return err
			}
			byLogins, byCommits := w.proxy.Crossed()
			switch took := time.Since(begun); {
			case took > crossesFor && byLogins-logins >= crossings && byCommits-commits >= crossings:
				return nil
			case took > w.options.Patience:
				return fmt.Errorf("within %v %d answers of logins overtook one of a COMMIT, and %d the other way round", took, byLogins-logins, byCommits-commits)
			}
		}
	})
}
