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
server_login_retry = 1
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits,search_path,options
`

// ErrNoPooler says that PgBouncer is not installed.
var ErrNoPooler = errors.New("there is no PgBouncer: apt-get install pgbouncer")

// Pooler is a PgBouncer of its own. Its methods are for one goroutine at a time.
type Pooler struct {
	binary  string
	dir     string
	port    int // names the socket
	account account
	process *process // nil while it is down
}

// StartPooler starts a PgBouncer in front of a server, which it reaches at a host, or a socket's folder, and
// a port; pool_mode is session, transaction or statement. It lets user postgres in, and the roles. The error
// wraps ErrNoPooler where there is none. Close ends it.
func StartPooler(ctx context.Context, host string, port int, mode string, roles ...string) (*Pooler, error) {
	binary, err := poolerBinary()
	if err != nil {
		return nil, err
	}
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	p := &Pooler{binary: binary, port: port, account: who}
	if p.dir, err = os.MkdirTemp("", "pg-pooler-"); err != nil {
		return nil, err
	}
	var users []byte
	for _, role := range append(roles, "postgres") {
		users = fmt.Appendf(users, "%q \"\"\n", role)
	}
	err = errors.Join(
		os.WriteFile(p.settings(), fmt.Appendf(nil, poolerSettings, host, port, p.dir, mode), 0o644),
		os.WriteFile(filepath.Join(p.dir, "users"), users, 0o644),
		os.Chmod(p.dir, 0o755), who.own(p.dir))
	if err == nil {
		err = p.Restart(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Pooler) settings() string { return filepath.Join(p.dir, "settings") }

// Restart starts the PgBouncer again and waits until it listens. It does nothing while it runs.
func (p *Pooler) Restart(ctx context.Context) error {
	if p.process != nil {
		return nil
	}
	command := exec.Command(p.binary, "--quiet", p.settings())
	command.Dir, command.SysProcAttr = p.dir, p.account.process()
	log := filepath.Join(p.dir, "log")
	process, err := startProcess(command, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := accepts(ctx, process, p.DSN("postgres")); err != nil {
		process.signal(syscall.SIGKILL)
		<-process.done
		text, _ := os.ReadFile(log) // without it the error says less
		return fmt.Errorf("start PgBouncer: %w: %s", err, text)
	}
	p.process = process
	return nil
}

// DSN returns the address of a database by way of the pooler, for user postgres.
func (p *Pooler) DSN(database string) string { return p.reached().DSN(database) }

// URL returns the same as DSN in the form of a URL.
func (p *Pooler) URL(database string) string { return p.reached().URL(database) }

// reached is how a client sees the pooler: as a server.
func (p *Pooler) reached() *Server { return &Server{dir: p.dir, port: p.port} }

// Kill ends the pooler as a crash would: clients and servers are cut.
func (p *Pooler) Kill() {
	if p.process == nil {
		return
	}
	p.process.signal(syscall.SIGKILL)
	<-p.process.done
	p.process = nil
}

// Close ends the pooler and removes its folder.
func (p *Pooler) Close() error {
	p.Kill()
	return os.RemoveAll(p.dir)
}

// NewPooler starts a PgBouncer in front of a database and returns the address of the database by way of it.
// It ends with the test. Where PgBouncer is missing the test is skipped, but with CI set it fails.
func NewPooler(tb testing.TB, d Database, mode string) (dsn string) {
	tb.Helper()
	p, err := StartPooler(tb.Context(), d.Server.dir, d.Server.port, mode)
	if errors.Is(err, ErrNoPooler) && os.Getenv("CI") == "" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p.DSN(d.Name)
}

// FindPooler returns ErrNoPooler where there is no PgBouncer to start.
func FindPooler() error {
	_, err := poolerBinary()
	return err
}

// poolerBinary looks where Debian puts it too, which is in nobody's path but root's.
func poolerBinary() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoPooler
}
