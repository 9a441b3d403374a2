package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckPrintsTheGrantsThatMakeItPass executes what check prints, as the owner of the database would.
func TestCheckPrintsTheGrantsThatMakeItPass(t *testing.T) {
	d := deploy(t, 1)
	if code, out := d.ichor("db", "init", "-c", d.settings); code != exitOK {
		t.Fatal(out)
	}
	d.exec("create role checked login")
	t.Cleanup(func() {
		if _, err := d.conn.Exec(context.Background(), "drop owned by checked; drop role checked"); err != nil {
			t.Error(err)
		}
	})
	d.set("user=postgres", "user=checked")
	apply := func(want ...string) {
		t.Helper()
		code, out := d.ichor("check", "-c", d.settings, "--timeout", "5m") // other tests may have the machine
		grants := 0
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "GRANT ") {
				grants++
				d.exec(line)
			}
		}
		if code != exitEnvironment || grants == 0 {
			t.Errorf("exit code %d and %d grants:\n%s", code, grants, out)
		}
		for _, grant := range want {
			if !strings.Contains(out, "\n"+grant+" TO ") {
				t.Errorf("no %s:\n%s", grant, out)
			}
		}
	}
	apply("GRANT USAGE ON SCHEMA ichor", "GRANT SELECT, INSERT, DELETE ON ichor.guest_check", "GRANT SELECT ON public.cohort_snapshot") // of one that has nothing
	apply("GRANT SELECT (number, amount, version), UPDATE (amount, version) ON public.bank_accounts")
	if code, out := d.ichor("check", "-c", d.settings, "--timeout", "5m"); code != exitOK {
		t.Errorf("after what it printed: exit code %d\n%s", code, out)
	}
}

// TestCheckSaysOneThingOfTheCacheDirectory: where others may write no compiled code is run from, and no line says that it
// is kept there.
func TestCheckSaysOneThingOfTheCacheDirectory(t *testing.T) {
	d := &deployment{t: t}
	everyones, settings := filepath.Join(t.TempDir(), "modules"), filepath.Join(t.TempDir(), "ichor.yaml")
	if err := errors.Join(os.Mkdir(everyones, 0o700), os.Chmod(everyones, 0o777)); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("source: {brokers: [\"127.0.0.1:1\"], topic: cohort}\ndatabase: {url: \"postgres://ichor@127.0.0.1:1/cohort\"}\nguests: {directory: %q, routes: [{cohort: \"*\", guest: banking}], cache_directory: %q}\n", t.TempDir(), everyones)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, out := d.ichor("check", "-c", settings, "--timeout", "1s")
	if !strings.Contains(out, "failed  compiled guests: compilation cache "+everyones+" has mode 0777") || strings.Contains(out, "kept in") {
		t.Errorf("of a directory that all may write to check says:\n%s", out)
	}
	if err := os.Chmod(everyones, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, out = d.ichor("check", "-c", settings, "--timeout", "1s"); !strings.Contains(out, "ok      compiled guests: kept in "+everyones) || strings.Contains(out, "failed  compiled") {
		t.Errorf("of one of its own check says:\n%s", out)
	}
}

// TestCheckEndsAsRunDoes: what is wrong with settings ends both with 2, before anybody is asked; what this machine does not
// give, with 3, which a supervisor tries again.
func TestCheckEndsAsRunDoes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, directory := &deployment{t: t}, t.TempDir()
	tokens, settings := filepath.Join(directory, "tokens"), filepath.Join(directory, "ichor.yaml")
	if err := os.WriteFile(tokens, []byte("ann king 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "none")
	for _, c := range []struct {
		database, broker, listen, more string
		code                           int
		want                           string
	}{
		{"mysql://ichor@127.0.0.1:1/cohort", "127.0.0.1:1", "127.0.0.1:0", "", exitSettings, "database.url begins with mysql://: write postgres://"},
		{"postgres://ichor@127.0.0.1:1/cohort?sslmode=foo", "127.0.0.1:1", "127.0.0.1:0", "", exitSettings, "database.url has a parameter whose value is none, as sslmode may be"},
		{"postgres://ichor@127.0.0.1:99999/cohort", "127.0.0.1:99999", "127.0.0.1:99999", "", exitSettings, "database.url has a port that is not one of 1 to 65535"},
		{"postgres://ichor@127.0.0.1:1/cohort", "127.0.0.1:99999", "127.0.0.1:0", "", exitSettings, "source.brokers: \"127.0.0.1:99999\" is not host:port"},
		{"postgres://ichor@127.0.0.1:1/cohort", "127.0.0.1:1", "127.0.0.1:99999", "", exitSettings, "http.listen is \"127.0.0.1:99999\""},
		{"postgres://ichor@127.0.0.1:1/cohort", "127.0.0.1:1", "127.0.0.1:0", "trace: {endpoint: \"http://127.0.0.1:1\"}", exitSettings, "OTEL_EXPORTER_OTLP_HEADERS"},
		{"postgres://ichor@127.0.0.1:1/cohort", "127.0.0.1:1", "127.0.0.1:0\", tokens: \"" + tokens, "", exitSettings, "http.tokens: " + tokens + ": line 1"},
		{"postgres://ichor@127.0.0.1:1/cohort", "127.0.0.1:1", l.Addr().String(), "", exitEnvironment, l.Addr().String()},
		{"postgres://ichor@127.0.0.1:1/cohort", "127.0.0.1:1", "203.0.113.7:1", "", exitEnvironment, "listen tcp 203.0.113.7:1"},
	} {
		text := fmt.Sprintf("source: {brokers: [%q], topic: cohort}\ndatabase: {url: %q}\nguests: {directory: %q, routes: [{cohort: \"*\", guest: banking}]}\nhttp: {listen: \"%s\"}\n%s\n", c.broker, c.database, directory, c.listen, c.more)
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, verb := range [][]string{{"run"}, {"check", "--timeout", "1s"}} {
			if code, out := d.ichor(append(verb, "-c", settings)...); code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("ichor %v with\n%s\nends with %d, want %d with %q:\n%s", verb, text, code, c.code, c.want, out)
			}
		}
	}
}

// TestARowThatWasChangedByHandEndsAStart: the host says which, and that no host wrote it; it does not wait for a database that
// answers.
func TestARowThatWasChangedByHandEndsAStart(t *testing.T) {
	d := deploy(t, 1)
	if code, out := d.ichor("db", "init", "-c", d.settings); code != exitOK {
		t.Fatal(out)
	}
	d.exec("insert into ichor.guest_history (name, digest, from_version) values ('banking', 'd1', -1)")
	const want = "read ichor.guest_history: a row has in from_version what Ichor does not write there, as NULL or a number below 0: it was changed by hand: set it right, and try again"
	for _, verb := range [][]string{{"run"}, {"guest", "history"}, {"check", "--timeout", "5m"}} {
		if code, out := d.ichor(append(verb, "-c", d.settings)...); code != exitEnvironment || !strings.Contains(out, want) || strings.Contains(out, "scan") {
			t.Errorf("ichor %v: exit code %d\n%s", verb, code, out)
		}
	}
}

func (d *deployment) exec(sql string) {
	d.t.Helper()
	if _, err := d.conn.Exec(d.t.Context(), sql); err != nil {
		d.t.Fatal(err)
	}
}
