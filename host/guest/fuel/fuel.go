// Package fuel makes WebAssembly modules stoppable. Native code of a guest cannot be
// preempted: a loop in it holds up the host's garbage collector, and with it every
// goroutine, for as long as it runs. So a module is rewritten before it is compiled: it
// counts down a global at the head of each loop and wherever a way has become long, and
// calls an import of the host's when the global is below zero. There the host is on safe
// ground again; it lets the guest go on with another slice, or ends the call.
//
// How far a guest can go between two checks is proven, by package proof, of each rewritten
// module. The imports that it has beside ours must be the host's own functions, which are on
// safe ground too; what a function of another guest does is not looked into.
//
// The count is exact and repeatable: the same module with the same input burns the same
// fuel on every machine. One unit is about one instruction; see price.go.
package fuel

import "errors"

// The names that a rewritten module has and an original must not have.
const (
	ImportModule = "ichor_fuel" // the import is ImportModule.ImportYield, () → ()
	ImportYield  = "yield"
	ExportGlobal = "ichor_fuel" // the export, a mutable i64: what is left of the slice
)

// How a body is charged and checked, in units. What is promised is proof.Longest; these are
// far below it, because each function of a chain of calls may add its part.
const (
	longestWay   = 512  // that are charged at once, but for a longer block
	longestBlock = 1024 // of instructions that run one after another, without a charge between them
	mostWays     = 32   // on which control comes to a place that is no stage
	mostPaid     = 256  // of a function that is charged to its callers

	longestEnter = 4000 // from the entry of a function to its first check, or through it
	longestTail  = 8192 // between two checks
)

// Limits bound a call. Budget is what it may burn in all, Slice what it may burn before it
// yields again, and Largest what a single operation may cost, which nothing can stop once
// it runs; all in units.
type Limits struct{ Budget, Slice, Largest int64 }

// Meter divides the fuel of a call into slices. A meter belongs to one instance; whoever
// calls the guest sets the exported global to what Begin and Yield return.
type Meter struct {
	limits Limits
	left   int64 // of the budget, not yet handed out
}

// Begin starts a call and returns its first slice.
func (m *Meter) Begin(limits Limits) int64 {
	m.limits, m.left = limits, limits.Budget
	return m.next()
}

// The errors of Yield; the call has to be ended.
var (
	ErrSpent    = errors.New("its fuel is spent")
	ErrTooLarge = errors.New("a single operation costs too much")
)

// Yield is called when the global is below zero: global is its value. It returns the next
// slice, or ErrSpent or ErrTooLarge.
func (m *Meter) Yield(global int64) (next int64, err error) {
	m.left += global
	switch {
	case global < -m.limits.Largest:
		return 0, ErrTooLarge
	case m.left <= 0:
		return 0, ErrSpent
	}
	return m.next(), nil
}

// Resize makes the slices that come next as large as this. What a call may burn, and what it has burnt at its
// end, do not depend on it.
func (m *Meter) Resize(slice int64) { m.limits.Slice = slice }

// Used returns what the call has burnt, with the global at this value.
func (m *Meter) Used(global int64) int64 { return m.limits.Budget - m.left - global }

func (m *Meter) next() int64 {
	n := min(m.left, m.limits.Slice)
	m.left -= n
	return n
}
