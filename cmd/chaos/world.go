package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/banking/initiator"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

const (
	topic    = "cohort.certification"
	database = "cohort"
)

// world is everything that stands around a host, and the host.
type world struct {
	options  *options
	out      io.Writer
	random   *rand.Rand
	dir      string
	broker   *brokerProcess
	stage    *stage.Stage
	bank     *stage.Bank
	server   *pgtest.Server // that the proxy points at; serve changes it
	proxy    *pgtest.Proxy
	password string // of the hosts' role
	host     *stage.Host
	hosts    int // that were made
	traffic  *traffic
	over     time.Time // when the fault was over; zero is when it returned
	ready    *readiness
	offsets  *offsets
	commits  int            // that were checked last
	writes   int            // to accounts
	counts   stage.Counts   // of positions, by a host that nothing disturbs
	pooler   *pgtest.Pooler // before the proxy; nil before it is needed
	pooled   bool           // the host reaches the database by way of it
	disk     *disk          // nil unless one is mounted
	swaps    []converter    // the guests that come in turn; the first lies there at the beginning
	turn     int            // of the one that came last
	lies     converter      // the one that was put in place last
	fresh    []converter    // the guests that came besides, once each
	tokens   string         // the file of the hosts' tokens
	token    string         // that may do everything
	hits     map[string]int // by crash point: how often a host ended itself there
	notes    []string       // for the report

	copies  []*pgtest.Server // servers that took over
	standby *pgtest.Server   // a copy that will
}

// open starts all but the host and the other writer.
func open(ctx context.Context, o *options, out io.Writer) (w *world, err error) {
	w = &world{options: o, out: out, random: rand.New(rand.NewPCG(o.Seed, 1)), ready: &readiness{}, offsets: &offsets{}, hits: map[string]int{}, password: firstPassword}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "ichor-chaos-"); err != nil {
		return w, err
	}
	if w.broker, err = startBroker(ctx, w.dir); err != nil {
		return w, err
	}
	module, err := w.module(ctx)
	if err != nil {
		return w, err
	}
	w.stage, err = stage.Open(ctx, stage.Options{Name: "chaos", Ichor: o.Ichor, Tags: []string{"crashpoints"}, Guest: module, Brokers: []string{w.broker.first}, Keep: o.Leave})
	if err != nil {
		return w, err
	}
	if err := w.stage.Build(ctx); err != nil {
		return w, err
	}
	broker := kafkatest.Elsewhere(w.broker.other)
	if err := broker.CreateTopic(ctx, topic, 1, nil); err != nil {
		return w, err
	}
	if w.bank, err = w.stage.OpenBank(ctx, database, o.Accounts); err != nil {
		return w, err
	}
	w.serve(w.stage.Postgres)
	if err := w.exec(ctx, "alter table bank_accounts add column touched bigint not null default 0"); err != nil {
		return w, err
	}
	if err := w.exec(ctx, sqlRole); err != nil {
		return w, err
	}
	if err := w.noteConverters(ctx); err != nil {
		return w, err
	}
	if w.tokens, w.token, err = w.stage.WriteToken(); err != nil {
		return w, err
	}
	if w.proxy, err = pgtest.StartProxy(w.server, database); err != nil {
		return w, err
	}
	w.traffic = &traffic{broker: broker, random: rand.New(rand.NewPCG(o.Seed, 2)), accounts: w.bank.Opening.Accounts, touched: map[string]int{}}
	w.host, err = w.newHost(ctx)
	return w, err
}

// guards are what the banking guest's SQL says against a second install, and a condition of the same length
// that always holds.
var guards = [][2]string{
	{"version < $4::bigint", "version >-$4::bigint"},
	{"version < $3::bigint", "version >-$3::bigint"},
}

// module returns the guest: the banking example's, whose statements change their rows as often as they
// are executed.
func (w *world) module(ctx context.Context) (file string, err error) {
	file = w.options.Guest
	if file == "" {
		root, err := hosttest.Repository(ctx)
		if err != nil {
			return "", err
		}
		file = filepath.Join(w.dir, "guest.wasm")
		if err := guesttest.BuildExample(ctx, root, stage.Banking, file); err != nil {
			return "", err
		}
	}
	if w.options.Guard {
		return file, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for _, g := range guards {
		if !bytes.Contains(text, []byte(g[0])) {
			return "", fmt.Errorf("%s has no %q that could be taken away: give --guard", file, g[0])
		}
		text = bytes.ReplaceAll(text, []byte(g[0]), []byte(g[1]))
	}
	file = filepath.Join(w.dir, "unguarded.wasm")
	return file, os.WriteFile(file, text, 0o644)
}

// serve makes a server the one that has the cohort's database.
func (w *world) serve(s *pgtest.Server) {
	w.server = s
	w.ready.reads(s.URL(database))
	w.offsets.reads(s.URL(database))
}

// url is the address of the database for hosts.
func (w *world) url() string {
	if w.pooled {
		return as(w.pooler.URL(database), role, w.password)
	}
	return as(w.proxy.URL(), role, w.password)
}

// newHost writes the settings of a host, and listens for what it will say.
func (w *world) newHost(ctx context.Context) (*stage.Host, error) {
	cohort := w.bank.Cohort
	cohort.Name = fmt.Sprintf("host%d", w.hosts)
	w.hosts++
	login := w.stage.Path(cohort.Name + ".url")
	if err := os.WriteFile(login, []byte(w.url()), 0o600); err != nil {
		return nil, err
	}
	h, err := w.stage.NewHost(ctx, topic, cohort, func(s *stage.Settings) {
		s.Database.URL, s.Database.URLFile = "", login
		s.HTTP.Tokens = w.tokens
		s.Database.Lease, s.Database.StatementTimeout = "2s", "2s"
		s.Installer.Lanes, s.Installer.GroupMax = w.options.Lanes, 16
		s.Guests.SQL.Functions = []string{"public." + noteFunction, "public.watch_account", "public.journal", "public.dawdle", "public.unserial"} // of the triggers
	})
	if err == nil {
		h.Token = w.token
		w.ready.listen(h.Address)
	}
	return h, err
}

// dismiss stops a host that is not needed any more.
func (w *world) dismiss(h *stage.Host) error {
	w.ready.forget(h.Address)
	return h.Stop()
}

// beside runs the other writer. The function that it returns ends it.
func (w *world) beside(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	address := as(w.proxy.URL(), otherRole, "")
	group.Go(func() {
		if w.options.Guard {
			initiate(ctx, initiator.Options{Brokers: []string{w.broker.other}, Topic: topic, Database: address, Every: 4})
			return
		}
		rival(ctx, address, w.bank.Opening.Accounts, w.options.Seed)
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// exec runs a statement on the server, past the proxy.
func (w *world) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// settings is the file of the host's settings.
func (w *world) settings() string { return w.host.Settings }

func (w *world) close() error {
	var errs []error
	if w.host != nil && w.host.ID() != 0 {
		errs = append(errs, w.host.Stop())
	}
	if w.pooler != nil {
		errs = append(errs, w.pooler.Close())
	}
	if w.proxy != nil {
		w.proxy.Close()
	}
	if w.disk != nil {
		errs = append(errs, w.server.Stop(), w.disk.unmount(context.Background()))
	}
	if w.standby != nil {
		errs = append(errs, w.standby.Close())
	}
	for _, server := range w.copies {
		errs = append(errs, server.Close())
	}
	if w.stage != nil {
		errs = append(errs, w.stage.Close())
	}
	if w.broker != nil {
		w.broker.Kill()
	}
	if w.dir != "" && !w.options.Leave {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// note has the report say something, once.
func (w *world) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(w.notes, text) {
		w.notes = append(w.notes, text)
	}
}

// say prints a line with the time since the beginning.
func (w *world) say(begun time.Time, format string, args ...any) {
	fmt.Fprintf(w.out, "%7.1f s  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
}
