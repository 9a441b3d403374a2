package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/fuel"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

// Load makes a generation of a binary: it scans it, gives it fuel, compiles it, instantiates it, reads its manifest, checks its SQL, runs the manifest's vectors, and warms the pool. It returns a *LoadError, naming what to do, if the guest is
// at fault; ctx's error if it ended; another error if the options or the cache are bad.
// The caller must Close the generation.
func Load(ctx context.Context, name string, wasm []byte, options Options, log *slog.Logger, metrics *Metrics) (*Generation, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	options.setDefaults()
	g := &Generation{
		name: name, digest: DigestOf(wasm), options: options, metrics: metrics, own: metrics.of(name),
		idle: make(chan struct{}), slots: make(chan *slot, options.Instances),
		logRate: logRate{rate: float64(options.LogRate), tokens: float64(options.LogRate)},
	}
	g.log = log.With("component", "guest", "guest", name, "digest", g.digest.Short())
	if err := g.openRuntime(ctx); err != nil {
		return nil, err
	}
	if err := g.start(ctx, wasm); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, errors.Join(err, g.free())
	}
	return g, nil
}

// openRuntime makes the generation's own runtime: the page limit is a runtime's, and
// nothing of one generation reaches another.
func (g *Generation) openRuntime(ctx context.Context) error {
	config := wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(g.options.MemoryPages).
		WithDebugInfoEnabled(false)
	if dir := g.options.CacheDir; dir != "" {
		if err := privateDir(dir); err != nil {
			return err
		}
		cache, err := wazero.NewCompilationCacheWithDir(dir)
		if err != nil {
			return fmt.Errorf("open compilation cache: %w", err)
		}
		g.cache = cache
		config = config.WithCompilationCache(cache)
	}
	g.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	return nil
}

// privateDir makes the folder, or checks that it is for its owner alone: compiled code is
// run as it is found there.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make compilation cache: %w", err)
	}
	stat, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at compilation cache: %w", err)
	}
	if mode := stat.Mode().Perm(); mode&0o077 != 0 || !ownedByUs(stat) {
		return fmt.Errorf("compilation cache %s has mode %04o or another owner: code is run from it, so it must be the host's alone (chmod 700 %s)", filepath.Clean(dir), mode, filepath.Clean(dir))
	}
	return nil
}

// start takes the steps of loading, in their order.
func (g *Generation) start(ctx context.Context, binary []byte) error {
	module, err := g.scan(binary)
	if err != nil {
		return err
	}
	fueled, err := fuel.Rewrite(module)
	if err != nil {
		return g.refuse(StepFuel, "it cannot be given fuel", "", err)
	}
	if !g.agreement(fueled).known() {
		go sqlpolicy.Warm() // meanwhile: it takes as long as to compile a guest
	}
	if err := g.compile(ctx, fueled); err != nil {
		return err
	}
	if err := g.instantiateHost(ctx); err != nil {
		return fmt.Errorf("make host modules: %w", err)
	}
	s := g.newSlot()
	if err := s.ready(ctx, g, "load"); err != nil {
		return g.refuse(StepInstantiate, "it does not come up", "", err)
	}
	text, err := s.in.describe(ctx)
	if err != nil {
		return g.refuse(StepDescribe, "it cannot describe itself", "", err)
	}
	g.described = text
	if g.manifest, err = abi.DecodeManifest(text); err != nil {
		return g.refuse(StepDescribe, "its manifest is refused", "", err)
	}
	if err := g.checkSQL(); err != nil {
		return err
	}
	g.rules = newRules(g.manifest)
	g.setLimits()
	g.slots <- s
	for range g.options.Instances - 1 {
		s := g.newSlot()
		if err := s.ready(ctx, g, "load"); err != nil {
			return g.refuse(StepInstantiate, "it came up once and not again", "", err)
		}
		g.slots <- s
	}
	answers, err := g.checkVectors(ctx)
	if err != nil {
		return err
	}
	return g.secondOpinion(ctx, fueled, answers)
}

// compile compiles the module, or finds it in the cache. A cache that is damaged is thrown
// away: it only saves time.
func (g *Generation) compile(ctx context.Context, fueled []byte) (err error) {
	if g.compiled, err = g.runtime.CompileModule(ctx, fueled); err == nil {
		return nil
	}
	if !strings.Contains(err.Error(), "compilationcache:") {
		return g.refuse(StepCompile, "it is not a valid module", "", err)
	}
	g.log.Warn("compilation cache is damaged, made anew", "folder", g.options.CacheDir, "error", err)
	if err := g.free(); err != nil {
		return fmt.Errorf("close damaged compilation cache: %w", err)
	}
	if err := os.RemoveAll(g.options.CacheDir); err != nil {
		return fmt.Errorf("throw damaged compilation cache away: %w", err)
	}
	if err := g.openRuntime(ctx); err != nil {
		return err
	}
	if g.compiled, err = g.runtime.CompileModule(ctx, fueled); err != nil {
		return g.refuse(StepCompile, "it is not a valid module", "", err)
	}
	return nil
}

// checkSQL compares the manifest's templates with the policy. The parser takes a second and
// 250 MiB to come up, so what was allowed once, by the same rules, is not parsed again.
func (g *Generation) checkSQL() error {
	allowed, err := g.allowedSQL()
	if err != nil || allowed.known() {
		return err
	}
	if err := g.options.SQL.Check(g.manifest.Templates); err != nil {
		return g.refuse(StepSQL, "its SQL is refused", "", err)
	}
	return allowed.keep()
}

// allowedSQL is the verdict that the policy allows the manifest's templates.
func (g *Generation) allowedSQL() (verdict, error) {
	question, err := json.Marshal(struct {
		Policy    sqlpolicy.Policy
		Templates []abi.Template
	}{g.options.SQL, g.manifest.Templates})
	if err != nil {
		return verdict{}, fmt.Errorf("write the SQL policy down: %w", err)
	}
	return g.verdict("allowed", builtFrom("github.com/wasilibs/go-pgquery"), sqlpolicy.Rules(), question), nil
}

// setLimits takes the lower of the host's limits and the guest's own.
func (g *Generation) setLimits() {
	own := g.manifest.Limits
	if own.Records > 0 {
		g.options.BatchMax = min(g.options.BatchMax, own.Records)
	}
	statements := g.options.Statements
	if own.Statements > 0 {
		statements = min(statements, own.Statements)
	}
	g.limits = abi.OutputLimits{Frame: g.options.OutputBytes, Referenced: g.options.ArgumentBytes, Statements: statements}
}

func (g *Generation) refuse(step Step, what, hint string, err error) error {
	return &LoadError{Guest: g.name, Step: step, What: what, Hint: hint, Err: err}
}
