package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// frozenFor is longer than a fetch takes that was under way when the host was frozen.
const frozenFor = 2 * time.Second

// lastly does to the log what there is no way back from but an operator's, after everything else and after the other writer has ended.
func (w *world) lastly(ctx context.Context) error {
	if w.random.IntN(3) == 0 {
		return w.cutShort(ctx)
	}
	return w.madeAgain(ctx)
}

// cutShort has retention take what lies above the resume point while the host is stopped, as of one that was forgotten for a week: the
// next start refuses the log with both numbers, takes nothing over and installs nothing.
func (w *world) cutShort(ctx context.Context) error {
	how := []string{"drained", "killed"}[w.random.IntN(2)]
	if how == "killed" {
		w.host.Kill()
	} else if err := w.host.Stop(); err != nil {
		return err
	}
	return w.installsNothing(ctx, "what it had not read yet was taken while the host was "+how, func() error {
		_, resume, err := w.published(ctx, w.server.URL(database))
		if err == nil {
			err = w.traffic.batch(ctx, chunk, 0)
		}
		gone := resume + 1 + w.random.Int64N(chunk)
		if err == nil {
			err = w.traffic.broker.DeleteRecordsBefore(ctx, topic, gone)
		}
		if err == nil {
			err = w.startIsRefused(ctx, fmt.Sprintf("log truncated: it is to be read from position %d, and starts at %d", resume, gone))
		}
		return err
	})
}

// installsNothing checks that nothing is installed by what is done to the log, which a host is to refuse.
func (w *world) installsNothing(ctx context.Context, what string, do func() error) error {
	before, err := w.digest(ctx)
	if err == nil {
		err = do()
	}
	if err != nil {
		return err
	}
	after, err := w.digest(ctx)
	if err == nil && after != before {
		err = violated("%s, and something was installed: the tables were %s and are %s", what, before, after)
	}
	if err == nil {
		w.note("in the end %s: refused", what)
	}
	return err
}

// madeAgain makes the topic again while the host is stopped: it is drained, killed, or frozen. What a host finds then is another
// log, first a shorter one and then one that is longer than its own was, with candidates that could be installed: it refuses both
// by name, takes nothing over and installs nothing.
func (w *world) madeAgain(ctx context.Context) error {
	how := []string{"drained", "killed", "frozen"}[w.random.IntN(3)]
	stop := map[string]func() error{
		"drained": w.host.Stop,
		"killed":  func() error { w.host.Kill(); return nil },
		"frozen":  func() error { return w.host.Signal(syscall.SIGSTOP) },
	}
	if err := stop[how](); err != nil {
		return err
	}
	return w.installsNothing(ctx, "the topic was made again while the host was "+how, func() error {
		another := w.another()
		return errors.Join(w.refusesAnother(ctx, another, how == "frozen"), another.broker.Stop())
	})
}

// refusesAnother puts another log in the place of the hosts' own, and has each host refuse it.
func (w *world) refusesAnother(ctx context.Context, another *traffic, frozen bool) error {
	const why = "log diverged: "
	end, err := another.broker.End(ctx, topic)
	if err == nil {
		err = another.broker.DeleteTopic(ctx, topic)
	}
	if err == nil {
		err = another.broker.CreateTopic(ctx, topic, 1, nil)
	}
	if err == nil {
		err = another.begin(ctx)
	}
	if err == nil && frozen {
		if err = errors.Join(hosttest.Sleep(ctx, frozenFor), w.host.Signal(syscall.SIGCONT)); err == nil {
			err = w.endsBy(ctx, w.options.Patience, logDiverged+": "+why)
		}
	}
	if err == nil {
		err = w.startIsRefused(ctx, why)
	}
	for at := int64(0); err == nil && at <= end; {
		if err = another.batch(ctx, w.options.Batch, 0); err == nil {
			at, err = another.broker.End(ctx, topic)
		}
	}
	if err == nil {
		err = w.startIsRefused(ctx, why)
	}
	return err
}

// another is traffic whose versions begin at 1 again.
func (w *world) another() *traffic {
	return &traffic{broker: kafkatest.Elsewhere(w.broker.other), random: w.random, accounts: w.traffic.accounts, touched: map[string]int{}}
}

// digest sums up the cohort's tables and what the hosts wrote down.
func (w *world) digest(ctx context.Context) (sum string, err error) {
	err = w.query(ctx, &sum, `select md5((select string_agg(a::text, ',' order by number) from bank_accounts a)) || ', snapshot ' || (select version from cohort_snapshot)
		|| ', epoch ' || (select epoch from ichor.state) || ', ledger ' || (select count(*) from ichor.ledger) || ', quarantine ' || (select count(*) from ichor.quarantine)`)
	return sum, err
}
