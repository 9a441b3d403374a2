//go:build unix

package guest

import (
	"context"
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// withReservedMemory makes instances that are made under the context reserve all the
// memory that they may ever have, as addresses without pages: to grow copies nothing, and all of it goes back to the system when the instance is closed,
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
	return &reservedMemory{b: b}
}

// reservedMemory is one instance's memory.
type reservedMemory struct {
	b    []byte // all that it may have
	used int    // bytes of it that have pages
}

// Reallocate implements experimental.LinearMemory. What the memory grows by gets its pages here,
// where the host's collector goes on beside it. A guest that touches pages that are
// not there waits for the system with each, and cannot be stopped meanwhile.
func (m *reservedMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.b)) {
		return nil
	}
	if more := int(size); more > m.used {
		populate(m.b[m.used:more])
		m.used = more
	}
	return m.b[:size]
}

// touch makes the pages of a mapping by writing to each. Unlike a guest's, a loop of Go's can be
// stopped meanwhile.
func touch(mapping []byte) {
	for at := 0; at < len(mapping); at += syscall.Getpagesize() {
		mapping[at] = 0
	}
}

// Free implements experimental.LinearMemory.
func (m *reservedMemory) Free() {
	_ = syscall.Munmap(m.b) // it fails only for what is not mapped
	m.b, m.used = nil, 0
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
