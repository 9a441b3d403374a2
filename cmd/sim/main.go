// Command sim plays the whole system by seeds: package host/sim says how. A seed that fails is printed,
// and played again by its number.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
	"github.com/ichor-replicator/ichor/host/sim"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the flags.
type options struct {
	Seeds      int      `help:"How many seeds are played." default:"2000"`
	First      uint64   `help:"The first of them." default:"1"`
	Processors int      `help:"How many are played at once." default:"2"`
	Failures   int      `help:"Stop after so many seeds that fail." default:"10"`
	Explore    bool     `help:"Take every turn of small systems, and print how many states there are."`
	Most       int      `help:"With --explore: all faults at once by two lanes too, up to so many states of each system."`
	Mutants    bool     `help:"Build each mutant and have the seeds kill it; writes host/sim/MUTANTS.md."`
	Hunt       bool     `help:"Print the first of the seeds that fails, and whether exploring does." hidden:""`
	Seed       uint64   `help:"Play this seed alone."`
	Trace      bool     `help:"With --seed: print each event and each action, as scripts of host/replicator, and all that happens beside."`
	Shrink     bool     `help:"With --seed: look for a smaller play that fails too."`
	Candidates int      `help:"With --seed: at most so many candidates."`
	Turns      int      `help:"With --seed: at most so many turns with faults."`
	Without    []string `help:"With --seed: kinds of faults that do not happen." sep:";"`
}

// run parses the flags and plays.
func run(args []string, out, problems io.Writer) int {
	var o options
	more, err := program.Parse("sim", "The real core above a model of log, database, guests and hosts, by seeds.", &o, args, out)
	switch {
	case err != nil:
		fmt.Fprintln(problems, "sim:", err)
		return program.ExitUsage
	case !more:
		return program.ExitOK
	}
	return program.Run("sim", problems, func(ctx context.Context) (bool, error) {
		switch {
		case o.Mutants:
			return o.mutants(ctx, out)
		case o.Hunt:
			return o.hunting(out)
		case o.Explore:
			return o.explore(out), nil
		case o.Seed != 0:
			return o.one(out), nil
		}
		return o.many(out), nil
	})
}

// one plays a seed alone.
func (o *options) one(out io.Writer) (ok bool) {
	p := sim.Play{Seed: o.Seed, Candidates: o.Candidates, Turns: o.Turns, Without: o.Without}
	if o.Shrink {
		smaller, violation := sim.Shrink(p)
		if violation == "" {
			fmt.Fprintf(out, "seed %d does not fail\n", o.Seed)
			return true
		}
		p = smaller
		fmt.Fprintf(out, "fails too: --seed %d --candidates %d --turns %d --without %q\n", p.Seed, p.Candidates, p.Turns, strings.Join(p.Without, ";"))
	}
	if o.Trace {
		p.Trace = out
	}
	r := p.Run()
	if r.Violation == "" {
		fmt.Fprintf(out, "seed %d: %d candidates, %d faults, nothing is wrong\n", o.Seed, r.Candidates, r.Faults)
		return true
	}
	fmt.Fprintf(out, "seed %d: %s\n", o.Seed, r.Violation)
	return false
}

// explore takes every turn of small systems. Most of what it allocates is garbage at once, the worlds on the way to a state,
// and what it keeps of the states is small: collections are few.
func (o *options) explore(out io.Writer) (ok bool) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	ok = true
	fmt.Fprintln(out, "A host does at once what it does by itself; a transaction is two steps, all up to its COMMIT and the COMMIT; a deadline\n"+
		"comes when its host waits for nothing else. Each fault comes once at most, at any moment. Whole: every turn was taken.")
	states := 0
	sim.ExploreLong(o.Processors, o.Most, func(e sim.Exploration) {
		states += e.States
		fmt.Fprintf(out, "%8d states, %9d steps, %6d endings, whole %-5v %8s  %s\n", e.States, e.Steps, e.Endings, e.Whole, e.Took.Round(time.Millisecond), e.Scenario)
		if e.Violation != "" {
			ok = false
			fmt.Fprintf(out, "%s\n  %s\n", e.Violation, strings.Join(e.Path, "\n  "))
		}
	})
	fmt.Fprintf(out, "%d states\n", states)
	return ok
}

// sometimesFrom is how many seeds a batch needs for everything to happen that must happen sometimes.
const sometimesFrom = 1000

// many plays a batch.
func (o *options) many(out io.Writer) (ok bool) {
	b := sim.Seeds(o.First, o.Seeds, o.Processors, o.Failures)
	for _, f := range b.Failed {
		fmt.Fprintf(out, "seed %d: %s (sim --seed %d --trace; --shrink looks for a smaller one)\n", f.Seed, f.Violation, f.Seed)
	}
	var never []string
	if b.Seeds >= sometimesFrom {
		never = sim.Never(b.Sometimes)
	}
	for _, what := range sim.Expected() {
		fmt.Fprintf(out, "%9d  %s\n", b.Sometimes[what], what)
	}
	for _, what := range never {
		fmt.Fprintf(out, "never in %d seeds: %s\n", b.Seeds, what)
	}
	fmt.Fprintf(out, "%d seeds, %d candidates, %d faults, %d steps of cores: %d violations\n", b.Seeds, b.Candidates, b.Faults, b.Steps, len(b.Failed))
	return len(b.Failed) == 0 && len(never) == 0
}
