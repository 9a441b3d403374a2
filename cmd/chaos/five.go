package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// steady is how long hosts are looked at that must leave one another alone.
const steady = time.Second

// fiveAtOnce starts five hosts on a cohort that nobody owns and kills the owner, twice. One of those that
// live owns the cohort, the others stand by, and the epoch counts no other take-overs.
func fiveAtOnce(ctx context.Context, w *world) (err error) {
	if err := w.dismiss(w.host); err != nil {
		return err
	}
	epoch, err := w.epoch(ctx)
	if err != nil {
		return err
	}
	var hosts []*stage.Host
	defer func() {
		for _, h := range hosts {
			if h != w.host {
				err = errors.Join(err, w.dismiss(h))
			}
		}
	}()
	for range 5 {
		h, err := w.newHost(ctx)
		if err != nil {
			return err
		}
		hosts = append(hosts, h)
	}
	for _, h := range hosts {
		if err := h.Start(); err != nil {
			return err
		}
	}
	for killed := range 3 {
		if w.host, err = w.oneOwns(ctx, hosts, epoch+int64(killed)+1); err != nil || killed == 2 {
			return err
		}
		w.host.Kill()
		w.ready.forget(w.host.Address)
		hosts = slices.DeleteFunc(hosts, func(h *stage.Host) bool { return h == w.host })
	}
	return nil
}

// oneOwns waits until one of the hosts owns the cohort and the others stand by, and looks for a while whether
// that, and the epoch, stay so.
func (w *world) oneOwns(ctx context.Context, hosts []*stage.Host, epoch int64) (owner *stage.Host, err error) {
	var since time.Time
	for begun := time.Now(); ; {
		owner, others, unknown, err := w.roles(ctx, hosts)
		if err != nil {
			return hosts[0], err
		}
		settled := owner != nil && others == len(hosts)-1
		switch {
		case !settled && !since.IsZero() && unknown == 0:
			return hosts[0], violated("of %d hosts one owned the cohort and the others stood by, and then %d did", len(hosts), others)
		case !settled && time.Since(begun) > w.options.Patience:
			return hosts[0], violated("of %d hosts %d stand by after %v, and one should own the cohort", len(hosts), others, w.options.Patience)
		case settled && since.IsZero():
			since = time.Now()
		case settled && time.Since(since) > steady:
			is, err := w.epoch(ctx)
			if err == nil && is != epoch {
				err = violated("the epoch is %d, and with one take-over for each owner it were %d", is, epoch)
			}
			return owner, err
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return hosts[0], err
		}
	}
}

// roles asks the hosts what they are: the owner, how many stand by, how many do not answer. Two owners are an
// error.
func (w *world) roles(ctx context.Context, hosts []*stage.Host) (owner *stage.Host, others, unknown int, err error) {
	for _, h := range hosts {
		if err := h.Check(); err != nil {
			return nil, 0, 0, violated("%v", err)
		}
		switch phase := phaseOf(ctx, h); {
		case phase == "":
			unknown++
		case phase == standsBy:
			others++
		case phase == owns && owner != nil:
			return nil, 0, 0, violated("two hosts own the cohort at a time; the log of one ends:\n%s\nand of the other:\n%s", owner.Tail(), h.Tail())
		case phase == owns:
			owner = h
		}
	}
	return owner, others, unknown, nil
}

// epoch reads how often the cohort was taken over.
func (w *world) epoch(ctx context.Context) (epoch int64, err error) {
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return 0, err
	}
	if err = conn.QueryRow(ctx, "select epoch from ichor.state").Scan(&epoch); err != nil {
		err = fmt.Errorf("read the epoch: %w", err)
	}
	return epoch, errors.Join(err, conn.Close(ctx))
}
