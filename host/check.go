package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/spans"
	"github.com/ichor-replicator/ichor/host/status"
)

// Check looks at everything that a run needs, without taking the cohort over or changing
// anything. Each part is asked once and gets the timeout for itself; what does not answer within
// it is a finding. A guest that is loaded for the first time is compiled for seconds, on a busy
// machine for many, so its load has only the deadline that every load has (see guest.Child); the
// timeout is for its trial in the database. lookBack is how many versions below the snapshot of another
// replicator are looked at, 0 for none. What it finds comes as it is found: who stops taking it ends the looking.
func Check(ctx context.Context, opts Options, timeout time.Duration, lookBack int) iter.Seq[status.Finding] {
	return func(yield func(status.Finding) bool) {
		opts.Fill()
		quiet := slog.New(slog.DiscardHandler)
		settings := checkSettings(opts, quiet)
		if !yield(settings) || settings.Err != nil {
			return
		}
		found := func(look func(context.Context) status.Finding) bool { return yield(status.Timed(ctx, timeout, look)) }
		var (
			store *installer.Installer
			state *installer.State
		)
		database := func(ctx context.Context) (f status.Finding) {
			store, state, f = checkDatabase(ctx, opts, quiet)
			return f
		}
		topic := func(ctx context.Context) status.Finding { return checkTopic(ctx, opts, quiet, state) }
		if !found(database) || !found(topic) {
			return
		}
		guests := rollout.New(opts.Guests, store, guest.NoMetrics(), quiet)
		for _, name := range guests.Names() {
			if !yield(guests.Check(ctx, name, timeout)) {
				return
			}
		}
		if state != nil && Foreign(state) && lookBack > 0 && !yield(checkHoles(ctx, opts, state, lookBack)) {
			return
		}
		if opts.Spans.Endpoint != "" && !found(func(ctx context.Context) status.Finding { return checkReceiver(ctx, opts.Spans) }) {
			return
		}
		if opts.HTTP.Listen != "" {
			found(func(ctx context.Context) status.Finding { return checkListen(ctx, opts.HTTP) })
		}
	}
}

// checkReceiver asks the receiver of spans. A host runs without it too, so that it does not answer is a note.
func checkReceiver(ctx context.Context, o spans.Options) status.Finding {
	f := status.Finding{What: "trace", Note: "spans go to " + o.Endpoint}
	if err := o.Reach(ctx); err != nil {
		f.Note, f.Warn = f.Note+", which does not take them: they would be lost, and nothing else ("+err.Error()+")", true
	}
	return f
}

// checkSettings says what New refuses, of which there is nothing to ask then. It listens nowhere.
func checkSettings(opts Options, log *slog.Logger) status.Finding {
	f := status.Finding{What: "settings"}
	if opts.HTTP.Tokens != "" {
		_, f.Err = admin.ReadTokens(opts.HTTP.Tokens, log)
	}
	opts.HTTP.Listen = ""
	h, err := New(opts, log, prometheus.NewRegistry())
	if err == nil {
		h.source.Close()
	}
	f.Err = errors.Join(f.Err, err)
	return f
}

// checkListen tries the address. One that is taken may be that of the host that runs.
func checkListen(ctx context.Context, o HTTPOptions) status.Finding {
	f := status.Finding{What: "http", Note: "listens on " + o.Listen}
	listener, err := net.Listen("tcp", o.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		if !answersAsHost(ctx, o.Listen) {
			f.Err = fmt.Errorf("http.listen: %w, by something that does not answer as a host does: as long as that has it no host starts here", err)
			break
		}
		f.Note, f.Warn = fmt.Sprintf("http.listen is %s, which is taken by a host that runs: as long as that has it no other host starts here", o.Listen), true
	case err != nil:
		f.Err = fmt.Errorf("http.listen: %w", err)
	default:
		f.Err = listener.Close()
	}
	if risk := o.Exposed(); risk != "" {
		f.Note += "; " + risk
	}
	return f
}

// answersAsHost asks what listens on an address of this machine whether it is ready, as a host says it.
func answersAsHost(ctx context.Context, listen string) bool {
	name, port, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(name); name == "" || ip != nil && ip.IsUnspecified() {
		name = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(name, port)+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	var said struct{ Ready *bool }
	return json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&said) == nil && said.Ready != nil
}

// checkDatabase returns no store when the database cannot be asked.
func checkDatabase(ctx context.Context, opts Options, log *slog.Logger) (*installer.Installer, *installer.State, status.Finding) {
	f := status.Finding{What: "database"}
	in, err := installer.New(opts.Database.Options, log)
	if err != nil {
		f.Err = err
		return nil, nil, f
	}
	state, err := in.Read(ctx)
	if err != nil {
		f.Err = err
		return nil, nil, f
	}
	f.Note = fmt.Sprintf("snapshot %d", state.Snapshot)
	return in, &state, f
}

func checkTopic(ctx context.Context, opts Options, log *slog.Logger, state *installer.State) status.Finding {
	f := status.Finding{What: "topic"}
	source, err := kafka.New(opts.Source.Options, log, nil)
	if err != nil {
		f.Err = err
		return f
	}
	defer source.Close()
	if state == nil { // the database could not be asked, and nobody knows where a host would begin
		facts, err := source.Facts(ctx)
		f.Err, f.Note = err, fmt.Sprintf("one partition, positions %d to %d", facts.Start, facts.End)
		return f
	}
	resume, facts, err := checkLog(ctx, source, state, opts.Source.Start)
	f.Err, f.Note = err, fmt.Sprintf("one partition, positions %d to %d, resume point %d", facts.Start, facts.End, resume)
	if facts.Cleanup == "" {
		f.Note += "; whether it is compacted could not be asked: grant describe-configs on the topic"
	}
	return f
}
