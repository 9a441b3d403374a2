package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/replay"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == guest.ChildVerb {
		os.Exit(guest.BeChild())
	}
	pgtest.Main(m)
}

// world is a cohort's database, as a host left it, and a bank beside it as it was at first.
type world struct {
	t       *testing.T
	cohort  *pgx.Conn
	scratch *pgx.Conn
	options replay.Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, cohort: bank(t), scratch: bank(t)}
	w.exec(installer.Schema() + "; insert into ichor.state (snapshot) values (0)")
	w.options = replay.Options{
		Database: open(t, w.cohort), Source: small(), Guest: "banking", Shown: 10, Log: slog.New(slog.DiscardHandler),
		Guests: rollout.Options{Routes: []rollout.Route{{Cohort: "*", Guest: "banking"}}, Limits: guest.Options{CacheDir: guesttest.CacheDir(t)}},
	}
	return w
}

func bank(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if err := banking.Open(t.Context(), conn, banking.AccountNumbers(40), 100_000); err != nil {
		t.Fatal(err)
	}
	return conn
}

func open(t *testing.T, conn *pgx.Conn) *installer.Installer {
	t.Helper()
	in, err := installer.New(installer.Options{URL: conn.Config().ConnString()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (w *world) exec(sql string) {
	w.t.Helper()
	if _, err := w.cohort.PgConn().Exec(w.t.Context(), sql).ReadAll(); err != nil {
		w.t.Fatal(err)
	}
}

// reached sets the snapshot.
func (w *world) reached(v talos.Version) {
	w.t.Helper()
	w.exec(fmt.Sprintf("update ichor.state set snapshot = %d; update cohort_snapshot set version = %d", v, v))
}

// converts has the history say that a module converts from a version on, or that version alone.
func (w *world) converts(name string, module []byte, from talos.Version, only bool) {
	w.t.Helper()
	digest := guest.DigestOf(module).String()
	_, err := w.cohort.Exec(w.t.Context(), "insert into ichor.guest_module (digest, name, module) values ($1, $2, $3) on conflict do nothing", digest, name, module)
	if err == nil {
		_, err = w.cohort.Exec(w.t.Context(), "insert into ichor.guest_history (name, digest, from_version, only_version) values ($1, $2, $3, $4)", name, digest, int64(from), only)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// installed is a world whose log is the small one, converted by the bank's guest in C.
func installed(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.converts("banking", inC(t), 1, false)
	w.reached(228)
	return w
}

func inC(t *testing.T) []byte    { return guesttest.BankingIn(t, guests.C) }
func inRust(t *testing.T) []byte { return guesttest.BankingIn(t, guests.Rust) }

// run replays a range by a module.
func (w *world) run(module []byte, from, to talos.Version) (*replay.Report, error) {
	w.t.Helper()
	o := w.options
	o.Module, o.Range = module, replay.Range{From: from, To: to}
	return replay.Run(w.t.Context(), o)
}

func (w *world) replayed(module []byte, from, to talos.Version) *replay.Report {
	w.t.Helper()
	r, err := w.run(module, from, to)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// small is the recorded log of 230 records.
func small() verify.Source {
	return verify.File(func() (io.ReadCloser, error) { return os.Open("../talos/talostest/testdata/small.jsonl.gz") })
}

// line is one record of a log that is written by hand.
type line struct {
	Offset  int64       `json:"offset"`
	Headers [][2]string `json:"headers"`
	Value   string      `json:"value"`
}

// written makes a log of lines "COHORT STATEMAP" for a candidate, "commit V" and "abort V", from a position on.
func written(t *testing.T, from int64, lines ...string) verify.Source {
	t.Helper()
	var text bytes.Buffer
	for i, l := range lines {
		word, rest, _ := strings.Cut(l, " ")
		r := line{Offset: from + int64(i), Headers: [][2]string{{"messageType", "Decision"}}}
		switch word {
		case "commit", "abort":
			outcome := map[string]string{"commit": `"committed","safepoint":0`, "abort": `"aborted"`}[word]
			r.Value = fmt.Sprintf(`{"decision":%s,"version":%s,"xid":"x","agent":"a","cohort":"c","suffixStart":1,"metrics":{"candidatePublished":1,"candidateReceived":1,"candidateProcessingStarted":1,"decisionCreatedAt":1,"dbSaveStarted":1,"dbSaveEnded":1}}`, outcome, rest)
		default:
			r.Headers[0][1] = "Candidate"
			r.Value = fmt.Sprintf(`{"xid":"00000000-0000-4000-8000-%012d","agent":"a","cohort":%q,"readset":[],"readvers":[],"snapshot":0,"writeset":[],"statemap":%s,"publishedAt":1}`, r.Offset, word, rest)
		}
		encoded, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(encoded, '\n'))
	}
	return verify.File(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil })
}

// transfer is a candidate of the bank.
func transfer(from, to string) string {
	return fmt.Sprintf(`c [{"TRANSFER":{"from":%q,"to":%q,"amount":1.0}}]`, from, to)
}

// joined is a log of two parts with a hole between them.
type joined struct {
	verify.Source
	rest verify.Source
	hole books.Hole
}

func (j joined) Holes() []books.Hole { return []books.Hole{j.hole} }

func (j joined) Read(ctx context.Context, yield func(*books.Record) error) error {
	if err := j.Source.Read(ctx, yield); err != nil {
		return err
	}
	return j.rest.Read(ctx, yield)
}
