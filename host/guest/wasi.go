package guest

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"

	"github.com/ichor-replicator/ichor/abi"
)

// Results of WASI functions.
const (
	wasiOK     = 0
	wasiEBADF  = 8
	wasiEINVAL = 28
	wasiENOSYS = 52
)

// Clocks of clock_time_get, and what the monotonic one always says: Go's runtime refuses
// a zero.
const (
	clockRealtime  = 0
	monotonicValue = 1_000_000_000
)

const (
	fdStdout       = 1
	fdStderr       = 2
	fdstatSize     = 24
	filetypeDevice = 2
	maxIOVectors   = 64
	maxRandom      = 1 << 16 // bytes of one call of the guest
	maxSleeps      = 64      // of one call of the guest
)

// wasiFunctions returns the part of WASI that guests may import: what reactors made by Go and wasi-libc
// import. None of it reaches outside the guest, whose answer depends on its batch alone.
func wasiFunctions() map[string]hostFunction {
	answer := func(params string, code uint64) hostFunction {
		return hostFunction{sig(params, "i32"), func(_ *instance, stack []uint64) { stack[0] = code }, nil}
	}
	return map[string]hostFunction{
		"proc_exit":         {sig("i32", ""), procExit, nil},
		"clock_time_get":    {sig("i32 i64 i32", "i32"), clockTimeGet, nil},
		"clock_res_get":     {sig("i32 i32", "i32"), clockResGet, nil},
		"random_get":        {sig("i32 i32", "i32"), randomGet, randomPrice},
		"fd_write":          {sig("i32 i32 i32 i32", "i32"), fdWrite, writePrice},
		"fd_fdstat_get":     {sig("i32 i32", "i32"), fdFdstatGet, nil},
		"args_sizes_get":    {sig("i32 i32", "i32"), noStrings, nil},
		"environ_sizes_get": {sig("i32 i32", "i32"), noStrings, nil},
		"poll_oneoff":       {sig("i32 i32 i32 i32", "i32"), pollOneoff, nil},
		"args_get":          answer("i32 i32", wasiOK),
		"environ_get":       answer("i32 i32", wasiOK),
		"sched_yield":       answer("", wasiOK),
		// EBADF, not ENOSYS: it is how a program learns that there are no more directories.
		"fd_prestat_get":      answer("i32 i32", wasiEBADF),
		"fd_prestat_dir_name": answer("i32 i32 i32", wasiENOSYS),
		"fd_fdstat_set_flags": answer("i32 i32", wasiENOSYS),
		"fd_close":            answer("i32", wasiENOSYS),
		"fd_read":             answer("i32 i32 i32 i32", wasiENOSYS),
		"fd_seek":             answer("i32 i64 i32 i32", wasiENOSYS),
	}
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func procExit(_ *instance, stack []uint64) {
	panic(&hostTrap{kind: FaultExit, detail: "proc_exit(" + decimal(uint64(uint32(stack[0]))) + ")"})
}

// clockTimeGet stands still within a call: at the time of its first candidate, or at a
// constant for the clocks that only measure. A clock that moved would make a guest more
// than a function of its input, and upsets the pacing of Go's collector.
func clockTimeGet(in *instance, stack []uint64) {
	value := uint64(monotonicValue)
	if uint32(stack[0]) == clockRealtime {
		value = uint64(in.now)
	}
	in.put64(uint32(stack[2]), value)
	stack[0] = wasiOK
}

func clockResGet(in *instance, stack []uint64) {
	in.put64(uint32(stack[1]), 1)
	stack[0] = wasiOK
}

// pollOneoff returns at once without an event, a few times: Go's runtime waits a moment
// here while it reports a panic. A guest that sleeps would ask for ever, since no time
// passes, and is stopped.
func pollOneoff(in *instance, stack []uint64) {
	if in.sleeps++; in.sleeps > maxSleeps {
		panic(&hostTrap{kind: FaultSleep, detail: "it sleeps, but within a call time stands still"})
	}
	in.put32(uint32(stack[3]), 0)
	stack[0] = wasiOK
}

func noStrings(in *instance, stack []uint64) {
	in.put32(uint32(stack[0]), 0)
	in.put32(uint32(stack[1]), 0)
	stack[0] = wasiOK
}

// randomGet gives the same bytes for the same guest and the same first version of a call, at most
// maxRandom in a call.
func randomGet(in *instance, stack []uint64) {
	length := uint32(stack[1])
	if length > in.randomLeft {
		stack[0] = wasiEINVAL
		return
	}
	in.randomLeft -= length
	_, _ = in.random.Read(in.read(uint32(stack[0]), length)) // it never fails
	stack[0] = wasiOK
}

func randomPrice(in *instance, stack []uint64) int64 {
	return priceRandom * int64(min(uint32(stack[1]), in.randomLeft))
}

// seed restarts the guest's randomness from the digest and a version.
func seed(digest Digest, version uint64) *rand.ChaCha8 {
	for i := range 8 {
		digest[i] ^= byte(version >> (8 * i))
	}
	return rand.NewChaCha8(digest)
}

func fdFdstatGet(in *instance, stack []uint64) {
	if uint32(stack[0]) > fdStderr {
		stack[0] = wasiEBADF
		return
	}
	stat := in.read(uint32(stack[1]), fdstatSize)
	clear(stat)
	stat[0] = filetypeDevice
	stack[0] = wasiOK
}

// fdWrite is the guest's standard output and error: its log, a line each. What goes beyond
// the call's budget is written nowhere and not looked at.
func fdWrite(in *instance, stack []uint64) {
	fd, vectors, count, result := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	switch {
	case fd != fdStdout && fd != fdStderr:
		stack[0] = wasiEBADF
		return
	case count > maxIOVectors:
		stack[0] = wasiEINVAL
		return
	}
	level := abi.LogInfo
	if fd == fdStderr {
		level = abi.LogWarn
	}
	written := uint32(0)
	for i := range count {
		ptr, length := in.vector(vectors, i)
		in.log.stream(level, in.read(ptr, length))
		written += length
	}
	in.put32(result, written)
	stack[0] = wasiOK
}

// writePrice is that of a fdWrite: of its list, and of the text that is not beyond the budget.
func writePrice(in *instance, stack []uint64) int64 {
	vectors, count := uint32(stack[1]), min(uint32(stack[2]), maxIOVectors)
	text := 0
	for i := range count {
		_, length := in.vector(vectors, i)
		text += int(length)
	}
	return priceVector*int64(count) + in.log.price(text)
}

// vector reads an entry of the list of a fdWrite.
func (in *instance) vector(list, i uint32) (ptr, length uint32) {
	v := in.read(list+8*i, 8)
	return binary.LittleEndian.Uint32(v), binary.LittleEndian.Uint32(v[4:])
}
