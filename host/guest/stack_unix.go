//go:build unix

package guest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"syscall"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
)

// How large an instance's stack is. Chrome and wasmtime give a quarter of that at most.
const (
	stackBytes    = 4 << 20  // that a guest may use: ten thousand calls in one another and more
	stackSlack    = 64 << 10 // below them, for what a compiled function does before it looks
	stackReserved = 64 << 20 // addresses; wazero lets no stack grow that has more than 50,000,000 bytes
)

// stack is the machine's stack that an instance's functions run on, one at a time. wazero's own
// begins with 10 KiB, and each time that it is full another of twice the size is made and the old
// one copied: with a deep recursion up to 40 MiB in one piece, on pages that nobody touched
// before, while the host's collector waits (95 ms were measured). This one has its size from the
// beginning, as addresses without pages. wazero takes it for one that is too large to grow, so
// that a recursion beyond it is its stack overflow: a trap, without a copy.
type stack struct{ reserved []byte }

// stacks are those that no instance has. A stack is never given back to the system: what wazero
// keeps of a closed instance may still point to it, and must not come to mean anything else.
var stacks struct {
	mu   sync.Mutex
	free []*stack
}

// newStack returns a stack that no instance has.
func newStack() (*stack, error) {
	stacks.mu.Lock()
	defer stacks.mu.Unlock()
	if n := len(stacks.free); n > 0 {
		s := stacks.free[n-1]
		stacks.free = stacks.free[:n-1]
		return s, nil
	}
	reserved, err := syscall.Mmap(-1, 0, stackReserved, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of addresses for a stack: %w", stackReserved, err)
	}
	s := &stack{reserved}
	if err := syscall.Mprotect(s.used(), syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		_ = syscall.Munmap(reserved) // it fails only for what is not mapped
		return nil, fmt.Errorf("make a stack of %d bytes: %w", stackBytes, err)
	}
	return s, nil
}

// used is the part of the addresses that may come to have pages.
func (s *stack) used() []byte { return s.reserved[stackReserved-stackBytes-stackSlack:] }

// free takes the stack back for the next instance, and gives its pages back to the system.
func (s *stack) free() {
	depopulate(s.used())
	stacks.mu.Lock()
	defer stacks.mu.Unlock()
	stacks.free = append(stacks.free, s)
}

// lend makes a compiled function run on the stack. wazero has no setting for that, so its own
// fields are set, found by their names. It returns an error if they are not what they were in
// wazero 1.12.0.
func (s *stack) lend(f api.Function) error {
	const aligned = 16
	engine := reflect.ValueOf(f)
	if engine.Kind() != reflect.Pointer || engine.Elem().Kind() != reflect.Struct {
		return errForeignStack
	}
	engine = engine.Elem()
	context := engine.FieldByName("execCtx")
	if context.Kind() != reflect.Struct {
		return errForeignStack
	}
	whole, ok := field[[]byte](engine, "stack")
	top, topOK := field[uintptr](engine, "stackTop")
	bottom, bottomOK := field[*byte](context, "stackBottomPtr")
	if !ok || !topOK || !bottomOK {
		return errForeignStack
	}
	*whole = s.reserved
	*top = uintptr(unsafe.Pointer(&s.reserved[stackReserved-aligned]))
	*bottom = &s.reserved[stackReserved-stackBytes]
	return nil
}

// errForeignStack is for whoever builds the host with another wazero; TestStackIsTheHosts fails
// there.
var errForeignStack = errors.New("this host was built with a version of wazero whose stacks it cannot bound: build it with the one in go.mod")

// field returns a field that is not exported, to be set; false if there is none of this type.
func field[T any](of reflect.Value, name string) (*T, bool) {
	f := of.FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil, false
	}
	return (*T)(unsafe.Pointer(f.UnsafeAddr())), true
}
