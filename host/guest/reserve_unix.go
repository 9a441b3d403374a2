//go:build unix

package guest

import (
	"context"
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// withReservedMemory makes instances that are made under the context reserve all the
// memory that they may ever have, as addresses without pages: to grow costs nothing and
// copies nothing, and all of it goes back to the system when the instance is closed,
// instead of waiting for the host's collector.
func withReservedMemory(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(reserve))
}

// reserve is called by wazero for each instance; most is what the limit leaves.
func reserve(_, most uint64) experimental.LinearMemory {
	b, err := syscall.Mmap(-1, 0, int(max(most, pageSize)), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return new(heapMemory) // no addresses left, or not allowed: slower, and as good
	}
	return &reservedMemory{b}
}

// reservedMemory is one instance's memory.
type reservedMemory struct{ b []byte }

// Reallocate implements experimental.LinearMemory.
func (m *reservedMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.b)) {
		return nil
	}
	return m.b[:size]
}

// Free implements experimental.LinearMemory.
func (m *reservedMemory) Free() {
	_ = syscall.Munmap(m.b) // it fails only for what is not mapped
	m.b = nil
}

// heapMemory is an instance's memory where none can be reserved.
type heapMemory struct{ b []byte }

// Reallocate implements experimental.LinearMemory.
func (m *heapMemory) Reallocate(size uint64) []byte {
	if more := int(size) - len(m.b); more > 0 {
		m.b = append(m.b, make([]byte, more)...)
	}
	return m.b[:size]
}

// Free implements experimental.LinearMemory.
func (m *heapMemory) Free() { m.b = nil }
