package guest

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

// The defaults of Options.
const (
	DefaultMemoryPages    = 1024 // 64 MiB
	DefaultHighWaterPages = 512  // 32 MiB
	DefaultBatchMax       = 512
	DefaultBatchTime      = 500 * time.Microsecond
	DefaultInputBytes     = abi.MaxInput
	DefaultOutputBytes    = abi.DefaultOutput
	DefaultArgumentBytes  = abi.MaxReferenced
	DefaultItemStatements = abi.DefaultItemStatements
	DefaultStatements     = abi.MaxStatements
	DefaultLogLine        = 1 << 10
	DefaultLogCall        = 64 << 10
	DefaultLogRate        = 20
	DefaultFuelStart      = 200_000_000
	DefaultFuelCall       = 20_000_000
	DefaultFuelItem       = 500_000

	fuelMost      = 1 << 40 // so that no sum overflows
	fuelSlice     = 100_000 // the most between two looks at the context: 0.1 to 0.3 ms of most code
	sliceLeast    = 2_000
	sliceTime     = 300 * time.Microsecond // that one should take
	fuelLargest   = 1 << 22                // 4 MiB of memory.copy at once, about a millisecond on pages that are there
	batchFirst    = 64                     // versions of a batch while the cost is not known
	batchBytes    = 4 << 20                // an input frame this large takes no further version
	memoryPagesAt = 65536                  // the most that a 32-bit memory can have

	// How much an instance may do before it is replaced. A busy one reaches these after minutes, and a
	// new one is ready within 30 ms.
	mostCalls = 1 << 18
	mostBurnt = 1 << 38 // units
)

// Options are a generation's limits. A zero field means its default.
type Options struct {
	// Instances is how many calls may run at once, each in a memory of its own; default is
	// GOMAXPROCS.
	Instances int
	// MemoryPages is the most that one instance may have, in pages of 64 KiB.
	MemoryPages uint32
	// HighWaterPages is the size at which an instance is thrown away after a call, since a
	// memory never shrinks.
	HighWaterPages uint32
	// CacheDir keeps compiled code between runs. It must be the host's own: whoever can
	// write there can run code in the host, so a directory that others may enter is refused.
	// Empty means no cache. FindCacheDir finds one.
	CacheDir string
	// Child says how a module is checked in a process of its own.
	Child Child `json:"-"`
	// Passes remembers what was checked; without it everything is checked at each load.
	Passes Passes `json:"-"`
	// BatchMax is the most versions of one call, BatchTime what one call should last: the
	// host's garbage collector waits for it.
	BatchMax  int
	BatchTime time.Duration
	// InputBytes bounds an input frame. A version that does not fit alone is rejected.
	InputBytes int
	// OutputBytes and ArgumentBytes bound what a guest may answer in a call: the frame, and
	// the sum of its values.
	OutputBytes   int
	ArgumentBytes int
	// ItemStatements bounds a version's statements for each of its items that reach the
	// guest, on average; Statements bounds them whatever its items.
	ItemStatements int
	Statements     int
	// LogLine and LogCall bound what a guest may log, in bytes; LogRate in lines a second.
	LogLine int
	LogCall int
	LogRate int
	// FuelStart is the fuel with which an instance must come up and describe itself, and with which
	// all vectors of a manifest together must be converted. FuelCall is the fuel of a call, and FuelItem
	// is added to it for each item of its batch. A unit is about one instruction; a million of them
	// last one to three milliseconds.
	FuelStart int64
	FuelCall  int64
	FuelItem  int64
	// SQL is what the guest's templates may be, beside what is allowed to all.
	SQL sqlpolicy.Policy
	// Padding makes the rows of input frames longer by so many bytes, a multiple of 8, as a
	// later revision of the contract may: for tests of guests.
	Padding int
	// Clock gives the nanoseconds since the epoch that Conversion.Begin and End carry.
	Clock func() int64 `json:"-"`

	// What an instance may do before it is replaced; only tests set it.
	mostCalls int
	mostBurnt int64
}

// Fill sets every field that is zero to its default.
func (o *Options) Fill() {
	o.Instances = cmp.Or(o.Instances, runtime.GOMAXPROCS(0))
	o.BatchMax = cmp.Or(o.BatchMax, DefaultBatchMax)
	o.InputBytes = cmp.Or(o.InputBytes, DefaultInputBytes)
	o.OutputBytes = cmp.Or(o.OutputBytes, DefaultOutputBytes)
	o.ArgumentBytes = cmp.Or(o.ArgumentBytes, DefaultArgumentBytes)
	o.ItemStatements = cmp.Or(o.ItemStatements, DefaultItemStatements)
	o.Statements = cmp.Or(o.Statements, DefaultStatements)
	o.LogLine = cmp.Or(o.LogLine, DefaultLogLine)
	o.LogCall = cmp.Or(o.LogCall, DefaultLogCall)
	o.LogRate = cmp.Or(o.LogRate, DefaultLogRate)
	o.MemoryPages = cmp.Or(o.MemoryPages, DefaultMemoryPages)
	o.HighWaterPages = cmp.Or(o.HighWaterPages, max(1, min(DefaultHighWaterPages, o.MemoryPages/2)))
	o.BatchTime = cmp.Or(o.BatchTime, DefaultBatchTime)
	o.FuelStart = cmp.Or(o.FuelStart, DefaultFuelStart)
	o.FuelCall = cmp.Or(o.FuelCall, DefaultFuelCall)
	o.FuelItem = cmp.Or(o.FuelItem, DefaultFuelItem)
	o.mostCalls = cmp.Or(o.mostCalls, mostCalls)
	o.mostBurnt = cmp.Or(o.mostBurnt, mostBurnt)
	o.Child.Time = cmp.Or(o.Child.Time, DefaultChildTime)
	o.Child.Memory = cmp.Or(o.Child.Memory, DefaultChildMemory)
	if o.Clock == nil {
		o.Clock = func() int64 { return time.Now().UnixNano() }
	}
}

// Validate reports every field that is out of its range. Load calls it.
func (o Options) Validate() error {
	o.Fill()
	var errs []error
	check := func(name string, value, low, high int) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("%s is %d, want %d to %d", name, value, low, high))
		}
	}
	check("guest option Instances", o.Instances, 1, 1024)
	check("guests.memory (guest option MemoryPages), in pages of 64 KiB,", int(o.MemoryPages), 1, memoryPagesAt)
	check("guest option HighWaterPages", int(o.HighWaterPages), 1, int(o.MemoryPages))
	check("guests.limits.versions (guest option BatchMax)", o.BatchMax, 1, abi.MaxRecords)
	check("guests.limits.input (guest option InputBytes), in bytes,", o.InputBytes, 1<<10, abi.MaxInput)
	check("guests.limits.output (guest option OutputBytes), in bytes,", o.OutputBytes, 1<<10, abi.MaxOutput)
	check("guests.limits.values (guest option ArgumentBytes), in bytes,", o.ArgumentBytes, 1<<10, abi.MaxReferenced)
	check("guests.limits.item_statements (guest option ItemStatements)", o.ItemStatements, 1, abi.MaxStatements)
	check("guests.limits.version_statements (guest option Statements)", o.Statements, 1, abi.MaxStatements)
	check("guest option LogLine", o.LogLine, 16, 1<<16)
	check("guest option LogCall", o.LogCall, 16, 1<<20)
	check("guest option LogRate", o.LogRate, 1, 1<<20)
	check("guests.fuel.start (guest option FuelStart)", int(o.FuelStart), 1, fuelMost)
	check("guests.fuel.call (guest option FuelCall)", int(o.FuelCall), 1, fuelMost)
	check("guests.fuel.item (guest option FuelItem)", int(o.FuelItem), 1, fuelMost)
	check("guest option Padding", o.Padding, 0, 1<<10)
	check("guest option BatchTime", int(o.BatchTime), 1, int(time.Minute))
	errs = append(errs, o.SQL.Validate())
	return errors.Join(errs...)
}
