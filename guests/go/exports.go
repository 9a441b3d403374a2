//go:build wasip1

package guest

import (
	"runtime"
	"unsafe"

	"github.com/ichor-replicator/ichor/abi"
)

// served is the module's program: a module has one memory and the host calls it from one
// goroutine at a time.
var served *Program

// arena is where the host puts an input frame; of uint64 to be aligned to 8.
var arena []uint64

// Serve makes p what the module's exports call. Call it from an init function: a reactor's
// main never runs.
func (p *Program) Serve() { served = p }

// trusted says whether frames are used without a check of what they refer to.
const trusted = true

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

//go:wasmexport ichor_abi_v1
func marker() {}

//go:wasmexport ichor_describe
func describe() uint64 { return abi.Pack(address(served.manifest), uint32(len(served.manifest))) }

//go:wasmexport ichor_alloc
func alloc(size uint32) uint32 {
	if size > abi.MaxInput {
		return 0
	}
	if need := int(size+7) / 8; need > len(arena) || arena == nil {
		arena = nil
		arena = make([]uint64, need+need/2+512)
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(arena))))
}

//go:wasmexport ichor_convert
func convert(ptr, length uint32) uint64 {
	if address(nil) == ptr || uint64(length) > uint64(len(arena))*8 {
		return 0
	}
	frame := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(arena))), length)
	out := served.Run(frame, ptr, address)
	packed := abi.Pack(address(out), uint32(len(out)))
	// The collector's own goroutines run only while this one yields; without it a reactor's
	// garbage piles up for ever (golang/go#69584).
	runtime.Gosched()
	return packed
}
