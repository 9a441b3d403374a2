//go:build unix

package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// Database is a fresh database of a test.
type Database struct {
	Server *Server
	Name   string
	DSN    string
}

// shared is the server that the tests of this process share.
var shared struct {
	once   sync.Once
	server *Server
	err    error
	number atomic.Int64
}

// New returns a fresh database on the server that the tests of this process share, starting
// that with the first call. The database is dropped when the test ends. A test that stops or
// kills its server starts one of its own with Private.
func New(tb testing.TB) Database {
	tb.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = Start(context.Background(), Options{Settings: map[string]string{"max_connections": "200"}})
	})
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	d := Database{Server: shared.server, Name: fmt.Sprintf("test%d", shared.number.Add(1))}
	var err error
	if d.DSN, err = d.Server.CreateDatabase(tb.Context(), d.Name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Server.DropDatabase(context.Background(), d.Name); err != nil {
			tb.Error(err)
		}
	})
	return d
}

// Private returns a server of the test's own, closed when the test ends.
func Private(tb testing.TB, options Options) *Server {
	tb.Helper()
	s, err := Start(tb.Context(), options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Main runs the tests of a package, stops the shared server and ends the process.
func Main(m *testing.M) {
	code := m.Run()
	if err := CloseShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// CloseShared stops the shared server, if New started one. It is for a TestMain that does more
// than Main; New must not be called afterwards.
func CloseShared() error {
	if shared.server == nil {
		return nil
	}
	return shared.server.Close()
}
