package guest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/fuel"
)

// instance is a guest with a memory of its own. One goroutine at a time may use it.
type instance struct {
	generation *Generation
	module     api.Module
	memory     api.Memory
	stack      *stack // nil where it is interpreted
	alloc      function
	convert    function
	log        guestLog
	now        int64 // what the guest's clock says
	random     *rand.ChaCha8
	sleeps     int    // times that the guest slept in this call
	randomLeft uint32 // bytes of randomness that this call may have
	fuel       api.MutableGlobal
	meter      fuel.Meter
	slice      int64     // of fuel; as it was paced last
	looked     time.Time // when it began
	budget     int64     // of the calls that follow, until another is set
	burnt      int64     // in all calls
	calls      int
	converts   bool      // it has been called to, once at least
	values     [2]uint64 // of a call: its parameters, then its result
}

// newInstance instantiates the compiled guest and runs _initialize. Its errors are
// *Fault, or the context's.
func (g *Generation) newInstance(ctx context.Context, reason string) (*instance, error) {
	module, err := g.runtime.InstantiateModule(withReservedMemory(ctx), g.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Fault{Kind: FaultInstance, During: "instantiation", Detail: err.Error(), Err: err}
	}
	in := &instance{
		generation: g, module: module, memory: module.ExportedMemory(abi.ExportMemory),
		random: seed(g.digest, 0), log: g.newLog(), budget: g.options.FuelStart, slice: fuelSlice,
	}
	in.fuel = module.ExportedGlobal(fuel.ExportGlobal).(api.MutableGlobal) // the rewriter made it
	g.instances.Store(module, in)
	g.own.instance(reason)
	if err := in.begin(ctx); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// begin gives a new instance its stack, looks up what is called again and again, and runs
// _initialize.
func (in *instance) begin(ctx context.Context) (err error) {
	if !in.generation.interpreted {
		if in.stack, err = newStack(); err != nil {
			return &Fault{Kind: FaultInstance, During: "instantiation", Detail: err.Error(), Err: err}
		}
	}
	if in.alloc, err = in.export(abi.ExportAlloc); err != nil {
		return err
	}
	if in.convert, err = in.export(abi.ExportConvert); err != nil {
		return err
	}
	initialize, err := in.export(abi.ExportInitialize)
	if initialize.api == nil || err != nil {
		return err
	}
	return in.call(ctx, initialize, in.values[:0])
}

// function is an export of the instance's.
type function struct {
	name string
	api  api.Function // nil if there is none of the name
}

// export looks a function up and makes it run on the instance's stack.
func (in *instance) export(name string) (function, error) {
	f := function{name, in.module.ExportedFunction(name)}
	if f.api == nil || in.stack == nil {
		return f, nil
	}
	if err := in.stack.lend(f.api); err != nil {
		return f, &Fault{Kind: FaultInstance, During: "instantiation", Detail: err.Error(), Err: err}
	}
	return f, nil
}

// close frees the instance. A guest's module has nothing that could refuse to close.
func (in *instance) close() {
	in.generation.instances.Delete(in.module)
	_ = in.module.Close(context.Background())
	if in.stack != nil {
		in.stack.free()
	}
}

// call calls an export with the budget of fuel that prepare set. It returns a *Fault if the guest fails,
// or ctx's error if that ended first.
func (in *instance) call(ctx context.Context, f function, values []uint64) error {
	in.log.begin()
	in.sleeps, in.randomLeft = 0, maxRandom
	in.calls++
	in.looked = time.Now()
	in.fuel.Set(uint64(in.meter.Begin(fuel.Limits{Budget: in.budget, Slice: in.slice, Largest: fuelLargest})))
	err := f.api.CallWithStack(ctx, values)
	in.log.end()
	in.burnt += in.meter.Used(int64(in.fuel.Get()))
	if err == nil {
		return nil
	}
	return in.fault(ctx, f.name, err)
}

// pay takes fuel for what the host is about to do for the guest. The guest's own code calls it with 0
// whenever it has used up a slice. While it runs, as in every host function, the garbage collector can
// stop the goroutine; and it ends the call when ctx has ended or no fuel is left.
func (in *instance) pay(ctx context.Context, units int64) {
	for {
		if err := ctx.Err(); err != nil {
			panic(err)
		}
		part := min(units, fuelSlice)
		left := int64(in.fuel.Get()) - part
		if left < 0 {
			now := time.Now()
			in.slice = paced(in.slice, now.Sub(in.looked))
			in.looked = now
			in.meter.Resize(in.slice)
			next, err := in.meter.Yield(left)
			if err != nil {
				panic(&hostTrap{kind: FaultFuel, detail: fmt.Sprintf("of %d units: %s", in.budget, err), cause: err})
			}
			left = next
		}
		in.fuel.Set(uint64(left))
		if units -= part; units == 0 {
			return
		}
	}
}

// paced returns the size of the slices that follow one that took so long. A unit is about an instruction, and one
// that waits for memory takes a thousand times as long as another: the garbage collector, which waits for the end
// of a slice, must not.
func paced(slice int64, took time.Duration) int64 {
	switch {
	case took > 2*sliceTime:
		return max(sliceLeast, int64(float64(slice)*float64(sliceTime)/float64(took)))
	case took < sliceTime/2:
		return min(fuelSlice, 2*slice)
	}
	return slice
}

// fault turns the error of a call into a *Fault. It adds the first line that the guest logged, because a
// panic in Go logs its reason before it traps.
func (in *instance) fault(ctx context.Context, name string, err error) error {
	f := &Fault{Kind: FaultTrap, During: name, Detail: Clean([]byte(firstLine(err.Error()))), Err: err}
	var end *hostTrap
	switch {
	case errors.As(err, &end):
		f.Kind, f.Detail, f.Err = end.kind, end.detail, end.cause
		if f.Kind == FaultFuel {
			f.Detail += " (" + fuelSettings(name) + ")"
		}
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if in.log.first != "" {
		f.Detail += "; it said: " + in.log.first
	}
	return f
}

// fuelSettings names the settings that give a call of an export its fuel.
func fuelSettings(export string) string {
	if export == abi.ExportConvert || export == abi.ExportAlloc {
		return "guests.fuel.call, guests.fuel.item"
	}
	return "guests.fuel.start"
}

// view returns the whole memory. It is the instance's own: valid until the next call.
func (in *instance) view() []byte {
	b, _ := in.memory.Read(0, in.memory.Size())
	return b
}

// describe returns the guest's manifest, copied.
func (in *instance) describe(ctx context.Context) ([]byte, error) {
	describe, err := in.export(abi.ExportDescribe)
	if err != nil {
		return nil, err
	}
	if err := in.call(ctx, describe, in.values[:1]); err != nil {
		return nil, err
	}
	ptr, length := abi.Unpack(in.values[0])
	if length > abi.MaxManifest {
		return nil, &Fault{Kind: FaultBadFrame, During: abi.ExportDescribe, Detail: fmt.Sprintf("a manifest of %d bytes, at most %d are allowed", length, abi.MaxManifest)}
	}
	text, ok := in.memory.Read(ptr, length)
	if !ok {
		return nil, &Fault{Kind: FaultBounds, During: abi.ExportDescribe, Detail: fmt.Sprintf("the manifest at %d+%d lies outside the memory of %d bytes", ptr, length, in.memory.Size())}
	}
	return append([]byte(nil), text...), nil
}

// run gives the builder's frame to the guest and opens its answer. The answer lies in the instance's
// memory and is valid until the next call.
func (in *instance) run(ctx context.Context, b *abi.InputBuilder, limits abi.OutputLimits) (abi.Output, error) {
	size := uint32(b.Size())
	in.values[0] = uint64(size)
	if err := in.call(ctx, in.alloc, in.values[:1]); err != nil {
		return abi.Output{}, err
	}
	ptr := uint32(in.values[0])
	if err := in.place(b, ptr, size); err != nil {
		return abi.Output{}, err
	}
	in.values[0], in.values[1] = uint64(ptr), uint64(size)
	if err := in.call(ctx, in.convert, in.values[:]); err != nil {
		return abi.Output{}, err
	}
	ptr, length := abi.Unpack(in.values[0])
	if ptr == 0 || length == 0 {
		return abi.Output{}, &Fault{Kind: FaultRefused, During: abi.ExportConvert, Detail: "it returned no frame"}
	}
	memory := in.view()
	out, err := abi.OpenOutput(memory, ptr, length, b.Records(), limits)
	if err != nil {
		kind := FaultBadFrame
		if uint64(ptr)+uint64(length) > uint64(len(memory)) {
			kind = FaultBounds
		}
		return abi.Output{}, badFrame(kind, err)
	}
	return out, nil
}

// place writes the input frame into the arena that alloc returned.
func (in *instance) place(b *abi.InputBuilder, ptr, size uint32) error {
	if ptr == 0 {
		return &Fault{Kind: FaultMemory, During: abi.ExportAlloc, Detail: fmt.Sprintf("no room for an input of %d bytes", size)}
	}
	arena, ok := in.memory.Read(ptr, size)
	if !ok || ptr%8 != 0 {
		return &Fault{Kind: FaultBounds, During: abi.ExportAlloc, Detail: fmt.Sprintf("the arena at %d+%d lies outside the memory of %d bytes or is not aligned to 8", ptr, size, in.memory.Size())}
	}
	b.Write(arena)
	return nil
}

// prepare sets the clock, the random numbers and the fuel of the next call: the time of its first
// record, numbers that depend on the digest and that record's version alone, and a budget for so many
// items.
func (in *instance) prepare(first *Record, items int) {
	o := &in.generation.options
	in.budget = o.FuelCall + int64(items)*o.FuelItem
	in.now = first.Time
	in.random = seed(in.generation.digest, uint64(first.Version))
}

// outgrown says why the instance is replaced by a new one, which frees whatever wazero or the guest has kept
// for each call: its memory has grown to the high-water mark, or it has done enough. It is empty for one that goes on.
func (in *instance) outgrown() string {
	switch o := &in.generation.options; {
	case in.memory.Size() >= o.HighWaterPages*pageSize:
		return madeForMemory
	case in.calls >= o.mostCalls || in.burnt >= o.mostBurnt:
		return madeForAge
	}
	return ""
}

const pageSize = 1 << 16
