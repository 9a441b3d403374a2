package guest

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest/fuel"
)

// TestLargeOperationMeetsPages owes as much as a guest does that is about to fill a megabyte:
// before it goes on, all of its memory has pages. One that owes less takes none.
func TestLargeOperationMeetsPages(t *testing.T) {
	module, err := os.ReadFile("testdata/works_for_a_while.wasm")
	if err != nil {
		t.Fatal(err)
	}
	g, err := Load(t.Context(), "hostile", module, Options{Instances: 1}, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(context.Background())
	in := (<-g.slots).in
	in.memory.Grow(100)
	for _, c := range []struct {
		owed int64
		all  bool
	}{{1 << 10, false}, {1 << 20, true}} {
		in.meter.Begin(fuel.Limits{Budget: 1 << 40, Slice: fuelSlice, Largest: fuelLargest})
		in.fuel.Set(uint64(-c.owed))
		in.pay(t.Context(), 0)
		if there, all := resident(t, in.view()); (there == all) != c.all {
			t.Errorf("%d of %d pages are there before an operation of %d bytes", there, all, c.owed)
		}
	}
}

// resident returns how many pages of a mapping there are, and how many there could be.
func resident(t *testing.T, mapping []byte) (there, all int) {
	t.Helper()
	pages := make([]byte, (len(mapping)+os.Getpagesize()-1)/os.Getpagesize())
	_, _, errno := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(&mapping[0])), uintptr(len(mapping)), uintptr(unsafe.Pointer(&pages[0])))
	if errno != 0 {
		t.Fatal(errno)
	}
	for _, p := range pages {
		there += int(p & 1)
	}
	return there, len(pages)
}

// TestStackComesBackEmpty uses all of a stack and has it again: it holds nothing of what it held.
func TestStackComesBackEmpty(t *testing.T) {
	s, err := newStack()
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.used() {
		s.used()[i] = 0xff
	}
	s.free()
	again, err := newStack()
	if err != nil {
		t.Fatal(err)
	}
	defer again.free()
	if again != s {
		t.Fatal("another stack was made while one was free")
	}
	for i, b := range again.used() {
		if b != 0 {
			t.Fatalf("byte %d of a stack that comes back is %#x", i, b)
		}
	}
}
