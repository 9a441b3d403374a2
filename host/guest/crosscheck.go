package guest

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// crossCheck converts the manifest's vectors with wazero's interpreter and compares the results with
// those of the compiled module. A wrong result of the compiler has been seen (wazero#2516), and the
// two share no code but the decoder. It returns a *LoadError where they differ.
func (g *Generation) crossCheck(ctx context.Context, fueled []byte, compiled []Conversions) error {
	interpreted, err := g.interpret(ctx, fueled)
	if err != nil {
		return g.refuse(StepVectors, "the interpreter fails where the compiled module does not", reportHint, err)
	}
	for i := range compiled {
		name := g.manifest.Vectors[i].Name
		for j := range compiled[i].Results {
			if a, b := &compiled[i].Results[j], &interpreted[i].Results[j]; !a.Same(b) {
				return g.refuse(StepVectors, fmt.Sprintf("vector %q, version %d, compiled and interpreted, becomes two things", name, a.Version), reportHint, nil)
			}
		}
	}
	return nil
}

const reportHint = "the host's compiler of WebAssembly may be at fault: please report it with the module"

// interpret converts the manifest's vectors with an interpreted instance of the same module.
func (g *Generation) interpret(ctx context.Context, fueled []byte) (answers []Conversions, err error) {
	unseen := NewMetrics(prometheus.NewRegistry()) // what it does is no work of the host's
	other := &Generation{
		name: g.name, digest: g.digest, options: g.options, log: g.log, own: unseen.of(g.name, g.digest),
		manifest: g.manifest, rules: g.rules, limits: g.limits, interpreted: true, idle: make(chan struct{}), slots: make(chan *slot, 1),
	}
	other.options.Instances = 1
	other.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().
		WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(g.options.MemoryPages).WithDebugInfoEnabled(false))
	defer func() { err = errors.Join(err, other.free()) }()
	if other.compiled, err = other.runtime.CompileModule(ctx, fueled); err != nil {
		return nil, err
	}
	if err := other.instantiateHost(ctx); err != nil {
		return nil, err
	}
	other.slots <- other.newSlot()
	if err := other.probe(ctx); err != nil {
		return nil, err
	}
	answers = make([]Conversions, len(g.manifest.Vectors))
	budget := g.options.FuelStart
	for i := range answers {
		if err := other.convertWithin(ctx, vectorRecords(&g.manifest.Vectors[i]), &answers[i], &budget, math.MaxInt); err != nil {
			return nil, err
		}
	}
	return answers, nil
}
