// Package guesttest builds guests for tests, benchmarks and the demo.
package guesttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/guests"
)

// The directories of the examples' guests within the repository.
const (
	BankingDir = "examples/banking/guest"
	OrdersDir  = "examples/orders/guest"
)

// Banking returns the banking example's guest in Go.
func Banking(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := banking()
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// Small returns the banking example's guest in C: a tenth of the others' code, for tests that load it again and again. Guests in
// other languages are tried by their kits, by package guest and by the demonstration.
func Small(tb testing.TB) []byte {
	tb.Helper()
	return BankingIn(tb, guests.C)
}

// BankingIn returns the banking example's guest in a language. In all but Go it is committed
// beside its sources, since their compilers are not on every machine.
func BankingIn(tb testing.TB, l guests.Language) []byte {
	tb.Helper()
	if l == guests.Go {
		return Banking(tb)
	}
	return committed(tb, BankingDir, "banking-"+string(l)+".wasm")
}

// OrdersIn returns the orders example's guest in a language: Go or AssemblyScript.
func OrdersIn(tb testing.TB, l guests.Language) []byte {
	tb.Helper()
	if l != guests.Go {
		return committed(tb, OrdersDir, "orders-"+string(l)+".wasm")
	}
	wasm, err := orders()
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// committed returns a module that stands in the repository.
func committed(tb testing.TB, directory, name string) []byte {
	tb.Helper()
	root, err := repository()
	if err != nil {
		tb.Fatal(err)
	}
	wasm, err := os.ReadFile(filepath.Join(root, directory, name))
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// Misbehaving returns the guest whose actions misbehave by name.
func Misbehaving(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := misbehaving()
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// Order returns the guest that takes what it finds first in a map.
func Order(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := order()
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// Changed returns a guest of the bank that makes something else of some versions, by the account that a
// transfer comes from.
func Changed(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := changed()
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// Values returns the guest that puts payloads into columns of every type.
func Values(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := values()
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// BuildExample builds the guest in Go of an example, such as "banking", from the repository in root into a file.
func BuildExample(ctx context.Context, root, example, out string) error {
	_, err := guests.Build(ctx, filepath.Join(root, "examples", example, "guest"), out)
	return err
}

var (
	banking     = sync.OnceValues(func() ([]byte, error) { return built(BankingDir) })
	orders      = sync.OnceValues(func() ([]byte, error) { return built(OrdersDir) })
	misbehaving = sync.OnceValues(func() ([]byte, error) { return built("host/guest/guesttest/misbehaving") })
	changed     = sync.OnceValues(func() ([]byte, error) { return built("host/guest/guesttest/changed") })
	order       = sync.OnceValues(func() ([]byte, error) { return built("host/guest/guesttest/order") })
	values      = sync.OnceValues(func() ([]byte, error) { return built("host/guest/guesttest/values") })
)

// repository finds the module's root from this file, so that tests of any package may ask.
func repository() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", fmt.Errorf("the repository is not known: built with -trimpath")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(file)))), nil
}

// CacheDir returns a directory for compiled code that the tests of this user share, so that a
// guest is compiled to machine code once and not once a test. What is a week old is removed.
func CacheDir(tb testing.TB) string {
	tb.Helper()
	dir, err := cacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

const cacheAge = 7 * 24 * time.Hour

var cacheDir = sync.OnceValues(func() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "ichor", "test-guests")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreGone(err)
		}
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < cacheAge {
			return ignoreGone(err)
		}
		return ignoreGone(os.Remove(path))
	})
})

// ignoreGone passes over files that another test process removed first.
func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
