//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// poolerSettings are those of a PgBouncer in front of the server whose socket lies in a folder. It
// keeps its own socket in another, gives each client a backend for as long as its mode says, and drops
// start-up parameters that it does not know.
const poolerSettings = `[databases]
* = host=%[1]s port=%[2]d
[pgbouncer]
unix_socket_dir = %[3]s
unix_socket_mode = 0777
listen_port = %[2]d
auth_type = trust
auth_file = %[3]s/users
pool_mode = %[4]s
default_pool_size = 20
ignore_startup_parameters = extra_float_digits,search_path,options
`

// errNoPooler says that PgBouncer is not installed.
var errNoPooler = errors.New("the tests of a pooler need PgBouncer: apt-get install pgbouncer")

// NewPooler starts a PgBouncer in front of a database, with pool_mode session, transaction or
// statement, and returns the address of the database by way of it. It ends with the test. Where
// PgBouncer is missing the test is skipped, but with CI set it fails.
func NewPooler(tb testing.TB, d Database, mode string) (dsn string) {
	tb.Helper()
	binary, err := poolerBinary()
	if err != nil && os.Getenv("CI") == "" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := os.MkdirTemp(d.Server.dir, "b")
	if err != nil {
		tb.Fatal(err)
	}
	settings := filepath.Join(dir, "settings")
	err = errors.Join(
		os.WriteFile(settings, fmt.Appendf(nil, poolerSettings, d.Server.dir, d.Server.port, dir, mode), 0o644),
		os.WriteFile(filepath.Join(dir, "users"), []byte(`"postgres" ""`), 0o644),
		os.Chmod(dir, 0o755), d.Server.account.own(dir))
	if err != nil {
		tb.Fatal(err)
	}
	command := exec.Command(binary, "--quiet", settings)
	command.Dir, command.SysProcAttr = dir, d.Server.account.process()
	p, err := startProcess(command, filepath.Join(dir, "log"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.signal(syscall.SIGTERM) // at once: clients and servers are cut
		<-p.done
	})
	pooled := Server{dir: dir, port: d.Server.port}
	dsn = pooled.DSN(d.Name)
	ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
	defer cancel()
	if err := accepts(ctx, p, dsn); err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		tb.Fatalf("start PgBouncer: %v: %s", err, text)
	}
	return dsn
}

// poolerBinary looks where Debian puts it too, which is in nobody's path but root's.
func poolerBinary() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoPooler
}
