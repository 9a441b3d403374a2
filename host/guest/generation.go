// Package guest loads guests and calls them: it is the host's only door to WebAssembly.
//
// A Generation is one loaded binary with a pool of instances. It converts versions into
// statements; a call that goes wrong costs an instance, never the host, and is narrowed
// down to the version that does it.
package guest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/abi"
)

// Generation is one loaded guest binary with its instances. All methods may be called from
// any goroutine; many generations may be alive at once, and each is independent of the rest.
type Generation struct {
	name      string
	digest    Digest
	options   Options
	log       *slog.Logger
	own       generationMetrics
	described []byte
	manifest  *abi.Manifest
	rules     rules
	limits    abi.OutputLimits
	steps     stepTimes

	cache       wazero.CompilationCache
	runtime     wazero.Runtime
	compiled    wazero.CompiledModule
	interpreted bool     // and not compiled: on no machine's stack
	instances   sync.Map // api.Module → *instance, for host functions to find their caller
	logRate     logRate

	slots chan *slot   // the pool
	cost  atomic.Int64 // nanoseconds a version, of late; 0 while unknown

	mu      sync.Mutex
	closed  bool
	running int
	idle    chan struct{} // closed when a closed generation has no running call
	once    sync.Once
	freed   error
}

// slot is one place in the pool: an instance, nil until it is needed, and the buffers of its calls.
type slot struct {
	in    *instance
	lost  string // why it has no instance any more, for the metrics; empty before it had one
	build abi.InputBuilder
	batch batch
}

func (g *Generation) newSlot() *slot {
	s := new(slot)
	s.build.Pad(g.options.Padding)
	return s
}

// Digest returns the SHA-256 of the binary.
func (g *Generation) Digest() Digest { return g.digest }

// Name returns the name under which the guest was loaded.
func (g *Generation) Name() string { return g.name }

// Manifest returns what the guest says of itself. It must not be changed.
func (g *Generation) Manifest() *abi.Manifest { return g.manifest }

// lowestMinor has all that any module uses: nothing was added to the revision since it began. What a later minor adds, a
// module that uses it will be known by.
const lowestMinor = 0

// Contract returns the revision of the contract that the module speaks and the lowest minor that has all that it uses, as
// 1.0. It is the module's, whatever the host's newest minor is.
func (g *Generation) Contract() string { return fmt.Sprintf("%d.%d", abi.Revision, lowestMinor) }

// Checked says how long each step of the check took, for people, as "scan 3ms, fuel 12ms"; empty if it passed before and
// was not checked again.
func (g *Generation) Checked() string { return g.steps.String() }

// Limits returns the limits that hold for it: the host's, or its own where they are lower.
func (g *Generation) Limits() Options { return g.options }

// RecordsMax returns how many records a call has at most: the contract's number, or the
// guest's own.
func (g *Generation) RecordsMax() int { return g.rules.records }

// Templates returns the manifest's templates. They must not be changed.
func (g *Generation) Templates() []abi.Template { return g.manifest.Templates }

// Close refuses new calls, waits for the running ones, and frees everything. If ctx ends
// first it returns ctx's error and frees nothing; it may then be called again.
func (g *Generation) Close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		if g.running == 0 {
			close(g.idle)
		}
	}
	g.mu.Unlock()
	select {
	case <-g.idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	g.once.Do(func() {
		g.freed = g.free()
		g.own.end()
	})
	return g.freed
}

func (g *Generation) free() error {
	ctx := context.Background()
	g.instances.Range(func(_, in any) bool {
		in.(*instance).close()
		return true
	})
	err := g.runtime.Close(ctx)
	if g.compiled != nil {
		err = errors.Join(err, g.compiled.Close(ctx))
	}
	if g.cache != nil {
		err = errors.Join(err, g.cache.Close(ctx))
	}
	return err
}

func (g *Generation) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	g.running++
	return nil
}

func (g *Generation) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.closed && g.running == 0 {
		close(g.idle)
	}
}

// acquire takes a slot from the pool; it waits until one is free or ctx ends.
func (g *Generation) acquire(ctx context.Context) (*slot, error) {
	select {
	case s := <-g.slots:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// release puts a slot back into the pool, without its instance if that has outgrown its limits.
func (g *Generation) release(s *slot) {
	if s.in != nil {
		g.own.memory.Set(float64(s.in.memory.Size()))
		if why := s.in.outgrown(); why != "" {
			s.discard(why)
		}
	}
	g.slots <- s
}

// ready makes an instance for the slot if it has none; reason is for the metrics.
func (s *slot) ready(ctx context.Context, g *Generation, reason string) (err error) {
	if s.in == nil {
		s.in, err = g.newInstance(ctx, reason)
	}
	return err
}

// discard closes the slot's instance; why is what the next one is made for.
func (s *slot) discard(why string) {
	if s.in != nil {
		s.in.close()
		s.in, s.lost = nil, why
	}
}

func (g *Generation) instanceOf(m api.Module) *instance {
	in, found := g.instances.Load(m)
	if !found {
		panic(&hostTrap{kind: FaultInstance, detail: "a host function was called by a module that is not ours"})
	}
	return in.(*instance)
}

func (g *Generation) newLog() guestLog {
	return guestLog{
		log: g.log, rate: &g.logRate, perCall: g.options.LogCall, perLine: g.options.LogLine,
		kept: g.own.logKept.Inc, dropped: g.own.logDropped.Inc,
	}
}

func firstLine(s string) string { return slices.Collect(strings.SplitSeq(s, "\n"))[0] }
