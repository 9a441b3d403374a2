package guest_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

// bystander is a guest that is loaded beside the hostile ones; each conversion is compared.
type bystander struct {
	g *guest.Generation
}

const bystanderSays = `converted 1["0017" "0042" "25.5" "42"]`

func (b *bystander) converts(t *testing.T) {
	t.Helper()
	c := convert(t, b.g, record(42, item("TRANSFER", `{"amount":25.5,"from":"0017","to":"0042"}`)))[0]
	if got := say(&c); got != bystanderSays {
		t.Errorf("beside it, another guest gives %s, want %s", got, bystanderSays)
	}
}

// TestHostIsUnharmed loads every fixture and calls it again and again: another guest gives
// what it gave before, and all memory comes back.
func TestHostIsUnharmed(t *testing.T) {
	b := bystander{mustLoad(t, "bystander", guesttest.BankingIn(t, guests.C), guest.Options{Instances: 1})}
	files, err := filepath.Glob("testdata/*.wasm")
	if err != nil {
		t.Fatal(err)
	}
	options := guest.Options{Instances: 1, FuelStart: 20_000_000, FuelCall: 1_000_000, CacheDir: guesttest.CacheDir(t)}
	metrics := guest.NewMetrics(prometheus.NewRegistry())
	var before held
	for round := range 3 {
		for _, file := range files {
			module := fixture(t, strings.TrimSuffix(filepath.Base(file), ".wasm"))
			g, err := guest.Load(t.Context(), "hostile", module, options, slog.New(slog.DiscardHandler), metrics)
			if err == nil {
				convert(t, g, record(1, item("A", `1`)), record(2, item("A", `{"a":[1]}`)))
				if err := g.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}
			b.converts(t)
		}
		if round == 0 {
			before = holds()
		}
	}
	after := holds()
	if after.heap > before.heap+1<<20 || after.mapped > before.mapped+8 || after.goroutines > before.goroutines {
		t.Errorf("after two more rounds of all fixtures it holds %+v, before them %+v", after, before)
	}
}

// held is what a process has.
type held struct {
	heap       uint64 // bytes
	mapped     int    // stretches of the address space, each instance's memory is one
	goroutines int
}

func holds() held {
	for range 3 { // what the first run finds unreachable may hold more
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		maps = nil // not on Linux: the heap alone
	}
	return held{m.HeapAlloc, strings.Count(string(maps), "\n"), runtime.NumGoroutine()}
}

// TestOthersConvertMeanwhile holds a guest that never ends in its call, until another has
// converted a hundred times and the collector has run beside it.
func TestOthersConvertMeanwhile(t *testing.T) {
	b := bystander{mustLoad(t, "bystander", guesttest.BankingIn(t, guests.C), guest.Options{Instances: 1})}
	for _, deed := range endless {
		t.Run(deed, func(t *testing.T) {
			called := make(chan struct{})
			begun := sync.OnceFunc(func() { close(called) })
			g := mustLoad(t, "hostile", fixture(t, deed), guest.Options{Instances: 1, FuelCall: 1 << 40, Clock: func() int64 { begun(); return 1 }})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() {
				var into guest.Conversions
				done <- g.Convert(ctx, []guest.Record{record(1, item("A", `1`))}, &into)
			}()
			<-called
			for range 100 {
				b.converts(t)
			}
			runtime.GC()
			select {
			case err := <-done:
				t.Errorf("it ended by itself: %v", err)
			default:
			}
			cancel()
			if err := <-done; ctx.Err() == nil || err == nil {
				t.Errorf("its end is %v", err)
			}
		})
	}
}

// TestPlantedCode puts other bytes in the place of compiled code: what is planted in the
// cache, or was half written, must not be run.
func TestPlantedCode(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	module := guesttest.BankingIn(t, guests.C)
	mustLoad(t, "first", module, guest.Options{Instances: 1, CacheDir: cache})
	var planted int
	err := filepath.WalkDir(cache, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil || len(code) == 0 { // a verdict
			return err
		}
		for at := len(code) / 2; at < len(code)/2+64; at++ {
			code[at] ^= 0xcc
		}
		planted++
		return os.WriteFile(path, code, 0o600)
	})
	if err != nil || planted == 0 {
		t.Fatal("no compiled code in the cache", err)
	}
	b := bystander{mustLoad(t, "second", module, guest.Options{Instances: 1, CacheDir: cache})}
	b.converts(t)
}
