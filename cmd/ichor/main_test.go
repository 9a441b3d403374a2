package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// asIchor makes the test binary be the command, so that processes can be started and killed.
const asIchor = "ICHOR_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if child := len(os.Args) == 2 && os.Args[1] == guest.ChildVerb; child || os.Getenv(asIchor) != "" {
		os.Exit(begin(os.Args[1:]))
	}
	pgtest.Main(m)
}

// deployment is everything around a host: broker, database, guest, settings.
type deployment struct {
	t        *testing.T
	broker   *kafkatest.Broker
	conn     *pgx.Conn
	settings string
	guests   string
	listen   string
}

// deploy makes a bank.
func deploy(t *testing.T, accounts int) *deployment {
	t.Helper()
	return deployExample(t, "banking", guesttest.Small(t), func(ctx context.Context, conn *pgx.Conn) error {
		return banking.Open(ctx, conn, banking.AccountNumbers(accounts), 100_000)
	})
}

// deployExample makes a cohort whose tables open makes, and whose guest has the name of the example.
func deployExample(t *testing.T, example string, module []byte, open func(context.Context, *pgx.Conn) error) *deployment {
	t.Helper()
	broker := kafkatest.Chosen(t)
	if err := broker.CreateTopic(t.Context(), "certification", 1, nil); err != nil {
		t.Fatal(err)
	}
	db := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	d := &deployment{t: t, broker: broker, conn: conn, guests: t.TempDir()}
	if d.listen, err = hosttest.FreeAddress(); err != nil {
		t.Fatal(err)
	}
	if err := open(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), installer.Schema()); err != nil {
		t.Fatal(err)
	}
	hosttest.RecallChecks(t, conn)
	if err := os.WriteFile(filepath.Join(d.guests, example+".wasm"), module, 0o644); err != nil {
		t.Fatal(err)
	}
	d.settings = filepath.Join(t.TempDir(), "ichor.yaml")
	text := fmt.Sprintf(`
source: {brokers: [%q], topic: certification, group: cohort}
database: {url: %q, init: true}
guests:
  directory: %q
  routes: [{cohort: "*", guest: %s}]
  cache_directory: %q
installer: {group_max: 16}
http: {listen: %q}
`, broker.Addr(kafkatest.Plain), db.DSN, d.guests, example, guesttest.CacheDir(t), d.listen)
	if err := os.WriteFile(d.settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// bare takes the host's tables away, as where no host was ever started.
func (d *deployment) bare() {
	d.t.Helper()
	d.exec("drop schema ichor cascade; drop table public.cohort_snapshot")
}

func (d *deployment) snapshot() (v int) {
	// The table is not there before the first start.
	_ = d.conn.QueryRow(d.t.Context(), "select version from cohort_snapshot").Scan(&v)
	return v
}

func (d *deployment) play(records []talostest.Record, err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.broker.Play(d.t.Context(), "certification", hosttest.Recorded(records)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deployment) digest() string {
	d.t.Helper()
	digest, err := hosttest.BankDigest(d.t.Context(), d.conn)
	if err != nil {
		d.t.Fatal(err)
	}
	return digest
}

// process is an ichor command of its own.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan error
}

func (d *deployment) begin(args ...string) *process {
	d.t.Helper()
	p := &process{t: d.t, done: make(chan error, 1)}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), asIchor+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	d.t.Cleanup(func() { p.signal(syscall.SIGKILL); p.wait() })
	return p
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // it may have ended

// wait returns the exit code and what was written.
func (p *process) wait() (int, string) {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(3 * time.Minute):
		p.signal(syscall.SIGKILL)
		p.t.Fatalf("the process does not end\n%s", p.out.String())
	}
	return p.cmd.ProcessState.ExitCode(), p.out.String()
}

func (d *deployment) ichor(args ...string) (int, string) {
	d.t.Helper()
	return d.begin(args...).wait()
}

// until waits for the snapshot.
func (d *deployment) until(v int, p *process) {
	d.t.Helper()
	hosttest.Until(d.t, func() bool { return d.snapshot() >= v }, func() string {
		p.signal(syscall.SIGKILL)
		_, out := p.wait()
		return fmt.Sprintf("the snapshot is %d, want %d\n%s", d.snapshot(), v, out)
	})
}

// It runs on Apache Kafka too, with ICHOR_KAFKA=apache.
func TestAHostThatIsKilledAgainAndAgainInstallsEverythingOnce(t *testing.T) {
	d := deploy(t, 100)
	d.play(talostest.Contention())
	const last, kills = 25595, 8
	for kill := 1; kill <= kills; kill++ {
		p := d.begin("run", "-c", d.settings)
		d.until(kill*last/(kills+1), p)
		p.signal(syscall.SIGKILL)
		p.wait()
		if v := d.snapshot(); v >= last {
			t.Fatalf("kill %d came after the end, at %d", kill, v)
		}
	}
	p := d.begin("run", "-c", d.settings)
	d.until(last, p)
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK || !strings.Contains(out, "draining") {
		t.Errorf("SIGTERM ends with %d:\n%s", code, out)
	}
	const want = "a5b4b3d0b2f0a665ec1de1b0a6dbc431e56a8054402dfd6774ff06dfc3f25281"
	if got := d.digest(); got != want {
		t.Errorf("bank digest %s, want %s", got, want)
	}
	var epoch int
	if err := d.conn.QueryRow(t.Context(), "select epoch from ichor.state").Scan(&epoch); err != nil || epoch != kills+1 {
		t.Errorf("epoch %d, %v", epoch, err)
	}
}

// A second host stands by. It takes the cohort over when that is handed to it, and the first takes it back
// when the second is killed; both say who they are, and nothing is installed twice.
func TestASecondHostStandsBy(t *testing.T) {
	d := deploy(t, 40)
	d.play(talostest.Small())
	first := d.begin("run", "-c", d.settings)
	d.until(228, first)
	if code, out := d.ichor("handover", "-c", d.settings, "--reason", "upgrade"); code != exitRuntime || !strings.Contains(out, "no host stands by") {
		t.Errorf("a handover to nobody: %d, %s", code, out)
	}
	text, err := os.ReadFile(d.settings)
	if err != nil {
		t.Fatal(err)
	}
	listen, err := hosttest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	other := d.settings + ".other"
	if err := os.WriteFile(other, bytes.Replace(text, []byte(d.listen), []byte(listen), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	second := d.begin("run", "-c", other)
	waits := func(settings string) {
		t.Helper()
		out := ""
		hosttest.Until(t, func() bool { _, out = d.ichor("status", "-c", settings); return strings.Contains(out, "standby") }, func() string { return "it does not stand by: " + out })
		if code, out := d.ichor("status", "-c", settings); code != exitOK || !strings.Contains(out, "owns the cohort") {
			t.Errorf("status of a host that stands by: exit code %d, %s", code, out)
		}
	}
	waits(other)
	if code, out := d.ichor("handover", "-c", d.settings, "--reason", "upgrade", "--wait", "50s"); code != exitOK || !strings.Contains(out, "owns the cohort, after") {
		t.Errorf("handover: %d, %s", code, out)
	}
	waits(d.settings)
	d.play1(`{"xid":"00000000-0000-4000-8000-000000000001","agent":"a","cohort":"c","readset":[],"readvers":[],"snapshot":0,"writeset":["0001"],"statemap":[{"DEPOSIT":{"account":"0001","amount":1}}],"publishedAt":1}`)
	d.decide(230)
	d.until(230, second)
	second.signal(syscall.SIGSTOP)
	if code, out := d.ichor("handover", "-c", d.settings, "--reason", "it hangs", "--wait", "1s"); code != exitRuntime || !strings.Contains(out, "has not given the cohort away within 1s") {
		t.Errorf("a handover by a host that is frozen: %d, %s", code, out)
	}
	second.signal(syscall.SIGKILL)
	second.wait()
	d.play1(`{"xid":"00000000-0000-4000-8000-000000000002","agent":"a","cohort":"c","readset":[],"readvers":[],"snapshot":0,"writeset":["0001"],"statemap":[{"DEPOSIT":{"account":"0001","amount":1}}],"publishedAt":1}`)
	d.decide(232)
	d.until(232, first)
	var epoch int
	var amount, deed string
	err = d.conn.QueryRow(t.Context(), `select epoch, (select sum(amount)::text from bank_accounts), (select deed || ': ' || reason from ichor.audit where deed like 'handover: done%')
		from ichor.state`).Scan(&epoch, &amount, &deed)
	if err != nil || epoch != 3 || amount != "4000002.00000" || deed != "handover: done: upgrade" {
		t.Errorf("epoch %d, %s, audit %q, %v", epoch, amount, deed, err)
	}
}

// TestATopicThatIsMadeAgainWhileTheHostIsStopped: a host that was stopped, as by a debugger or a frozen
// container, finds another log in the place of its own, and longer than that was. It must not read on
// in it. It runs on Apache Kafka too, with ICHOR_KAFKA=apache.
func TestATopicThatIsMadeAgainWhileTheHostIsStopped(t *testing.T) {
	d := deploy(t, 100)
	d.play(talostest.Small())
	p := d.begin("run", "-c", d.settings)
	d.until(228, p)
	before := d.digest()
	p.signal(syscall.SIGSTOP)
	stopped := time.Now()
	if err := d.broker.DeleteTopic(t.Context(), "certification"); err != nil {
		t.Fatal(err)
	}
	if err := d.broker.CreateTopic(t.Context(), "certification", 1, nil); err != nil {
		t.Fatal(err)
	}
	d.play(talostest.Contention())
	time.Sleep(time.Until(stopped.Add(2 * time.Second))) // longer than a fetch that was answered before
	p.signal(syscall.SIGCONT)
	code, out := p.wait()
	if code != exitRuntime || !strings.Contains(out, "log diverged: at position ") || strings.Contains(out, "log truncated") {
		t.Errorf("it ends with %d:\n%s", code, out)
	}
	if got := d.digest(); got != before || d.snapshot() != 228 {
		t.Errorf("it read on: the snapshot is %d, the digest %s, was %s\n%s", d.snapshot(), got, before, out)
	}
}

func (d *deployment) play1(value string) { d.send("Candidate", value) }

func (d *deployment) decide(version int) {
	d.send("Decision", fmt.Sprintf(`{"xid":"x","agent":"a","cohort":"c","decision":"committed","suffixStart":1,"version":%d,"safepoint":228,"metrics":{"candidatePublished":1,"candidateReceived":1,"candidateProcessingStarted":1,"decisionCreatedAt":1,"dbSaveStarted":1,"dbSaveEnded":1}}`, version))
}

func (d *deployment) send(kind, value string) {
	d.t.Helper()
	_, err := d.broker.Produce(d.t.Context(), "certification", kafkatest.Uncompressed, kafkatest.Message{
		Value: []byte(value), Headers: []kafkatest.Header{{Name: "messageType", Value: []byte(kind)}}})
	if err != nil {
		d.t.Fatal(err)
	}
}

func TestTheVerbs(t *testing.T) {
	d := deploy(t, 40)
	d.bare()
	expect := func(code int, want string, args ...string) {
		t.Helper()
		got, out := d.ichor(args...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("ichor %s: exit code %d, want %d with %q:\n%s", strings.Join(args, " "), got, code, want, out)
		}
	}
	expect(exitOK, "create schema if not exists ichor", "db", "init", "--print")
	expect(exitEnvironment, "run ichor db init", "db", "check", "-c", d.settings)
	expect(exitEnvironment, "failed  database: the database has no table ichor.schema", "check", "-c", d.settings)
	expect(exitOK, "the schema is there", "db", "init", "-c", d.settings)
	expect(exitOK, "no host has run", "db", "check", "-c", d.settings)
	expect(exitRuntime, "guest banking has converted by no module yet, and so has none to go back to", "guest", "rollback", "banking", "--dry-run", "-c", d.settings)
	expect(exitOK, "ok      guest banking: version 1.0.0", "check", "-c", d.settings, "--timeout", "5m") // other tests may have the machine
	expect(exitEnvironment, "no host answers at", "status", "-c", d.settings)
	expect(exitSettings, "settings", "run", "-c", d.settings+".none")
	expect(exitSettings, "unexpected argument", "dance")
	expect(exitOK, "directory:", "run", "--print-config", "-c", d.settings)
	expect(exitSettings, "group_max: 512", "run", "--print-config")
	expect(exitSettings, "source.topic is empty", "run", "--print-config")

	d.play(talostest.Small())
	p := d.begin("run", "-c", d.settings)
	d.until(228, p)
	expect(exitOK, "running, ready", "status", "-c", d.settings)
	expect(exitOK, `"snapshot":228`, "status", "--json", "-c", d.settings)
	expect(exitOK, `"contract":"1.0"`, "status", "--json", "-c", d.settings)
	expect(exitOK, ", of contract 1.0", "status", "-c", d.settings)
	expect(exitOK, "version 228  below snapshot: settled: the snapshot is 228\ndecision", "explain", "228", "-c", d.settings)
	expect(exitOK, "\nstatements  ", "explain", "228", "-c", d.settings)
	expect(exitOK, "no candidate that the certifier accepts", "explain", "229", "-c", d.settings)
	expect(exitOK, `"stands":"not_read"`, "explain", "999999", "--json", "-c", d.settings)
	expect(exitSettings, "is neither a version", "explain", "many", "-c", d.settings)
	expect(exitOK, "epoch 1, snapshot 228", "db", "check", "-c", d.settings)

	bad := filepath.Join(t.TempDir(), "bad.wasm")
	if err := os.WriteFile(bad, []byte("no module"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(exitSettings, `no route of the settings names a guest "bad"`, "guest", "swap", bad, "-c", d.settings)
	expect(exitSettings, "a swap needs the host's settings, -c FILE", "guest", "swap", bad, "--address", "127.0.0.1:1")
	before := d.files()
	expect(exitRuntime, "nothing was changed: the host does not take banking", "guest", "swap", bad, "--name", "banking", "-c", d.settings)
	expect(exitOK, guest.DigestOf([]byte("no module")).String()+`","state":"refused","who":"`+operator()+`","reason":"guest banking refused at `, "guest", "history", "--json", "-c", d.settings)
	if after := d.files(); after != before {
		t.Errorf("a swap that was refused leaves %s, before it there was %s", after, before)
	}
	expect(exitOK, "running, ready", "status", "-c", d.settings)
	module := smallGuest(t, 1)
	good := filepath.Join(t.TempDir(), "banking.wasm")
	if err := os.WriteFile(good, module, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(exitOK, "converts from version 229 on\nit is on probation for its first 1000 versions", "guest", "swap", good, "--reason", "it is better", "-c", d.settings)
	expect(exitOK, `"state":"asked","who":"`+operator()+`","reason":"it is better"`, "guest", "history", "--json", "-c", d.settings)
	expect(exitSettings, `no route of the settings names a guest "nobody"`, "guest", "history", "nobody", "-c", d.settings)
	if got, err := os.ReadFile(filepath.Join(d.guests, "banking.wasm")); err != nil || !bytes.Equal(got, module) || strings.Count(d.files(), " ") != 1 {
		t.Errorf("after the swap there are %s", d.files())
	}
	expect(exitOK, "guest banking to the module before: done", "guest", "rollback", "banking", "--reason", "it was a trial", "-c", d.settings)
	expect(exitRuntime, "guest banking has no module before", "guest", "rollback", "banking", "--reason", "again", "-c", d.settings)
	expect(exitRuntime, `no module of guest banking whose digest begins with "zz"`, "guest", "rollback", "banking", "--to", "sha256:ZZ", "--reason", "again", "-c", d.settings)
	expect(exitSettings, `names a guest "nobody"`, "guest", "rollback", "nobody", "--reason", "again", "-c", d.settings)
	expect(exitRuntime, `no module of guest "banking" is compared`, "guest", "shadow", "banking", "-c", d.settings)
	expect(exitOK, "banking  from 1 ", "guest", "history", "-c", d.settings)
	expect(exitOK, "it was a trial", "guest", "history", "banking", "-c", d.settings)
	expect(exitOK, `"state":"armed"`, "guest", "history", "--json", "-c", d.settings)
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}
	before = d.files()
	expect(exitEnvironment, "nothing was changed: no host answers", "guest", "swap", bad, "--name", "banking", "-c", d.settings)
	if after := d.files(); after != before {
		t.Errorf("a swap without a host leaves %s, before it there was %s", after, before)
	}
}

// files returns what is in the guests' directory, by name and digest.
func (d *deployment) files() string {
	d.t.Helper()
	entries, err := os.ReadDir(d.guests)
	if err != nil {
		d.t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(d.guests, entry.Name()))
		if err != nil {
			d.t.Fatal(err)
		}
		all = append(all, entry.Name()+" "+guest.DigestOf(text).Short())
	}
	return strings.Join(all, ", ")
}

func TestSettingsThatAreWrongSayWhereAndWhat(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":  {"source: {broker: [x]}", `line 1: there is no setting source.broker: did you mean "source.brokers"?`},
		"wrong group":  {"guests: {memory: 1GiB}\nlanes: 3", `line 2: there is no setting lanes: did you mean "installer.lanes"?`},
		"in a list":    {"guests: {routes: [{cohort: a, gest: b}]}", `no setting guests.routes[0].gest: did you mean "guests.routes[0].guest"?`},
		"by an alias":  {"x: 1\n", "there are database, guests, http, installer, limits, log, source"},
		"merged":       {"limits: &l {memry: 1GiB}\n", `did you mean "limits.memory"`},
		"stands twice": {"limits: {memory: 1GiB, memory: 2GiB}", `already defined at line 1`},
		"no mapping":   {"limits: [1]", "line 1"},
		"two":          {"limits: {memory: 1GiB}\n---\nlimits: {memory: 2GiB}", "a second document"},
		"no duration":  {"source: {decision_overdue: 5}", "is no duration"},
		"no size":      {"limits: {memory: lots}", "is no size"},
		"twice":        {"database: {url: a, url_env: B}", "given more than once"},
		"missing env":  {"database: {url_env: ICHOR_TEST_NOT_SET}", "ICHOR_TEST_NOT_SET is not set"},
		"missing file": {"database: {url_file: /nowhere/at/all}", "/nowhere/at/all"},
		"little room":  {"limits: {memory: 1MiB}", "limits.memory"},
		"pin":          {"guests: {pins: {banking: abc}}", `guests.pins.banking: "abc" is no digest: want sha256:`},
		"pins":         {"guests: {pins: {banking: [sha256:" + strings.Repeat("0", 64) + ", 7]}}", `guests.pins.banking: "7" is no digest`},
		"pin of none":  {"guests: {pins: {banking: sha256:" + strings.Repeat("0", 64) + "}}", `guests.pins names "banking", and no route does`},
		"no pin":       {"guests: {pins: {banking: []}}", "guests.pins.banking is empty"},
		"key":          {"guests: {keys: [\"ed25519:AAAA\"]}", "guests.keys[0]: it is no public key"},
		"key's file":   {"guests: {keys: [/nowhere/at/all]}", "guests.keys[0]: stat /nowhere/at/all"},
		"keep":         {"guests: {keep: -1}", "guests.keep is -1: keep at least 1"},
		"lanes":        {"installer: {lanes: 1000}", "installer.lanes"},
		"IPv6":         {"log: {level: info}\nhttp:\n  listen: [::1]:9464\n", `line 3: to YAML the brackets of an address begin a list: put it into quotes, as "[::1]:9464"`},
		"IPv6 of many": {"source: {brokers: [[fe80::1%eth0]:9092, \"[::1]:9092\"]}\n", `line 1: to YAML the brackets of an address begin a list: put it into quotes, as "[fe80::1%eth0]:9092"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := defaultSettings()
			err := decodeSettings(strings.NewReader(tc.text), &s)
			if err == nil {
				_, err = s.options()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v does not say %q", err, tc.want)
			}
		})
	}
}

// Each file and variable that is named and not there is said at once, not one at a time.
func TestEverySecretThatIsMissingIsSaid(t *testing.T) {
	s := defaultSettings()
	text := "source: {sasl: {password_file: /nowhere/password}}\ndatabase: {url_env: ICHOR_NOWHERE}\nguests: {routes: [{cohort: \"*\", guest: banking}], keys: [/nowhere/key], pull: {banking: nowhere}}"
	if err := decodeSettings(strings.NewReader(text), &s); err != nil {
		t.Fatal(err)
	}
	_, err := s.options()
	for _, want := range []string{"source.sasl.password_file: open /nowhere/password", "database.url_env: the environment variable ICHOR_NOWHERE is not set", "guests.keys[0]: stat /nowhere/key", "guests.pull.banking"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// What is wrong elsewhere is not taken for an address without quotes.
func TestAnAddressInQuotesIsNotToBlame(t *testing.T) {
	s := defaultSettings()
	err := decodeSettings(strings.NewReader("http: {listen: \"[::1]:9464\"} # not [::1]:9464\nlimits: [1]"), &s)
	if err == nil || strings.Contains(err.Error(), "quotes") {
		t.Errorf("it says %v", err)
	}
}

// TestFlowStyleSettings: what stands between brackets is read as between lines.
func TestFlowStyleSettings(t *testing.T) {
	for _, text := range []string{
		"source:\n  brokers: [kafka-1:9092, kafka-2:9092]\nhttp:\n  listen: 127.0.0.1:9464\ndatabase:\n  url: postgres://u:p@h:5432/d?sslmode=disable\n",
		"source: {brokers: [kafka-1:9092,kafka-2:9092]}\nhttp: {listen: 127.0.0.1:9464}\ndatabase: {url: postgres://u:p@h:5432/d?sslmode=disable}\n",
		`{source: {brokers: ["kafka-1:9092", 'kafka-2:9092']}, http: {listen: "127.0.0.1:9464"}, database: {url: 'postgres://u:p@h:5432/d?sslmode=disable'}}`,
		"source:\n  brokers: [\n    kafka-1:9092, # the first\n    kafka-2:9092,\n  ]\nhttp: {listen: 127.0.0.1:9464}\ndatabase: {url: postgres://u:p@h:5432/d?sslmode=disable}\n",
	} {
		s := defaultSettings()
		if err := decodeSettings(strings.NewReader(text), &s); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := strings.TrimSpace(fmt.Sprintln(s.Source.Brokers, len(s.Source.Brokers), s.HTTP.Listen, s.Database.URL))
		if got != "[kafka-1:9092 kafka-2:9092] 2 127.0.0.1:9464 postgres://u:p@h:5432/d?sslmode=disable" {
			t.Errorf("%s: %s", text, got)
		}
	}
	one := defaultSettings()
	if err := decodeSettings(strings.NewReader("source: {brokers: [kafka-1:9092]}\nhttp: {listen: :9464}\n"), &one); err != nil || fmt.Sprint(one.Source.Brokers) != "[kafka-1:9092]" || one.HTTP.Listen != ":9464" {
		t.Errorf("%v: %+v", err, one.Source)
	}
}

// TestReadmesSettings reads those that the README shows.
func TestReadmesSettings(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	block, _, found := strings.Cut(rest, "```")
	s := defaultSettings()
	if err := decodeSettings(strings.NewReader(block), &s); err != nil || !found || len(s.Source.Brokers) != 2 {
		t.Errorf("%v: %+v", err, s.Source)
	}
}

// TestSettingsAreWrittenAsTheyAreRead prints all of them and reads them again.
func TestSettingsAreWrittenAsTheyAreRead(t *testing.T) {
	text, err := yaml.Dump(defaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	var read settings
	if err := decodeSettings(bytes.NewReader(text), &read); err != nil {
		t.Fatal(err)
	}
	if again, err := yaml.Dump(read); err != nil || !bytes.Equal(again, text) {
		t.Errorf("%s\nbecame\n%s, %v", text, again, err)
	}
}

// TestEachLimitOfGuestsIsASetting: all of them reach the host, and are refused by name.
func TestEachLimitOfGuestsIsASetting(t *testing.T) {
	s := defaultSettings()
	text := `guests: {memory: 128MiB, fuel: {start: 1, call: 2, item: 3},
  limits: {input: 16MiB, output: 15MiB, values: 14MiB, item_statements: 5, version_statements: 6, versions: 7}}`
	if err := decodeSettings(strings.NewReader(text), &s); err != nil {
		t.Fatal(err)
	}
	want := guest.Options{
		MemoryPages: 2048, FuelStart: 1, FuelCall: 2, FuelItem: 3,
		InputBytes: 16 << 20, OutputBytes: 15 << 20, ArgumentBytes: 14 << 20, ItemStatements: 5, Statements: 6, BatchMax: 7,
	}
	if got := s.Guests.limits(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	s.Guests.Limits = callSettings{Input: 17 << 20, Output: 17 << 20, Values: 17 << 20, ItemStatements: 1 << 20, VersionStatements: 1 << 20, Versions: 1 << 20}
	err := s.Guests.limits().Validate()
	for _, name := range []string{"input", "output", "values", "item_statements", "version_statements", "versions"} {
		if err == nil || !strings.Contains(err.Error(), "guests.limits."+name) {
			t.Errorf("%v does not name guests.limits.%s", err, name)
		}
	}
}

func TestTheEnvironmentOfAReferenceDeploymentIsUnderstood(t *testing.T) {
	s := defaultSettings()
	t.Setenv("KAFKA_PASSWORD", "secret")
	s.environment([]string{
		`KAFKA_BROKERS="a:1, [::1]:2,"`, "KAFKA_TOPIC='t'", "KAFKA_GROUP_ID=certifier", "BANK_REPLICATOR_KAFKA_GROUP_ID=g",
		"KAFKA_USERNAME=u", "KAFKA_PASSWORD=secret", "COHORT_PG_HOST=fd00::1", "COHORT_PG_PORT=6", "COHORT_PG_USER=me", "COHORT_PG_PASSWORD=p@ss", "COHORT_PG_DATABASE=d",
		"REPLICATOR_CHANNEL_SIZE=1",
	})
	s.Guests.Directory, s.Guests.Routes = "d", nil
	o, err := s.options()
	var f *failure
	if errors.As(err, &f) || err == nil || strings.Contains(err.Error(), "source") {
		t.Fatalf("%v", err)
	}
	sasl := o.Source.SASL
	got := strings.TrimSpace(fmt.Sprintln(o.Source.Brokers, o.Source.Topic, o.Source.Group, sasl.Mechanism, sasl.Username, sasl.Password, o.Database.URL))
	want := "[a:1 [::1]:2] t g scram-sha-512 u secret postgres://me:p%40ss@[fd00::1]:6/d"
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// The certifier's group is not ours: publishing under it moves the certifier.
	alone := defaultSettings()
	alone.environment([]string{"KAFKA_GROUP_ID=certifier"})
	if alone.Source.Group != "" {
		t.Errorf("the certifier's group %q is taken", alone.Source.Group)
	}
}
