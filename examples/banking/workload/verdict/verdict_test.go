package verdict

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/examples/banking/workload"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func opening(accounts int) Opening {
	return Opening{Accounts: banking.AccountNumbers(accounts), Amount: big.NewRat(100_000, 1)}
}

const fields = `"xid":"x","agent":"a","cohort":"c","readset":[],"readvers":[],"snapshot":0,"writeset":[],"publishedAt":1`

// small is a log with a version of each class, in a form that one can read.
func small(t *testing.T) *transcript.Log {
	t.Helper()
	l := NewLog()
	for i, r := range []struct{ kind, value string }{
		{"Candidate", `{` + fields + `}`}, // 0 is no version
		{"Candidate", `{` + fields + `,"statemap":[{"TRANSFER":{"from":"0001","to":"0002","amount":1.5}},{"DEPOSIT":{"account":"0001","amount":"0.00001"}}]}`},
		{"Candidate", `{` + fields + `,"statemap":[{"WITHDRAW":{"account":"0002","amount":7}}]}`},
		{"Candidate", `{` + fields + `,"statemap":[{"DEPOSIT":{"account":"0001","amount":1000}}]}`},
		{"Candidate", `{` + fields + `,"statemap":[{"DEPOSIT":{"account":"0002","amount":1000}}]}`},
		{"Candidate", `{` + fields + `,"statemap":null}`},
		{"Candidate", `{"xid":"x"}`},
		{"Heartbeat", `{}`},
		{"Decision", `{"decision":"aborted","version":3}`},
		{"Decision", `{"decision":"committed","version":1,"safepoint":0}`},
		{"Decision", `{"decision":"committed","version":1,"duplicateVersion":4,"safepoint":0}`},
		{"Decision", `{"decision":"aborted","version":1}`}, // later than the first
		{"Decision", `{"decision":"committed","version":2,"safepoint":1}`},
		{"Decision", `{"decision":"committed","version":5,"safepoint":1}`},
		{"Decision", `{"decision":"aborted","version":0}`},
		{"Candidate", `{` + fields + `,"statemap":[{"TRANSFER":{"from":"0001","to":"0002","amount":1}}]}`},
		{"Candidate", `{` + fields + `,"statemap":[{}]}`},
		{"Decision", `{"decision":"committed","version":16,"safepoint":1}`},
	} {
		l.Add(transcript.Record{Position: talos.Position(i), MessageType: r.kind, Value: []byte(r.value)})
	}
	return l
}

func TestEveryVersionHasItsClass(t *testing.T) {
	l := small(t)
	for v, want := range map[talos.Version]transcript.Class{
		1: transcript.Installable, 2: transcript.Installable, 3: transcript.Aborted, 4: transcript.Duplicate, 5: transcript.Empty, 6: transcript.Refused, 15: transcript.Undecided, 16: transcript.Unreadable,
	} {
		if got := l.Class(v); got != want {
			t.Errorf("version %v is %s, want %s", v, got, want)
		}
	}
	if n := len(l.Versions()); n != 8 {
		t.Errorf("%d versions, want 8", n)
	}
	if l.Repeated != 1 || l.Other != 1 || l.Snapshot() != 5 {
		t.Errorf("repeated %d, other %d, snapshot %v", l.Repeated, l.Other, l.Snapshot())
	}
}

func good() Rows {
	return Rows{
		"0001": {big.NewRat(9_999_850_001, 100_000), 1},
		"0002": {big.NewRat(999_945, 10), 2},
		"0003": {big.NewRat(100_000, 1), 0},
	}
}

func TestRowsOfTheReplayPass(t *testing.T) {
	v := Compare(small(t), opening(3), good(), 5)
	if !v.OK() || v.Total != "299993.00001" || v.Total != v.WantTotal || v.Different != 0 {
		t.Errorf("got %+v", v)
	}
}

func TestEveryDifferenceIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		change           func(Rows)
		snapshot         talos.Version
		equal, conserved bool
		shown            transcript.Difference
	}{
		"amount": {func(r Rows) { r["0001"] = Row{big.NewRat(99_999, 1), 1} }, 5, false, false, transcript.Difference{Row: "account 0001", Want: "99998.50001 at version 1", Got: "99999.00000 at version 1"}},
		"beyond the decimals": {func(r Rows) { r["0003"].Amount.Add(r["0003"].Amount, big.NewRat(1, 3_000_000)) }, 5, false, false,
			transcript.Difference{Row: "account 0003", Want: "100000.00000 at version 0", Got: "300000000001/3000000 at version 0"}},
		"version": {func(r Rows) { r["0003"] = Row{r["0003"].Amount, 4} }, 5, false, true, transcript.Difference{Row: "account 0003", Want: "100000.00000 at version 0", Got: "100000.00000 at version 4"}},
		"missing": {func(r Rows) { delete(r, "0002") }, 5, false, false, transcript.Difference{Row: "account 0002", Want: "99994.50000 at version 2", Got: "none"}},
		"surplus": {func(r Rows) { r["9"] = Row{new(big.Rat), 0} }, 5, false, true, transcript.Difference{Row: "account 9", Want: "none", Got: "0.00000 at version 0"}},
		"swapped": {func(r Rows) { r["0001"], r["0003"] = r["0003"], r["0001"] }, 5, false, true, transcript.Difference{Row: "account 0001", Want: "99998.50001 at version 1", Got: "100000.00000 at version 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			rows := good()
			c.change(rows)
			v := Compare(small(t), opening(3), rows, c.snapshot)
			if v.Equal != c.equal || v.Conserved != c.conserved || v.OK() || len(v.Differences) == 0 || v.Differences[0] != c.shown {
				t.Errorf("got %+v", v)
			}
		})
	}
	for _, snapshot := range []talos.Version{4, 6, 16} {
		if v := Compare(small(t), opening(3), good(), snapshot); v.Equal || v.OK() || !v.Conserved {
			t.Errorf("snapshot %v passed: %+v", snapshot, v)
		}
	}
}

// What the certifier's parser refuses is no decision and no candidate, and a decision before its candidate decides nothing.
func TestRecordsThatSayNothing(t *testing.T) {
	l := NewLog()
	for _, value := range []string{``, `{}`, `{"decision":"maybe","version":1}`, `{"decision":"aborted"}`, `{"decision":"aborted","version":18446744073709551616}`,
		`{"decision":"aborted","version":1,"version":1}`, "{\"decision\":\"aborted\",\"version\":1,\"agent\":\"\xff\"}"} {
		l.Add(transcript.Record{Position: 1, MessageType: "Decision", Value: []byte(value)})
	}
	if kinds := l.Kinds(0); kinds[transcript.KindOther] != 7 || l.Other != 7 {
		t.Errorf("decisions that say nothing are %v", kinds)
	}
	for _, value := range []string{"{}", strings.Repeat("[", 100_000), `{` + fields + `,"xid":"y"}`, `{` + strings.Replace(fields, `"snapshot":0`, `"snapshot":18446744073709551616`, 1) + `}`,
		"{" + fields + ",\"x\":\"\xff\"}"} {
		l.Add(transcript.Record{Position: 2, MessageType: "Candidate", Value: []byte(value)})
	}
	if kinds := l.Kinds(2); kinds[transcript.KindRefused] != 5 {
		t.Errorf("candidates that are refused are %v", kinds)
	}
	l.Add(transcript.Record{Position: 2, MessageType: "Candidate"})
	if kinds := l.Kinds(2); kinds[transcript.KindOther] != 1 {
		t.Errorf("a candidate without a value makes %v", kinds)
	}
	l.Add(transcript.Record{Position: 3, MessageType: "Decision", Value: []byte(`{"decision":"committed","version":4,"safepoint":0}`)})
	l.Add(transcript.Record{Position: 4, MessageType: "Candidate", Value: []byte(`{` + fields + `}`)})
	if class := l.Class(4); class != transcript.Undecided {
		t.Errorf("of a decision that comes before its candidate it is %s", class)
	}
}

// TestReplayAgreesWithTheRecordedDigests holds the replay against what an independent reader
// made of the same topics.
func TestReplayAgreesWithTheRecordedDigests(t *testing.T) {
	for _, c := range []struct {
		open     func() ([]talostest.Record, error)
		accounts int
		digest   string
	}{
		{talostest.Small, 40, "946f71edd6a559b47106dcf04d665663aa44e8596fcba8c7bff95bb0fe1288b9"},
		{talostest.Contention, 100, "a5b4b3d0b2f0a665ec1de1b0a6dbc431e56a8054402dfd6774ff06dfc3f25281"},
	} {
		records, err := c.open()
		if err != nil {
			t.Fatal(err)
		}
		l := NewLog()
		for _, r := range records {
			l.Add(transcript.Record{Position: r.Position, MessageType: string(r.Header("messageType")), Value: r.Value})
		}
		rows, _ := Replay(l, opening(c.accounts))
		var lines []talostest.BankRow
		for account, row := range rows {
			lines = append(lines, talostest.BankRow{Account: account, Balance: row.Amount.FloatString(decimals), Version: row.Version})
		}
		if got := talostest.BankDigest(lines); got != c.digest {
			t.Errorf("digest %s, want %s", got, c.digest)
		}
	}
}

// TestVerdictOverAWorkloadOnRealParts sends a workload, installs it with one connection in the
// order of versions, as no host does, and judges it; then again with one row changed.
func TestVerdictOverAWorkloadOnRealParts(t *testing.T) {
	ctx := t.Context()
	broker, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Stop()
	if err := broker.CreateTopic(ctx, "bank", 1, nil); err != nil {
		t.Fatal(err)
	}
	generator, err := workload.New(workload.Options{Seed: 5, Accounts: 50, Transfers: 700})
	if err != nil {
		t.Fatal(err)
	}
	brokers := []string{broker.Addr(kafkatest.Plain)}
	if err := certification.Produce(ctx, generator, certification.Target{Brokers: brokers, Topic: "bank"}); err != nil {
		t.Fatal(err)
	}
	log, err := Read(ctx, brokers, "bank")
	if err != nil {
		t.Fatal(err)
	}
	counts, classes := generator.Counts(), log.Classes()
	if log.Records != counts.Candidates+counts.Decisions+counts.Other || classes[transcript.Undecided]+classes[transcript.Unreadable] > 0 || classes[transcript.Installable] < 700 {
		t.Fatalf("log of %d records, %v; the generator made %+v", log.Records, classes, counts)
	}
	database := pgtest.New(t)
	installSerially(t, database.DSN, log, opening(50))
	v, err := Check(ctx, log, opening(50), database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	if !v.OK() {
		t.Errorf("got %+v", v)
	}
	conn := connect(t, database.DSN)
	defer conn.Close(context.Background())
	execute(t, conn, "update bank_accounts set amount = amount + 0.00001 where number = '0007'")
	if v, err = Check(ctx, log, opening(50), database.DSN); err != nil || v.OK() || v.Different != 1 || v.Differences[0].Row != "account 0007" {
		t.Errorf("got %+v, %v", v, err)
	}
}

// installSerially lets the database do the sums, unlike the replay.
func installSerially(t *testing.T, dsn string, l *transcript.Log, o Opening) {
	t.Helper()
	var sql strings.Builder
	sql.WriteString("create table cohort_snapshot (id char(9) primary key, version bigint);")
	fmt.Fprintf(&sql, "insert into cohort_snapshot values ('SINGLETON', %v);", l.Snapshot())
	for _, v := range l.Versions() {
		if l.Class(v) != transcript.Installable {
			continue
		}
		for _, is := range l.Items(v) {
			m, _ := readMovement(is)
			amount := m.amount.FloatString(decimals)
			fmt.Fprintf(&sql, "update bank_accounts set amount = amount - %s, version = %v where number = '%s';", amount, v, m.from)
			fmt.Fprintf(&sql, "update bank_accounts set amount = amount + %s, version = %v where number = '%s';", amount, v, m.to)
		}
	}
	conn := connect(t, dsn)
	defer conn.Close(context.Background())
	if err := banking.Open(t.Context(), conn, o.Accounts, o.Amount.Num().Int64()); err != nil {
		t.Fatal(err)
	}
	execute(t, conn, sql.String())
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

func TestReadAndCheckSayWhatIsWrong(t *testing.T) {
	broker, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Stop()
	if _, err := Read(t.Context(), []string{broker.Addr(kafkatest.Plain)}, "nobody"); err == nil {
		t.Error("a topic that is not there was read")
	}
	if _, err := Check(t.Context(), NewLog(), opening(1), pgtest.New(t).DSN); err == nil || !strings.Contains(err.Error(), "cohort_snapshot") {
		t.Errorf("a database without tables: %v", err)
	}
}
