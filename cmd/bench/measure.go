package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
)

// heapGrowth is how much the heap may grow before it is collected again, in percent of what is live. The broker of a
// benchmark lives in this process, beside the host whose speed is measured, with the whole log on its heap: at Go's 100
// its collector took 6 µs of processor time a version, of 75 that broker, host and database took together.
const heapGrowth = 400

// measure measures everything and leaves nothing behind.
func measure(ctx context.Context, o options, out io.Writer) (r *report, err error) {
	begun := time.Now()
	defer debug.SetGCPercent(debug.SetGCPercent(heapGrowth))
	say := func(format string, args ...any) {
		fmt.Fprintf(out, "%5.1f s  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
	say("starting a broker and a database, building the guest and the host")
	m, err := openStage(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	sql, err := guestSQL(m.Root)
	if err != nil {
		return nil, err
	}
	say("loading the guest for the first time: compiling it, checking its SQL")
	load, err := m.firstLoad(ctx)
	if err != nil {
		return nil, err
	}
	say("filling a topic with %d candidates and their decisions", o.Candidates)
	b, err := m.fill(ctx, backlog{name: "uniform", accounts: o.Accounts}, o.Candidates)
	if err != nil {
		return nil, err
	}
	r = &report{Candidates: o.Candidates, Versions: len(b.transfers), Rounds: o.Rounds, LaneCounts: o.LaneCounts}
	r.LoadMs, r.LoadMiB = stage.Milliseconds(load.took), load.peakMiB
	if err := r.Machine.read(ctx, m.Postgres.URL("postgres")); err != nil {
		return nil, err
	}
	if err := m.rounds(ctx, b, sql, r, say); err != nil {
		return nil, err
	}
	if r.Lanes, err = m.compareLanes(ctx, b, say); err != nil {
		return nil, err
	}
	if o.Memory > 0 {
		say("a backlog of %d candidates, decided and undecided", o.Memory)
		long, err := m.measureMemory(ctx)
		if err != nil {
			return nil, err
		}
		r.Memory = &long
	}
	if o.For > 0 {
		say("a steady load of %.0f candidates a second for %v", o.Rate, o.For)
		load, err := m.load(ctx, o, "steady.certification", m.swapping(o.For/3))
		if err != nil {
			return nil, err
		}
		r.underLoad(o, load)
		say("the same, while the guest is swapped every %v for two thirds of the time", swapEvery)
		often, err := m.load(ctx, o, "swaps.certification", m.swappingOften(o.For/(swapParts*swapRounds)))
		if err != nil {
			return nil, err
		}
		r.besideSwaps(often)
		say("the same for a third of the time, beside a cohort's initiator")
		o.For /= 3
		beside, err := m.load(ctx, o, "initiated.certification", m.initiating("initiated.certification"))
		if err != nil {
			return nil, err
		}
		r.besideInitiator(beside)
	}
	return r, nil
}

// rounds lets the host and the rungs take turns on the same server, so that what disturbs the
// machine for a while disturbs all of them.
func (m *benchmark) rounds(ctx context.Context, b *backlog, sql string, r *report, say func(string, ...any)) error {
	var runs, watched []backlogRun
	rates := make([][]float64, len(rungs))
	for n := range m.options.Rounds {
		run, err := m.install(ctx, b, m.adjust)
		if err != nil {
			return err
		}
		runs = append(runs, run)
		say("round %d: the host, %.0f versions/s, %.0f MiB at its peak", n+1, run.rate, run.peakMiB)
		if run, err = m.watched(ctx, b); err != nil {
			return err
		}
		watched = append(watched, run)
		say("round %d: the host with spans, a page and Prometheus, %.0f versions/s, %.0f MiB at its peak", n+1, run.rate, run.peakMiB)
		for i, one := range rungs {
			rate, err := m.climb(ctx, one, sql, b.transfers)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
			say("round %d: %s, %.0f versions/s", n+1, one.Name, rate)
		}
	}
	r.throughput(runs, rates)
	r.besideWatchers(runs, watched)
	return nil
}

// median returns the middle of the values, the lower one of two; there must be one at least.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

// machine is what the measurements were made on.
type machine struct {
	CPUs       int    `json:"cpus"`
	Go         string `json:"go"`
	OS         string `json:"os"`
	PostgreSQL string `json:"postgresql"`
	Fsync      string `json:"fsync"`
	SyncCommit string `json:"synchronous_commit"`
}

func (m *machine) read(ctx context.Context, url string) error {
	m.CPUs, m.Go, m.OS = runtime.NumCPU(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	err = conn.QueryRow(ctx, "select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')").
		Scan(&m.PostgreSQL, &m.Fsync, &m.SyncCommit)
	return errors.Join(err, conn.Close(ctx))
}
