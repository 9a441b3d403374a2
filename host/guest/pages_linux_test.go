package guest

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
)

// TestMemoryHasItsPages looks at the memory of an instance before its guest has run, and when it
// has grown: there is no page that the guest would be the first to touch.
func TestMemoryHasItsPages(t *testing.T) {
	module, err := os.ReadFile("testdata/works_for_a_while.wasm")
	if err != nil {
		t.Fatal(err)
	}
	g, err := Load(t.Context(), "hostile", module, Options{Instances: 1}, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(context.Background())
	in, err := g.newInstance(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []uint32{0, 1, 100} {
		if _, ok := in.memory.Grow(more); !ok {
			t.Fatalf("it does not grow by %d pages", more)
		}
		if there, all := resident(t, in.view()); there != all {
			t.Errorf("%d of %d pages are there of what was grown by %d", there, all, more)
		}
	}
}

// TestTouchMakesPages is what an older Linux and other systems do instead.
func TestTouchMakesPages(t *testing.T) {
	mapping, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mapping)
	touch(mapping)
	if there, all := resident(t, mapping); there != all {
		t.Errorf("%d of %d pages are there", there, all)
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
