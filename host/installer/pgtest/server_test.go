//go:build unix

package pgtest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_ORPHAN") != "" {
		orphan()
	}
	Main(m)
}

// orphan starts a server, says where, and waits to be killed.
func orphan() {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString(s.Dir() + "\n")
	select {}
}

func query(t *testing.T, dsn, sql string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestNewGivesEachCallADatabase(t *testing.T) {
	one, two := New(t), New(t)
	if one.Server != two.Server || one.Name == two.Name {
		t.Fatalf("got %+v and %+v", one, two)
	}
	for _, d := range []Database{one, two} {
		if got := query(t, d.DSN, "select current_database() || current_setting('fsync')"); got != d.Name+"on" {
			t.Errorf("database and fsync are %q", got)
		}
	}
}

func TestDataOutlivesEveryWayToEnd(t *testing.T) {
	s := Private(t, Options{Settings: map[string]string{"application_name": "it's one"}, TCP: true})
	dsn, err := s.CreateDatabase(t.Context(), `a "b" 'c'`)
	if err != nil {
		t.Fatal(err)
	}
	if got := query(t, dsn, "with made as (select 1) select current_setting('application_name')"); got != "it's one" {
		t.Errorf("application_name is %q", got)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create table kept (n int); insert into kept values (7)"); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func() error{"stop": s.Stop, "abort": s.Abort, "kill": s.Kill} {
		if err := end(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := end(); err != nil {
			t.Errorf("%s a second time: %v", name, err)
		}
		if _, err := net.Dial("unix", filepath.Join(s.Dir(), ".s.PGSQL."+socketPort(s))); err == nil {
			t.Errorf("after %s somebody answers", name)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatalf("restart after %s: %v", name, err)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Errorf("restart of a running server: %v", err)
		}
		if got := query(t, s.URL(`a "b" 'c'`), "select n::text from kept"); got != "7" {
			t.Errorf("after %s the row is %q by URL", name, got)
		}
		if got := query(t, s.TCPDSN(`a "b" 'c'`), "select n::text from kept"); got != "7" {
			t.Errorf("after %s the row is %q", name, got)
		}
	}
	conn.Close(context.Background())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir()); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func socketPort(s *Server) string {
	_, rest, _ := strings.Cut(s.DSN("x"), "port=")
	port, _, _ := strings.Cut(rest, " ")
	return port
}

func TestKeptDataIsContinued(t *testing.T) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	first := Private(t, Options{Dir: dir, Keep: true})
	if _, err := first.CreateDatabase(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir, Keep: true}); err == nil || !strings.Contains(err.Error(), "another process uses") {
		t.Errorf("a second server in the same folder: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := Private(t, Options{Dir: dir, Keep: true})
	if got := query(t, second.DSN("kept"), "select current_database()::text"); got != "kept" {
		t.Errorf("connected to %q", got)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name    string
		options Options
		want    string
	}{
		{"no binaries", Options{Bin: t.TempDir()}, "no PostgreSQL server found"},
		{"bad setting", Options{Settings: map[string]string{"no_such_setting": "1"}}, "no_such_setting"},
		{"long folder", Options{Dir: filepath.Join(os.TempDir(), dirPrefix+strings.Repeat("x", 100))}, "too long by"},
	} {
		if _, err := Start(t.Context(), c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if c.options.Dir != "" {
			if _, err := os.Stat(c.options.Dir); !os.IsNotExist(err) {
				t.Errorf("%s: the folder stays: %v", c.name, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{}); err == nil {
		t.Error("a start whose context is over succeeded")
	}
}

func TestServerEndsWithItsProcessAndIsSwept(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "PGTEST_ORPHAN=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 4096)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(string(line[:n]))
	if abandoned(dir) {
		t.Error("the folder of a running server counts as abandoned")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for deadline := time.Now().Add(30 * time.Second); !abandoned(dir); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server outlives its process")
		}
	}
	sweep(filepath.Dir(dir))
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder was not swept: %v", err)
	}
}

// TestAStandbyTakesNoWrites: it has what was there, and says that it is in recovery.
func TestAStandbyTakesNoWrites(t *testing.T) {
	s := Private(t, Options{})
	if err := s.exec(t.Context(), "create table kept as select 7 as n"); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	standby, err := s.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got := query(t, standby.DSN("postgres"), "select n || ' ' || pg_is_in_recovery() from kept"); got != "7 true" {
		t.Errorf("a standby says %s", got)
	}
}

// TestARoleIsAskedForItsPassword: by way of a proxy too, and nobody else is.
func TestARoleIsAskedForItsPassword(t *testing.T) {
	s := Private(t, Options{})
	if err := s.exec(t.Context(), "create role guarded login password 'right'"); err != nil {
		t.Fatal(err)
	}
	if err := s.RequirePasswordsOf(t.Context(), "guarded"); err != nil {
		t.Fatal(err)
	}
	p, err := StartProxy(s, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	as := func(password string) string {
		return strings.Replace(p.URL(), "//postgres@", "//guarded:"+password+"@", 1)
	}
	for begun := time.Now(); ; { // the server reads its rules a moment later
		conn, err := pgx.Connect(t.Context(), as("wrong"))
		if err != nil && strings.Contains(err.Error(), "28P01") {
			break
		}
		if err == nil {
			err = conn.Close(t.Context())
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("with a wrong password: %v", err)
		}
	}
	for _, dsn := range []string{as("right"), p.URL()} {
		if got := query(t, dsn, "select 'in'"); got != "in" {
			t.Errorf("as %s: %s", dsn, got)
		}
	}
}
