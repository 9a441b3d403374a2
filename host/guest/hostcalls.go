package guest

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/fuel"
)

// hostName is the name of an import, in two parts.
type hostName struct{ module, function string }

// hostFunction is a function that a guest may import. call reads its arguments from the stack and
// leaves its result there; to end the guest's call it panics with a *hostTrap. price, if it is not
// nil, returns the fuel that is taken before call runs, in addition to what the rewriter charges for
// every call of the host.
type hostFunction struct {
	sig   signature
	call  func(in *instance, stack []uint64)
	price func(in *instance, stack []uint64) int64
}

// The prices of host functions in units of fuel: for a byte of text that is read, for one that is made
// safe to log, for a random byte, and for an entry of a list.
const (
	priceRead   = 1
	priceKept   = 32
	priceRandom = 2
	priceVector = 8
)

// hostFunctions returns everything that a guest may import.
func hostFunctions() map[hostName]hostFunction {
	all := map[hostName]hostFunction{
		{abi.ImportHost, abi.ImportLog}:   {sig("i32 i32 i32", ""), hostLog, logPrice},
		{abi.ImportHost, abi.ImportAbort}: {sig("i32 i32", ""), hostAbort, nil},
		{abi.ImportEnv, abi.ImportAbort}:  {sig("i32 i32 i32 i32", ""), assemblyScriptAbort, nil},
	}
	for name, f := range wasiFunctions() {
		all[hostName{abi.ImportWASI, name}] = f
	}
	return all
}

// hostTrap is the panic value of a host function that ends the guest's call. wazero turns it
// into the error of the call.
type hostTrap struct {
	kind   FaultKind
	detail string
	cause  error // nil but for fuel
}

// Error implements error.
func (e *hostTrap) Error() string { return string(e.kind) + ": " + e.detail }

// instantiateHost makes the modules that guests import from. wazero tells each function which module
// called it, and so it finds the instance in g.instances.
func (g *Generation) instantiateHost(ctx context.Context) error {
	all := hostFunctions()
	builders := make(map[string]wazero.HostModuleBuilder)
	for name, f := range all {
		b, found := builders[name.module]
		if !found {
			b = g.runtime.NewHostModuleBuilder(name.module)
			builders[name.module] = b
		}
		call := func(ctx context.Context, caller api.Module, stack []uint64) {
			in := g.instanceOf(caller)
			price := int64(0)
			if f.price != nil {
				price = f.price(in, stack)
			}
			in.pay(ctx, price)
			f.call(in, stack)
		}
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(call), f.sig.params, f.sig.results).Export(name.function)
	}
	yield := func(ctx context.Context, caller api.Module, _ []uint64) { g.instanceOf(caller).pay(ctx, 0) }
	builders[fuel.ImportModule] = g.runtime.NewHostModuleBuilder(fuel.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(yield), nil, nil).Export(fuel.ImportYield)
	for _, module := range slices.Sorted(maps.Keys(builders)) {
		if _, err := builders[module].Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hostLog is ichor_v1.log(level, ptr, len).
func hostLog(in *instance, stack []uint64) {
	text := in.read(uint32(stack[1]), uint32(stack[2]))
	in.log.line(abi.LogLevel(uint32(stack[0])), text)
}

func logPrice(in *instance, stack []uint64) int64 {
	return in.log.price(min(int(uint32(stack[2])), in.log.perLine))
}

// hostAbort is ichor_v1.abort(ptr, len).
func hostAbort(in *instance, stack []uint64) {
	text := in.read(uint32(stack[0]), min(uint32(stack[1]), abi.MaxMessage))
	panic(&hostTrap{kind: FaultAbort, detail: Clean(text)})
}

// assemblyScriptAbort is env.abort(message, file, line, column); the strings are UTF-16 in
// objects of its own runtime, so only the place is told.
func assemblyScriptAbort(_ *instance, stack []uint64) {
	panic(&hostTrap{kind: FaultAbort, detail: fmt.Sprintf("AssemblyScript at line %d, column %d", uint32(stack[2]), uint32(stack[3]))})
}

// read returns bytes of the guest's memory, not copied. An address outside it ends the guest's call.
func (in *instance) read(ptr, length uint32) []byte {
	b, ok := in.memory.Read(ptr, length)
	if !ok {
		panic(&hostTrap{kind: FaultBounds, detail: "a host function was given an address outside the memory"})
	}
	return b
}

func (in *instance) put32(ptr, value uint32) {
	if !in.memory.WriteUint32Le(ptr, value) {
		panic(&hostTrap{kind: FaultBounds, detail: "a host function was given an address outside the memory"})
	}
}

func (in *instance) put64(ptr uint32, value uint64) {
	if !in.memory.WriteUint64Le(ptr, value) {
		panic(&hostTrap{kind: FaultBounds, detail: "a host function was given an address outside the memory"})
	}
}
