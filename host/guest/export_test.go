package guest

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// ReplacedAfter returns the options with instances that are replaced after so many calls of their exports,
// or so many units.
func (o Options) ReplacedAfter(calls int, burnt int64) Options {
	o.mostCalls, o.mostBurnt = calls, burnt
	return o
}

// Burning returns the units that the call of the generation's only instance has burnt so far. It is for
// the goroutine of that call.
func (g *Generation) Burning() (units int64) {
	g.instances.Range(func(_, value any) bool {
		in := value.(*instance)
		units = in.meter.Used(int64(in.fuel.Get()))
		return false
	})
	return units
}

// HostCalls returns everything that a guest may import, by module and function, each with its type as a module declares it.
func HostCalls() map[[2]string]wasm.FuncType {
	all := make(map[[2]string]wasm.FuncType)
	for name, f := range hostFunctions() {
		all[[2]string{name.module, name.function}] = f.sig.declared()
	}
	return all
}
