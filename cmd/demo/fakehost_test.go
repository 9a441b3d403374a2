package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// faultVariable names the mistake that the fake host makes.
const faultVariable = "DEMO_TEST_FAULT"

// TestMain lets the test's own binary be a fake host, so that the demonstration can
// be shown to see what a host that is right never does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "db" || os.Args[1] == "run") {
		if err := runFakeHost(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "fake host:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// fakeHost is a host that reads the whole log again and again and writes what it amounts to.
type fakeHost struct {
	settings stage.Settings
	fault    string
	conn     *pgx.Conn
	opening  verdict.Opening

	mu       sync.Mutex
	journeys []string
	digest   string
	snapshot talos.Version
	log      *transcript.Log
}

func runFakeHost(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	h := &fakeHost{fault: os.Getenv(faultVariable), opening: stage.Opening(0)}
	text, err := os.ReadFile(args[len(args)-1])
	if err == nil {
		err = yaml.Load(text, &h.settings, yaml.WithKnownFields())
	}
	if err != nil {
		return err
	}
	if h.conn, err = pgx.Connect(ctx, h.settings.Database.URL); err != nil {
		return err
	}
	defer h.conn.Close(context.Background())
	if args[0] == "db" {
		_, err := h.conn.Exec(ctx, installer.Schema()+"insert into ichor.state (snapshot, resume) values (0, 0)", pgx.QueryExecModeSimpleProtocol)
		return err
	}
	go func() { _ = http.ListenAndServe(h.settings.HTTP.Listen, h) }()
	for ctx.Err() == nil {
		var refused *pgconn.PgError
		err := h.step(ctx)
		if errors.As(err, &refused) && refused.Code == "40P01" {
			continue // the initiator had the rows in another order; nothing was kept
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// ServeHTTP answers as the host does.
func (h *fakeHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case r.URL.Path == "/readyz" && h.fault == "deaf":
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/v1/journeys":
		fmt.Fprintf(w, `{"recent":[%s],"slowest":[]}`, strings.Join(h.journeys, ","))
	case r.URL.Path == "/metrics" && h.log != nil:
		kinds, rest := h.log.Kinds(0), int(h.log.End)
		if h.fault == "wrong" {
			kinds[transcript.KindCandidate]--
		}
		for kind, n := range kinds {
			if kind == transcript.KindOther {
				kind = "foreign"
			}
			fmt.Fprintf(w, "ichor_records_total{kind=%q,reason=\"\"} %d\n", kind, n)
			rest -= n
		}
		fmt.Fprintf(w, "ichor_positions_passed_total{kind=\"marker\"} %d\n", rest)
	}
}

func (h *fakeHost) step(ctx context.Context) error {
	log, err := verdict.Read(ctx, h.settings.Source.Brokers, h.settings.Source.Topic)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.log = log
	h.mu.Unlock()
	tx, err := h.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if err := h.load(ctx, tx); err != nil {
		return err
	}
	want := log.Snapshot()
	if h.fault == "stuck" && want > 100 || want == h.snapshot {
		return nil
	}
	if h.fault == "exit" && want > 100 {
		os.Exit(3)
	}
	if err := h.useGuest(ctx, tx); err != nil {
		return err
	}
	if err := h.install(ctx, tx, log, want); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// load reads where the host before was, and the accounts.
func (h *fakeHost) load(ctx context.Context, tx pgx.Tx) error {
	var snapshot int64
	err := tx.QueryRow(ctx, "select version from cohort_snapshot").Scan(&snapshot)
	if err != nil || len(h.opening.Accounts) > 0 {
		return err
	}
	h.snapshot = talos.Version(snapshot)
	rows, err := tx.Query(ctx, "select number from bank_accounts")
	if err == nil {
		h.opening.Accounts, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	return err
}

// useGuest notes in the history that another guest converts from here on.
func (h *fakeHost) useGuest(ctx context.Context, tx pgx.Tx) error {
	module, err := os.ReadFile(filepath.Join(h.settings.Guests.Directory, stage.Banking+".wasm"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(module)
	h.digest = hex.EncodeToString(sum[:])
	if h.fault == "wrong" {
		h.digest = strings.Repeat("0", 64)
	}
	_, err = tx.Exec(ctx, `insert into ichor.guest_history select $1, $2, false, $3
		where not exists (select from ichor.guest_history where digest = $3)`, stage.Banking, int64(h.snapshot)+1, h.digest)
	if err == nil {
		_, err = tx.Exec(ctx, "insert into ichor.guest_module (digest, name, module) values ($1, $2, $3) on conflict do nothing", h.digest, stage.Banking, module)
	}
	return err
}

func (h *fakeHost) install(ctx context.Context, tx pgx.Tx, log *transcript.Log, want talos.Version) error {
	rows, _ := verdict.Replay(log, h.opening)
	if h.fault == "wrong" {
		rows[h.opening.Accounts[0]].Amount.Sub(rows[h.opening.Accounts[0]].Amount, big.NewRat(1, 100_000))
	}
	for account, row := range rows {
		_, err := tx.Exec(ctx, "update bank_accounts set amount = $1::text::numeric, version = $2 where number = $3",
			row.Amount.FloatString(5), int64(row.Version), account)
		if err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range log.Versions() {
		if v > h.snapshot && v <= want {
			h.journeys = append(h.journeys, fmt.Sprintf(`{"version":%d,"guest":%q,"events":[{"event":"ReplicatorCandidateReceived","at_ns":1000000},`+
				`{"event":"GuestConversionBegin","at_ns":1250000},{"event":"GuestConversionComplete","at_ns":1750000},`+
				`{"event":"InstallerStatemapInstallationComplete","at_ns":3000000},{"event":"SnapshotPersisted","at_ns":4000000}]}`, v, h.digest))
		}
	}
	h.journeys = slices.Clone(h.journeys[max(0, len(h.journeys)-journeysAsked):])
	h.snapshot = want
	_, err := tx.Exec(ctx, "update cohort_snapshot set version = $1", int64(want))
	if err == nil {
		_, err = tx.Exec(ctx, "update ichor.state set snapshot = $1::bigint, resume = $1::bigint + 1", int64(want))
	}
	return err
}
