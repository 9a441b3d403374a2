package installer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// settingsOf are the settings of those names as a lane's session has them while it installs.
func (b *base) settingsOf(in *installer.Installer, names ...string) string {
	b.t.Helper()
	b.exec("drop table if exists seen; create table seen (name text, value text)")
	look := &installer.Template{SQL: "insert into seen select name, setting from pg_settings where name = any(string_to_array($1::text, ','))", Rows: installer.AnyRows}
	l := b.lane(in, 0)
	g := &installer.Group{Works: []installer.Work{{Version: 2, Statements: []installer.Statement{{Template: look, Args: [][]byte{[]byte(strings.Join(names, ","))}}}}}}
	if err := install(l, g); err != nil {
		b.t.Fatal(err)
	}
	return b.text("select name || '=' || value from seen order by name collate \"C\"")
}

// Over TCP the server itself ends a session whose host is gone: it would keep the rows of the fence locked for hours.
func TestASessionOverTCPHasKeepalives(t *testing.T) {
	server := pgtest.Private(t, pgtest.Options{TCP: true})
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	b := &base{t: t, conn: conn, dsn: server.TCPDSN("postgres")}
	in, _ := b.take(1)
	got := b.settingsOf(in, "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
	if want := "(tcp_keepalives_count=3) (tcp_keepalives_idle=5) (tcp_keepalives_interval=2) (tcp_user_timeout=15000)"; got != want {
		t.Errorf("a lane's session has %s, want %s", got, want)
	}
}

// odd are settings of a database that nothing may depend on, and what a session has instead.
var odd = []struct{ name, value, want string }{
	{"DateStyle", "German", "ISO, YMD"},
	{"IntervalStyle", "sql_standard", "postgres"},
	{"TimeZone", "Asia/Tokyo", "UTC"},
	{"bytea_output", "escape", "hex"},
	{"default_transaction_isolation", "serializable", "read committed"},
	{"enable_seqscan", "on", "off"},
	{"extra_float_digits", "0", "1"},
	{"idle_session_timeout", "600000", "0"},
	{"search_path", "pg_catalog", "public"},
	{"standard_conforming_strings", "off", "on"},
	{"statement_timeout", "7000", "10000"},
}

// What a database or a role is set to does not reach a session that installs.
func TestASessionDoesNotDependOnWhatTheDatabaseIsSetTo(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	var names, want []string
	for _, s := range odd {
		b.exec(fmt.Sprintf("alter database %s set %s = '%s'", b.db.Name, s.name, s.value))
		names, want = append(names, s.name), append(want, fmt.Sprintf("%s=%s", s.name, s.want))
	}
	got := b.settingsOf(in, names...)
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("a lane's session has no %s: %s", w, got)
		}
	}
}

// What stands between and lets a setting be lost, whichever it is, is found by reading it back, before anything is installed.
func TestASettingThatIsIgnoredIsRefused(t *testing.T) {
	for _, s := range odd {
		t.Run(s.name, func(t *testing.T) {
			b := newBase(t)
			in, _ := b.take(1)
			b.exec("create schema between")
			b.exec(fmt.Sprintf(`create function between.set_config(n text, v text, l boolean) returns text language sql
				as $$ select case when n = '%s' then v else pg_catalog.set_config(n, v, l) end $$`, s.name))
			b.exec(fmt.Sprintf("alter database %s set search_path = between, pg_catalog, public", b.db.Name))
			if s.name != "search_path" {
				b.exec(fmt.Sprintf("alter database %s set %s = '%s'", b.db.Name, s.name, s.value))
			}
			var pooler *installer.PoolerError
			if _, err := in.Lane(0).Connect(t.Context(), nil); !errors.As(err, &pooler) || !strings.Contains(err.Error(), "the session's "+s.name+" is ") {
				t.Errorf("a session whose %s stays as it is: %v", s.name, err)
			}
		})
	}
}

// A role that is set to be a replica's has triggers and foreign keys passed over without a word: it is refused when a host connects, and a host whose
// lanes are connected already installs nothing more.
func TestASessionOfAReplicaIsRefused(t *testing.T) {
	w := newWatched(t, "public")
	w.exec(fmt.Sprintf("alter database %s set session_replication_role = replica", w.db.Name))
	_, read := w.in.Read(t.Context())
	_, connected := w.in.Lane(0).Connect(t.Context(), nil)
	for _, err := range []error{read, connected} {
		var wrong *installer.NotReadyError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "session_replication_role of role") || installer.IsTransient(err) {
			t.Errorf("a session of a replica: %v", err)
		}
	}
	w.look()
	w.install("is replica: foreign keys are not checked")
	w.exec(fmt.Sprintf("alter database %s reset session_replication_role", w.db.Name))
	w.look()
	w.install("")
}
