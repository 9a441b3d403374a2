package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

const topic = "cohort.certification"

func TestMain(m *testing.M) { pgtest.Main(m) }

// broker returns where a broker with an empty topic is.
func broker(t *testing.T) string {
	t.Helper()
	b := kafkatest.Chosen(t)
	if err := b.CreateTopic(t.Context(), topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	return b.Addr(kafkatest.Plain)
}

// undecided are the candidates of the log that nobody decided.
func undecided(t *testing.T, at string) (all, missing int) {
	t.Helper()
	log, err := verdict.Read(t.Context(), []string{at}, topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range log.Versions() {
		if all++; log.Class(v) == transcript.Undecided {
			missing++
		}
	}
	return all, missing
}

// Both writers begin, and the log has each decision when it ends.
func TestTheTrafficIsSentWithAnInitiatorBeside(t *testing.T) {
	at, db := broker(t), pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := banking.Open(t.Context(), conn, banking.AccountNumbers(50), 1000); err != nil {
		t.Fatal(err)
	}
	in, err := installer.New(installer.Options{URL: db.DSN}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(t.TempDir(), "database")
	if err := os.WriteFile(database, []byte(db.DSN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, problems bytes.Buffer
	code := run([]string{"--brokers=" + at, "--topic=" + topic, "--database=" + database, "--transfers=300", "--rate=0", "--accounts=50"}, &out, &problems)
	if said := out.String(); code != program.ExitOK || !strings.Contains(said, "all is sent") || !strings.Contains(said, "the initiator was first with") {
		t.Fatalf("it ends with %d: %s%s", code, said, problems.String())
	}
	if all, missing := undecided(t, at); all < 300 || missing > 0 {
		t.Errorf("%d candidates, %d of them without a decision", all, missing)
	}
	// A second one would give decisions about offsets that are not its own.
	problems.Reset()
	if code = run([]string{"--brokers=" + at, "--topic=" + topic, "--transfers=300"}, &out, &problems); code != program.ExitFailed || !strings.Contains(problems.String(), "somebody else writes to the topic") {
		t.Errorf("a second one ends with %d: %s", code, problems.String())
	}
}

// Whoever stops it leaves no candidate behind that nobody will ever decide.
func TestATrafficThatIsToldToEndSendsWhatItOwes(t *testing.T) {
	at := broker(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &stopping{after: 3, stop: cancel}
	o := options{Brokers: []string{at}, Topic: topic, Rate: 2000, Accounts: 50, Seed: 1, Tell: time.Nanosecond}
	if err := o.send(ctx, out); err != nil {
		t.Fatal(err)
	}
	if all, missing := undecided(t, at); all == 0 || missing > 0 {
		t.Errorf("%d candidates, %d of them without a decision", all, missing)
	}
}

// stopping stops the traffic after it has said something so often.
type stopping struct {
	after int
	stop  context.CancelFunc
}

func (s *stopping) Write(text []byte) (int, error) {
	if s.after--; s.after == 0 {
		s.stop()
	}
	return len(text), nil
}

func TestFlagsOfTheTraffic(t *testing.T) {
	var out, problems bytes.Buffer
	if code := run([]string{"--topic=a"}, &out, &problems); code != program.ExitUsage || !strings.Contains(problems.String(), "--brokers") {
		t.Errorf("without brokers it ends with %d: %s", code, problems.String())
	}
	if code := run([]string{"--help"}, &out, &problems); code != program.ExitOK || !strings.Contains(out.String(), "--rate") {
		t.Errorf("the help ends with %d: %s", code, out.String())
	}
}
