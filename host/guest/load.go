package guest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/fuel"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

// Load makes a generation of a module. It scans the module, rewrites it for fuel, compiles and
// instantiates it, reads its manifest, checks its SQL, converts the manifest's vectors with the
// compiled module and with an interpreter, and fills the pool.
//
// A module that passed before, as Options.Passes knows, is not checked again, nor rewritten where Options.CacheDir
// has it so. If Options.Child names a
// command, what is left to do is done in a process of its own, and the compiled code is then taken
// from the cache.
//
// Load returns a *LoadError that says what to do if the guest is at fault, ctx's error if it ended, and
// another error if the options or the cache are wrong. The caller must Close the generation.
func Load(ctx context.Context, name string, module []byte, options Options, log *slog.Logger, metrics *Metrics) (loaded *Generation, err error) {
	g, err := newGeneration(name, module, options, log, metrics)
	if err != nil {
		return nil, err
	}
	defer func() {
		if loaded == nil {
			g.own.end()
		}
	}()
	if dir := g.options.CacheDir; dir != "" {
		if err := prepareCache(dir, g.log); err != nil { // here, where somebody reads the log
			return nil, err
		}
	}
	check := g.checkName()
	before := g.cachedPass(ctx, check)
	passed := before
	if len(g.options.Child.Command) > 0 && (!passed || g.options.CacheDir != "" && !g.isCompiled()) {
		err := g.checkApart(ctx, module, passed)
		switch {
		case errors.Is(err, errNoChild):
			g.log.Warn("the guest is checked in the host's own process, which takes memory and time there", "error", err)
		case err != nil:
			return nil, err
		default:
			passed = true
		}
	}
	if err := g.load(ctx, module, passed); err != nil {
		return nil, err
	}
	if !before {
		g.keepPass(ctx, check)
	}
	return g, nil
}

func newGeneration(name string, module []byte, options Options, log *slog.Logger, metrics *Metrics) (*Generation, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	options.Fill()
	digest := DigestOf(module)
	g := &Generation{
		name: name, digest: digest, own: metrics.of(name, digest), options: options,
		idle: make(chan struct{}), slots: make(chan *slot, options.Instances),
		logRate: logRate{rate: float64(options.LogRate), tokens: float64(options.LogRate)},
	}
	g.log = log.With("component", "guest", "guest", name, "digest", g.digest.Short())
	return g, nil
}

// load scans, compiles and instantiates the module in this process, and checks it unless it passed
// before.
func (g *Generation) load(ctx context.Context, module []byte, passed bool) error {
	if err := g.openRuntime(ctx, g.options.CacheDir); err != nil {
		return err
	}
	err := g.start(ctx, module, passed)
	if err != nil && passed && g.cache != nil && ctx.Err() == nil {
		// It came up when it passed: what the cache has may be another module's code.
		g.log.Warn("a module that passed before does not come up: compilation cache is emptied, and it is compiled again", "directory", g.options.CacheDir, "error", err)
		g.slots = make(chan *slot, g.options.Instances)
		if err := errors.Join(g.free(), emptyCache(g.options.CacheDir), g.openRuntime(ctx, g.options.CacheDir)); err != nil {
			return err
		}
		err = g.start(ctx, module, passed)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return errors.Join(err, g.free())
	}
	return nil
}

// openRuntime makes the generation's own runtime: the page limit is a runtime's, and
// nothing of one generation reaches another. Without a directory it has no cache.
func (g *Generation) openRuntime(ctx context.Context, cacheDir string) (err error) {
	config := wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(g.options.MemoryPages).
		WithDebugInfoEnabled(false)
	if cacheDir != "" {
		if g.cache, err = openCache(cacheDir); err != nil {
			return err
		}
		config = config.WithCompilationCache(g.cache)
	}
	g.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	return nil
}

// start takes the steps of loading, in their order.
func (g *Generation) start(ctx context.Context, binary []byte, passed bool) error {
	var took stepTimes
	begun := time.Now()
	did := func(step Step) {
		now := time.Now()
		took = append(took, stepTime{step, now.Sub(begun)})
		begun = now
	}
	fueled, kept, err := g.rewrite(binary, passed, did)
	if err != nil {
		return err
	}
	if !passed {
		go sqlpolicy.Warm() // meanwhile: it takes as long as to compile a guest
	}
	if err := g.compile(ctx, fueled); err != nil {
		return err
	}
	if !kept || !g.isCompiled() { // the cache may have been emptied meanwhile
		g.keepRewritten(fueled)
	}
	did(StepCompile)
	if err := g.instantiateHost(ctx); err != nil {
		return fmt.Errorf("make host modules: %w", err)
	}
	s := g.newSlot()
	if err := s.ready(ctx, g, madeForLoad); err != nil {
		return g.refuse(StepInstantiate, "it does not come up", "", err)
	}
	did(StepInstantiate)
	text, err := s.in.describe(ctx)
	if err != nil {
		return g.refuse(StepDescribe, "it cannot describe itself", "", err)
	}
	g.described = text
	if g.manifest, err = abi.DecodeManifest(text); err != nil {
		return g.refuse(StepDescribe, "its manifest is refused", "", err)
	}
	did(StepDescribe)
	g.rules = newRules(g.manifest)
	g.setLimits()
	g.slots <- s
	for range g.options.Instances - 1 {
		s := g.newSlot()
		if err := s.ready(ctx, g, madeForLoad); err != nil {
			return g.refuse(StepInstantiate, "it came up once and not again", "", err)
		}
		g.slots <- s
	}
	if passed {
		return nil
	}
	begun = time.Now()
	err = g.check(ctx, fueled, did)
	g.steps = took
	return err
}

// rewrite scans the module and gives it fuel. One that passed before was scanned then, and may be in the cache as it was
// rewritten: kept says so.
func (g *Generation) rewrite(binary []byte, passed bool, did func(Step)) (fueled []byte, kept bool, err error) {
	if passed {
		if fueled := g.rewritten(); fueled != nil {
			return fueled, true, nil
		}
	}
	module, err := g.scan(binary)
	if err != nil {
		return nil, false, err
	}
	did(StepScan)
	if fueled, err = fuel.Rewrite(module); err != nil {
		return nil, false, g.refuse(StepFuel, "it cannot be given fuel", "", err)
	}
	did(StepFuel)
	return fueled, false, nil
}

// check applies the SQL policy to the manifest's templates, converts its vectors, and cross-checks them.
func (g *Generation) check(ctx context.Context, fueled []byte, did func(Step)) error {
	if err := g.options.SQL.Check(g.manifest.Templates); err != nil {
		return g.refuse(StepSQL, "its SQL is refused", "", err)
	}
	did(StepSQL)
	answers, err := g.checkVectors(ctx)
	if err == nil {
		err = g.crossCheck(ctx, fueled, answers)
	}
	did(StepVectors)
	return err
}

// compile compiles the module, or finds it in the cache. The cache only saves time: one that
// is damaged is emptied, and one that cannot be written is done without.
func (g *Generation) compile(ctx context.Context, fueled []byte) (err error) {
	if g.compiled, err = g.runtime.CompileModule(ctx, fueled); err == nil {
		return nil
	}
	for _, dir := range []string{g.options.CacheDir, ""} {
		if !cacheFailed(err) {
			break
		}
		g.log.Warn("compilation cache is emptied", "directory", g.options.CacheDir, "error", err)
		if err := errors.Join(g.free(), emptyCache(g.options.CacheDir)); err != nil {
			g.log.Warn("compilation cache is not emptied", "directory", g.options.CacheDir, "error", err)
		}
		g.cache = nil
		if err := g.openRuntime(ctx, dir); err != nil {
			return err
		}
		if g.compiled, err = g.runtime.CompileModule(ctx, fueled); err == nil {
			return nil
		}
	}
	return g.refuse(StepCompile, "it is not a valid module", "", err)
}

// setLimits sets the limits of an answer: the host's, or the guest's own where that is lower.
func (g *Generation) setLimits() {
	own := g.manifest.Limits
	if own.Statements > 0 {
		g.options.ItemStatements = min(g.options.ItemStatements, own.Statements)
	}
	g.limits = abi.OutputLimits{
		Frame: g.options.OutputBytes, Referenced: g.options.ArgumentBytes,
		ItemStatements: g.options.ItemStatements, Statements: g.options.Statements,
	}
}

func (g *Generation) refuse(step Step, what, hint string, err error) error {
	return &LoadError{Guest: g.name, Step: step, What: what, Hint: hint, Err: err}
}
