package guest_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

var soak = flag.Int("soak", 100_000, "versions that the Go guest converts on one instance")

// TestGoGuestStaysFlat converts versions that make the guest allocate, on one instance: its
// memory must be after all of them what it was after the first tenth. A guest in Go grows for
// ever if its collector never runs, and its clock must not run away meanwhile.
func TestGoGuestStaysFlat(t *testing.T) {
	registry := prometheus.NewRegistry()
	g, err := guest.Load(t.Context(), "misbehaving", guesttest.Banking(t), guest.Options{Instances: 1, CacheDir: guesttest.CacheDir(t), BatchTime: 1e9, BatchMax: 500},
		slog.New(slog.DiscardHandler), guest.NewMetrics(registry))
	if err != nil {
		t.Fatal(err)
	}
	records := make([]guest.Record, 500)
	for i := range records {
		records[i] = record(1+i, item("TRANSFER", `{"from":"0001","to":"0002","amount":1}`), item("DEPOSIT", `{"account":"0001","amount":"5"}`), item("WITHDRAW", `{"account":"0003"}`))
	}
	var into guest.Conversions
	var early, late float64
	for done := 0; done < *soak; done += len(records) {
		if err := g.Convert(context.Background(), records, &into); err != nil {
			t.Fatal(err)
		}
		if done < *soak/10 {
			early = gauge(t, registry)
		}
	}
	late = gauge(t, registry)
	t.Logf("%d versions: %.0f MiB after a tenth, %.0f MiB after all", *soak, early/(1<<20), late/(1<<20))
	if late > early+4<<20 || counters(t, registry)["instances_total pool"]+counters(t, registry)["instances_total fault"] > 0 {
		t.Errorf("its memory grew from %.0f to %.0f bytes, instances were %v", early, late, counters(t, registry))
	}
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestGrowingGuestsComeBack calls guests 10,000 times that make something grow with every call:
// what they leave in the process is bounded, in the heap and outside it, where memories and stacks of guests are.
func TestGrowingGuestsComeBack(t *testing.T) {
	for _, deed := range []string{"grows_its_tables_with_every_call", "refers_to_a_function_with_every_call"} {
		t.Run(deed, func(t *testing.T) {
			g := mustLoad(t, "hostile", fixture(t, deed), guest.Options{Instances: 1})
			records := []guest.Record{record(42, item("A", `1`))}
			var into guest.Conversions
			debug.FreeOSMemory() // what compiling took is no room for what follows
			before, all := heap(), resident(t)
			for range 10_000 {
				if err := g.Convert(t.Context(), records, &into); err != nil || into.Faults > 0 {
					t.Fatalf("%v, %d faults", err, into.Faults)
				}
			}
			if after := heap(); after > before+32<<20 {
				t.Errorf("the heap had %d bytes and has %d", before, after)
			}
			if after := resident(t); after > all+32<<20 {
				t.Errorf("the process had %d bytes and has %d", all, after)
			}
		})
	}
}

// heap returns the bytes that are in use after a collection.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse + stats.StackInuse
}

// resident returns the bytes that the process has of the machine's memory; 0 where the system does not say it as
// Linux does.
func resident(t *testing.T) (bytes uint64) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	if _, err := fmt.Sscanf(line, "%d kB", &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}

// gauge returns the memory of the instance that was used last.
func gauge(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "ichor_guest_memory_bytes" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("no figure of the memory")
	return 0
}
