package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// bank is a cohort on real parts: a broker over TCP, a database, the banking guest.
type bank struct {
	t       *testing.T
	broker  *kafkatest.Broker
	db      pgtest.Database
	conn    *pgx.Conn
	guests  string
	topic   string
	options host.Options
	log     *logBook
	level   slog.Level // of the log; info unless it is set
}

const topic = "certification"

func newBank(t *testing.T, accounts int) *bank {
	t.Helper()
	return newBankOn(t, kafkatest.Chosen(t), accounts)
}

func newBankOn(t *testing.T, broker *kafkatest.Broker, accounts int) *bank {
	t.Helper()
	return newBankIn(t, broker, pgtest.New(t), accounts)
}

func newBankIn(t *testing.T, broker *kafkatest.Broker, db pgtest.Database, accounts int) *bank {
	t.Helper()
	b := &bank{t: t, broker: broker, db: db, guests: t.TempDir(), topic: topic, log: &logBook{}}
	if err := broker.CreateTopic(t.Context(), b.topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.conn, err = pgx.Connect(t.Context(), b.db.DSN); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.conn.Close(context.Background()) })
	if err := banking.Open(t.Context(), b.conn, banking.AccountNumbers(accounts), 100_000); err != nil {
		t.Fatal(err)
	}
	b.exec(installer.Schema())
	b.install("banking", guesttest.Small(t))
	b.options = host.Options{}
	b.options.Source.Brokers = []string{broker.Addr(kafkatest.Plain)}
	b.options.Source.Topic = b.topic
	b.options.Source.Group = "cohort"
	b.options.Source.MaxWait = 50 * time.Millisecond
	b.options.Database.URL = b.db.DSN
	b.options.Guests.Directory = b.guests
	b.options.Guests.Routes = []rollout.Route{{Cohort: "*", Guest: "banking"}}
	b.options.Guests.Limits.CacheDir = guesttest.CacheDir(t)
	b.options.HTTP.Listen = "127.0.0.1:0"
	return b
}

func (b *bank) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.conn.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatal(err)
	}
}

// text returns the rows of a query, one a line.
func (b *bank) text(sql string, args ...any) string {
	b.t.Helper()
	var s string
	err := b.conn.QueryRow(b.t.Context(), "select coalesce(string_agg(t::text, ' '), '') from ("+sql+") t", args...).Scan(&s)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// install puts a module where the host looks for it.
func (b *bank) install(name string, module []byte) {
	b.t.Helper()
	temporary := filepath.Join(b.guests, "."+name)
	if err := os.WriteFile(temporary, module, 0o644); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(b.guests, name+".wasm")); err != nil {
		b.t.Fatal(err)
	}
}

// logger returns what a host logs by: to the book, no key twice in a line.
func (b *bank) logger() *slog.Logger {
	return slog.New(hosttest.Once(b.t, slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: b.level})))
}

// running is a host in this process.
type running struct {
	*host.Host
	b       *bank
	metrics *prometheus.Registry
	stop    context.CancelFunc
	done    chan error
}

// start runs a host; it is stopped at the end of the test at the latest.
func (b *bank) start() *running {
	b.t.Helper()
	metrics := prometheus.NewRegistry()
	h, err := host.New(b.options, b.logger(), metrics)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Host: h, b: b, metrics: metrics, stop: stop, done: make(chan error, 1)}
	go func() {
		err := h.Run(ctx)
		fmt.Fprintf(b.log, "the host ended: %v\n", err)
		r.done <- err
	}()
	b.t.Cleanup(func() {
		stop()
		select {
		case <-r.done:
		default:
			<-r.done
		}
	})
	return r
}

// drain stops the host as SIGTERM does and returns what Run returned.
func (r *running) drain() error {
	r.stop()
	err := <-r.done
	r.done <- err // for the cleanup
	return err
}

// ended waits for a host that ends by itself.
func (r *running) ended() error {
	r.b.t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(30 * time.Second):
		r.b.t.Fatalf("the host runs on\n%s", r.b.log.text())
		return nil
	}
}

// standsBy waits until the host says that another owns the cohort.
func (r *running) standsBy() {
	r.b.t.Helper()
	r.shows("/readyz", `"ready":true,"reason":"standby"`)
}

// eventually asks until the query answers want.
func (b *bank) eventually(want, sql string, args ...any) {
	b.t.Helper()
	got := ""
	hosttest.Until(b.t, func() bool { got = b.text(sql, args...); return got == want },
		func() string { return fmt.Sprintf("%s: %q, want %q\n%s", sql, got, want, b.log.text()) })
}

func (b *bank) digest() string {
	b.t.Helper()
	digest, err := hosttest.BankDigest(b.t.Context(), b.conn)
	if err != nil {
		b.t.Fatal(err)
	}
	return digest
}

// play writes a recorded log to the topic with its offsets.
func (b *bank) play(records []talostest.Record, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.broker.Play(b.t.Context(), b.topic, hosttest.Recorded(records)); err != nil {
		b.t.Fatal(err)
	}
}

// logBook keeps what a host logs.
type logBook struct {
	mu sync.Mutex
	b  strings.Builder
	// on is called with each line before the host goes on; nil for nothing. It is set before the host starts.
	on func(line string)
}

func (l *logBook) Write(p []byte) (int, error) {
	if l.on != nil {
		l.on(string(p))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// message is a record of the topic.
func message(kind, value string) kafkatest.Message {
	return kafkatest.Message{Value: []byte(value), Headers: []kafkatest.Header{{Name: "messageType", Value: []byte(kind)}}}
}

// candidate is a candidate of one key with the given statemap.
func candidate(n int, key, statemap string) kafkatest.Message {
	return message("Candidate", fmt.Sprintf(`{"xid":"00000000-0000-4000-8000-%012d","agent":"a","cohort":"c","readset":[%q],"readvers":[],"snapshot":0,"writeset":[%q],"statemap":%s,"publishedAt":1}`, n, key, key, statemap))
}

// deposit is the statemap that puts amount on an account.
func deposit(account string, amount int) string {
	return fmt.Sprintf(`[{"DEPOSIT":{"account":%q,"amount":%d}}]`, account, amount)
}

const decisionMetrics = `"metrics":{"candidatePublished":1,"candidateReceived":1,"candidateProcessingStarted":1,"decisionCreatedAt":1,"dbSaveStarted":1,"dbSaveEnded":1}`

func commit(version, safepoint int) kafkatest.Message {
	return message("Decision", fmt.Sprintf(`{"xid":"x","agent":"a","cohort":"c","decision":"committed","suffixStart":1,"version":%d,"safepoint":%d,%s}`, version, safepoint, decisionMetrics))
}

func abort(version int) kafkatest.Message {
	return message("Decision", fmt.Sprintf(`{"xid":"x","agent":"a","cohort":"c","decision":"aborted","suffixStart":1,"version":%d,%s}`, version, decisionMetrics))
}

// send appends messages and returns the position of the first.
func (b *bank) send(messages ...kafkatest.Message) int {
	b.t.Helper()
	first, err := b.broker.Produce(b.t.Context(), b.topic, kafkatest.Uncompressed, messages...)
	if err != nil {
		b.t.Fatal(err)
	}
	return int(first)
}
