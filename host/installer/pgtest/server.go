//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	startTimeout = 60 * time.Second // of a busy machine; half a second is usual
	stopTimeout  = 10 * time.Second
	probePause   = 25 * time.Millisecond

	// socketLimit is what a Unix socket's path may hold, and socketName what PostgreSQL calls it.
	socketLimit = 107
	socketName  = ".s.PGSQL.00000"
)

// Options say how a server is started. The zero value is a server in a temporary folder that
// listens on its socket alone.
type Options struct {
	// Dir is the folder of the server; empty means a temporary one. It may hold the data of an
	// earlier server, which is then continued. Its path must be short, and when root starts the
	// server everybody must be able to enter the folders above it.
	Dir string
	// Settings are added to the server's, as in {"max_connections": "20"}.
	Settings map[string]string
	// TCP makes the server listen on 127.0.0.1 too, at a port of its own.
	TCP bool
	// Bin is a folder with initdb and postgres; empty means to look for one.
	Bin string
	// Keep leaves the folder when the server is closed.
	Keep bool
}

// Server is a private PostgreSQL server. Its methods may be called from any goroutine.
type Server struct {
	dir     string
	options Options
	bin     string
	account account
	port    int
	lock    *os.File // held for the folder's life, so that no other process sweeps it

	mu      sync.Mutex
	process *process // nil while the server is down
}

// Start starts a server and waits until it accepts connections. The context bounds the start
// alone; the server runs until Close, or until this process ends.
func Start(ctx context.Context, options Options) (*Server, error) {
	bin, err := binaries(ctx, options.Bin)
	if err != nil {
		return nil, err
	}
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, bin: bin, account: who}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	if err := s.Restart(ctx); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// prepare makes the folder, its lock and the data directory.
func (s *Server) prepare(ctx context.Context) error {
	if s.options.Dir == "" {
		sweep(os.TempDir())
	}
	if err := s.makeDir(); err != nil {
		return err
	}
	if length := len(s.dir) + len("/") + len(socketName); length > socketLimit {
		return fmt.Errorf("place of the PostgreSQL socket: %s is too long by %d bytes, choose a shorter folder or TMPDIR", s.dir, length-socketLimit)
	}
	lock, err := lockDir(s.dir)
	if err != nil {
		return err
	}
	s.lock = lock
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err == nil {
		return nil
	}
	return s.initialise(ctx)
}

func (s *Server) makeDir() (err error) {
	if s.dir = s.options.Dir; s.dir == "" {
		s.dir, err = os.MkdirTemp("", dirPrefix)
	} else if s.dir, err = filepath.Abs(s.dir); err == nil {
		err = os.MkdirAll(s.dir, 0o755)
	}
	if err == nil {
		err = s.account.own(s.dir)
	}
	if err != nil {
		return fmt.Errorf("make the folder of the PostgreSQL server: %w", err)
	}
	return nil
}

func (s *Server) data() string    { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

func (s *Server) initialise(ctx context.Context) error {
	initdb := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres",
		"-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.Env = s.dir, s.environment()
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential, Setpgid: true}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (s *Server) environment() []string {
	return []string{"LC_ALL=C", "TZ=UTC", "HOME=" + s.dir, "PATH=/usr/bin:/bin"}
}

// arguments are those of the postgres command, the given settings last and in order.
func (s *Server) arguments() []string {
	listen := ""
	if s.options.TCP {
		listen = "127.0.0.1"
	}
	args := []string{"-D", s.data(), "-k", s.dir, "-p", fmt.Sprint(s.port), "-c", "listen_addresses=" + listen, "-c", "fsync=on"}
	var settings []string
	for name, value := range s.options.Settings {
		settings = append(settings, name+"="+value)
	}
	slices.Sort(settings)
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// Restart starts the server on its data again, at the same socket and port, and waits until it
// accepts connections. It does nothing while the server runs.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		retry, err := s.launch(ctx)
		if err == nil || !retry || ctx.Err() != nil {
			return err
		}
		if pause(ctx, probePause) != nil {
			return err
		}
	}
}

// launch starts the server once. It asks to be tried again when the backends of a killed
// predecessor still hold its memory, or when another process took the chosen port.
func (s *Server) launch(ctx context.Context) (retry bool, err error) {
	if s.port == 0 {
		if s.port, err = choosePort(s.options.TCP); err != nil {
			return false, err
		}
	}
	before := s.logSize()
	command := exec.Command(filepath.Join(s.bin, "postgres"), s.arguments()...)
	command.Dir, command.Env, command.SysProcAttr = s.dir, s.environment(), s.account.process()
	p, err := startProcess(command, s.logFile())
	if err != nil {
		return false, err
	}
	if err := accepts(ctx, p, s.DSN("postgres")); err != nil {
		p.signal(syscall.SIGKILL)
		<-p.done
		text := s.logSince(before)
		held := strings.Contains(text, "shared memory block") || strings.Contains(text, "is another postmaster")
		return held, fmt.Errorf("start PostgreSQL: %w: %s", err, text)
	}
	s.process = p
	return false, nil
}

// accepts waits until a process accepts connections.
func accepts(ctx context.Context, p *process, dsn string) error {
	for {
		conn, err := pgconn.Connect(ctx, dsn)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.done:
			return errors.New("it ended before it accepted connections")
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(probePause):
		}
	}
}

// Dir returns the folder of the server, where its socket lies and its log.
func (s *Server) Dir() string { return s.dir }

// Own gives a folder to the user that the server runs as.
func (s *Server) Own(dir string) error { return s.account.own(dir) }

// Port returns the port, which also names the socket; on 127.0.0.1 it is served with
// Options.TCP alone.
func (s *Server) Port() int { return s.port }

// DSN returns the address of a database over the Unix socket, for user postgres.
func (s *Server) DSN(database string) string { return s.dsn(s.dir, database) }

// TCPDSN returns the address of a database over TCP; it works with Options.TCP alone.
func (s *Server) TCPDSN(database string) string { return s.dsn("127.0.0.1", database) }

// URL returns the same as DSN in the form of a URL.
func (s *Server) URL(database string) string {
	values := url.Values{"host": {s.dir}, "port": {fmt.Sprint(s.port)}, "sslmode": {"disable"}}
	address := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database, RawQuery: values.Encode()}
	return address.String()
}

func (s *Server) dsn(host, database string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host='%s' port=%d user=postgres dbname='%s' sslmode=disable", quote.Replace(host), s.port, quote.Replace(database))
}

// RequirePasswords makes the server ask everybody who comes over TCP for a password, from now on.
func (s *Server) RequirePasswords(ctx context.Context) error {
	return s.rule(ctx, "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
}

// RequirePasswordsOf makes the server ask these roles for a password, and nobody else, from now on.
func (s *Server) RequirePasswordsOf(ctx context.Context, roles ...string) error {
	rules := ""
	for _, role := range roles {
		rules += fmt.Sprintf("local all %[1]s scram-sha-256\nhost all %[1]s 127.0.0.1/32 scram-sha-256\n", role)
	}
	return s.rule(ctx, rules+"local all all trust\nhost all all 127.0.0.1/32 trust\n")
}

// rule gives the server other rules of who may come how. It reads them a moment later.
func (s *Server) rule(ctx context.Context, rules string) error {
	if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		return err
	}
	return s.exec(ctx, "select pg_reload_conf()")
}

// CreateDatabase creates a database and returns its address.
func (s *Server) CreateDatabase(ctx context.Context, name string) (dsn string, err error) {
	err = s.exec(ctx, "create database "+pgx.Identifier{name}.Sanitize())
	return s.DSN(name), err
}

// DropDatabase drops a database, ending the sessions in it.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	return s.exec(ctx, "drop database "+pgx.Identifier{name}.Sanitize()+" with (force)")
}

func (s *Server) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// Copy starts another server on a copy of this one's data, as a standby that was promoted. This
// one must be stopped.
func (s *Server) Copy(ctx context.Context) (*Server, error) { return s.copy(ctx) }

// Standby starts another server on a copy of this one's data, which is in recovery for as long as it
// lives: it answers, and takes no writes. This one must be stopped.
func (s *Server) Standby(ctx context.Context) (*Server, error) { return s.copy(ctx, "standby.signal") }

// copy starts another server on a copy of this one's data with empty files added to that.
func (s *Server) copy(ctx context.Context, signals ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "pg-copy-")
	if err != nil {
		return nil, err
	}
	// With owners and modes, which are the server's account's.
	if out, err := exec.CommandContext(ctx, "cp", "-a", s.data(), filepath.Join(dir, filepath.Base(s.data()))).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the data: %w: %s", err, out), os.RemoveAll(dir))
	}
	for _, name := range signals {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(s.data()), name), nil, 0o644); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return Start(ctx, Options{Dir: dir, Settings: s.options.Settings, Bin: s.options.Bin})
}

// Stop ends the server as an operator would (fast shutdown): transactions are rolled back and
// the data is closed cleanly. Restart starts it again.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Abort ends the server at once without closing its data (immediate shutdown).
func (s *Server) Abort() error { return s.end(syscall.SIGQUIT) }

// Kill ends the server's process as a crash of the machine would, and its sessions with it.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

func (s *Server) end(how syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	p.signal(how)
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
		p.signal(syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("PostgreSQL did not stop within %v and was killed", stopTimeout)
	}
}

// Close stops the server and removes its folder, unless Options.Keep is set. It may be called
// more than once.
func (s *Server) Close() error { return errors.Join(s.Stop(), s.remove()) }

// remove removes the folder and lets go of its lock.
func (s *Server) remove() error {
	var err error
	if s.dir != "" && !s.options.Keep {
		err = os.RemoveAll(s.dir)
	}
	if s.lock != nil {
		if closing := s.lock.Close(); !errors.Is(closing, fs.ErrClosed) {
			err = errors.Join(err, closing)
		}
	}
	return err
}
