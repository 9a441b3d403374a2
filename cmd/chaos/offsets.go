package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/hosttest"
)

// offsetsEvery is how often the published offset is looked at; a host publishes at most once a second.
const offsetsEvery = 100 * time.Millisecond

// offsets holds the offset that hosts publish to the group against the resume point in the database: it is never
// above one that is durable (I8). That it goes back is no fault: a host that was frozen publishes when it wakes,
// and nobody reads it but tools. Its methods may be called from any goroutine.
type offsets struct {
	mu       sync.Mutex
	database string // the URL
	behind   bool   // a copy took the place of the database: it may lack resume points that were published
	judged   int
	wrong    error
}

// reads makes another database the one that is looked at. The first is no copy.
func (o *offsets) reads(url string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.behind = o.behind || o.database != ""
	o.database = url
}

// settled says that the database has everything that there is, and so every resume point that was published.
func (o *offsets) settled() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.behind = false
}

// judge takes an offset, below 0 for none, and the resume point that a database had AFTER it was read.
func (o *offsets) judge(database string, offset, resume int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if offset < 0 || database != o.database || o.behind {
		return
	}
	o.judged++
	if offset > resume && o.wrong == nil {
		o.wrong = violated("the offset %d is published, and the durable resume point is %d", offset, resume)
	}
}

// looks returns how often an offset was held against a resume point.
func (o *offsets) looks() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.judged
}

// end returns what was wrong since the last time.
func (o *offsets) end() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.wrong
	o.wrong = nil
	return err
}

// follow looks until the context ends. What does not answer in time is looked at later.
func (o *offsets) follow(ctx context.Context, w *world) {
	for ctx.Err() == nil {
		o.mu.Lock()
		url := o.database
		o.mu.Unlock()
		if offset, resume, err := w.published(ctx, url); err == nil {
			o.judge(url, offset, resume)
		}
		_ = hosttest.Sleep(ctx, offsetsEvery) // the context's end is seen above
	}
}

// published reads the group's offset and then the resume point; 0 before the first.
func (w *world) published(ctx context.Context, url string) (offset, resume int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if offset, err = w.traffic.broker.GroupOffset(ctx, w.stage.Group(), topic); err != nil {
		return 0, 0, err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, 0, err
	}
	err = conn.QueryRow(ctx, "select coalesce(resume, 0) from ichor.state").Scan(&resume)
	return offset, resume, errors.Join(err, conn.Close(ctx))
}

// publishes waits until the log's end is the resume point and is published (L1).
func (w *world) publishes(ctx context.Context) error {
	for begun := time.Now(); ; {
		end, err := w.traffic.broker.End(ctx, topic)
		if err != nil {
			return err
		}
		offset, resume, err := w.published(ctx, w.server.URL(database))
		switch {
		case err != nil:
			return err
		case offset == end && resume == end:
			return nil
		case time.Since(begun) > w.options.Patience:
			return violated("all is installed, and after %v the resume point is %d and the published offset %d of %d", w.options.Patience, resume, offset, end)
		}
		if err := hosttest.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
