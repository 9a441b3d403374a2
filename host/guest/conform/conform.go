// Package conform is the conformance kit of the contract: it runs any module against each clause
// of ABI.md and names the one that it breaks. It calls the module as a host does, with the
// guest's own vectors and with payloads that nobody had in mind, in batches of every kind.
package conform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Broken is a clause that a module breaks, and how.
type Broken struct {
	Clause Clause
	How    string
}

// Error implements error.
func (b *Broken) Error() string {
	return fmt.Sprintf("it breaks %q: %s (%s)", b.Clause.ID, b.How, b.Clause.Rule)
}

// Report is what a module is like.
type Report struct {
	Kept     []Clause // those that were checked and hold
	Broken   *Broken  // the first that does not; those behind it were not checked
	Manifest *abi.Manifest
	Versions int   // that were converted
	Fuel     int64 // units of the dearest version, converted alone
	// Statuses count what the versions became, Statements is the most that one became.
	Statuses   map[guest.Status]int
	Statements int
	Sizes      []Size // how versions of one to many items went
}

// Size is how a version of so many items went.
type Size struct {
	Items      int
	Status     guest.Status
	Statements int
	Fuel       int64  // units
	Over       string // the settings of the limit that its answer was over, and then nothing else is known; "" for none
}

// Became is what it became, in a word: that of its status, or that its answer is too large.
func (s Size) Became() string {
	if s.Over != "" {
		return string(guest.ClassSize)
	}
	return s.Status.String()
}

// Options are the host's limits, and where it logs. Instances and Padding are the kit's own.
type Options struct {
	Guest   guest.Options
	Log     *slog.Logger
	Metrics *guest.Metrics
}

// Run checks a module. It returns an error only if it could not be checked: ctx ended, or the
// options are bad.
func Run(ctx context.Context, name string, module []byte, options Options) (*Report, error) {
	k := &kit{name: name, module: module, options: options, report: &Report{Statuses: make(map[guest.Status]int)}}
	options.Guest.Instances = 1
	defer k.close()
	err := k.run(ctx)
	var broken *Broken
	switch {
	case errors.As(err, &broken):
		k.report.Broken = broken
	case err != nil:
		return nil, err
	}
	k.report.Kept = kept(broken)
	return k.report, nil
}

// kept are the clauses before the broken one.
func kept(broken *Broken) (list []Clause) {
	for _, c := range Clauses() {
		if broken != nil && c == broken.Clause {
			break
		}
		list = append(list, c)
	}
	return list
}

// kit is one run.
type kit struct {
	name    string
	module  []byte
	options Options
	report  *Report
	open    []*guest.Generation
}

func (k *kit) close() {
	for _, g := range k.open {
		_ = g.Close(context.Background()) // nothing runs in it any more
	}
}

func (k *kit) load(ctx context.Context, padding int) (*guest.Generation, error) {
	options := k.options.Guest
	options.Instances, options.Padding = 1, padding
	g, err := guest.Load(ctx, k.name, k.module, options, k.options.Log, k.options.Metrics)
	if err != nil {
		return nil, brokenAtLoad(err)
	}
	k.open = append(k.open, g)
	return g, nil
}

func (k *kit) run(ctx context.Context) error {
	g, err := k.load(ctx, 0)
	if err != nil {
		return err
	}
	k.report.Manifest = g.Manifest()
	records := corpus(g.Manifest())
	k.report.Versions = len(records)
	first, err := k.one(ctx, g, records)
	if err != nil {
		return err
	}
	for i := range first {
		k.report.Statuses[first[i].Status]++
		k.report.Statements = max(k.report.Statements, len(first[i].Statements))
	}
	if err := g.DescribeAgain(ctx); err != nil {
		return brokenBy(err, constant)
	}
	if err := k.again(ctx, g, records, first); err != nil {
		return err
	}
	return k.sizes(ctx, g, records, first)
}

// one converts each version by itself.
func (k *kit) one(ctx context.Context, g *guest.Generation, records []guest.Record) ([]guest.Conversion, error) {
	results := make([]guest.Conversion, len(records))
	for i := range records {
		var into guest.Conversions
		if err := k.convert(ctx, g, records[i:i+1], &into); err != nil {
			return nil, err
		}
		k.report.Fuel = max(k.report.Fuel, into.Fuel)
		results[i] = into.Results[0]
	}
	return results, nil
}

// sizes converts versions of one to many items, since what is made for a few is often not
// made for more: a buffer, a limit on statements, an algorithm.
func (k *kit) sizes(ctx context.Context, g *guest.Generation, records []guest.Record, first []guest.Conversion) error {
	from := itemsThatConvert(g.Manifest(), records, first)
	for _, n := range []int{1, 65, 1000, 20_000} {
		if n > g.RecordsMax() {
			break
		}
		r := records[0]
		r.Items = make([]talos.Item, n)
		for i := range r.Items {
			r.Items[i] = from[i%len(from)]
		}
		var into guest.Conversions
		err := k.convert(ctx, g, []guest.Record{r}, &into)
		var broken *Broken
		if errors.As(err, &broken) {
			// What is much for many items is no clause that the module breaks: a host may be given more room.
			if r := into.Results[0].Reject; n > 1 && r != nil && r.Fault != nil && r.Fault.Settings() != "" {
				k.report.Sizes = append(k.report.Sizes, Size{Items: n, Over: r.Fault.Settings()})
				break
			}
			return &Broken{broken.Clause, fmt.Sprintf("a version of %d items: %s", n, broken.How)}
		}
		if err != nil {
			return err
		}
		c := &into.Results[0]
		if c.Reject != nil && c.Reject.Class == guest.ClassSize {
			break // the host's own limit, which settings move
		}
		k.report.Sizes = append(k.report.Sizes, Size{Items: n, Status: c.Status, Statements: len(c.Statements), Fuel: into.Fuel})
	}
	return nil
}

// itemsThatConvert are the items of the versions that were converted, so that a large version
// of them is not rejected at its first item; or anything, if there are none.
func itemsThatConvert(m *abi.Manifest, records []guest.Record, results []guest.Conversion) []talos.Item {
	var items []talos.Item
	for i := range records {
		if results[i].Status == guest.Converted && len(records[i].Items) == 1 && len(records[i].Items[0].Payload) < 200 {
			items = append(items, records[i].Items[0])
		}
	}
	if len(items) == 0 {
		items = []talos.Item{{Action: m.Actions[0].Name, Payload: []byte(`{}`)}}
	}
	return items
}

// way is how all versions are converted once more; they must become the same.
type way struct {
	when    string
	broken  Clause // if they do not
	padding int
	aged    bool // on the instance that has converted before, or on a new one
	times   int
	sizes   []int // of the batches, in turn
}

// aging is how often an instance converts everything before it counts as an old one.
const aging = 20

// again converts all of them in other ways, and compares.
func (k *kit) again(ctx context.Context, aged *guest.Generation, records []guest.Record, first []guest.Conversion) error {
	for _, w := range []way{
		{"converted again on an instance that has converted others", alone, 0, true, 1, []int{1}},
		{"on another instance", alone, 0, false, 1, []int{1}},
		{"in a batch with others", alone, 0, false, 1, []int{64}},
		{"in another batch with others", alone, 0, true, 1, []int{1, 2, 3, 5, 8, 13, 21}},
		{"with rows that are 16 bytes longer", stride, 16, false, 1, []int{1, 32}},
		{"on an instance that has converted them many times", alone, 0, true, aging, []int{64}},
	} {
		g := aged
		if !w.aged {
			var err error
			if g, err = k.load(ctx, w.padding); err != nil {
				return brokenBy(err, w.broken)
			}
		}
		for range w.times {
			if err := k.compare(ctx, g, &w, records, first); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare converts all of them once, and compares.
func (k *kit) compare(ctx context.Context, g *guest.Generation, w *way, records []guest.Record, first []guest.Conversion) error {
	for from, turn := 0, 0; from < len(records); turn++ {
		to := min(len(records), from+w.sizes[turn%len(w.sizes)])
		var into guest.Conversions
		err := k.convert(ctx, g, records[from:to], &into)
		if err == nil && into.Faults > 0 {
			err = &Broken{answers, "it fails on a batch of versions that it converts one by one"}
		}
		if err == nil {
			err = same(records[from:to], first[from:to], into.Results, w.broken, w.when)
		}
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}

// convert converts records and finds the clause that a fault breaks.
func (k *kit) convert(ctx context.Context, g *guest.Generation, records []guest.Record, into *guest.Conversions) error {
	if err := g.Convert(ctx, records, into); err != nil {
		return err
	}
	for i := range records {
		r := into.Results[i].Reject
		switch {
		case r == nil:
		case r.Fault != nil:
			return &Broken{brokenByFault(r.Fault), fmt.Sprintf("%s: %s", text(&records[i]), r.Fault)}
		case r.Class == guest.ClassValue:
			return &Broken{values, fmt.Sprintf("%s: %s", text(&records[i]), r)}
		}
	}
	return nil
}

// same compares what versions became twice.
func same(records []guest.Record, a, b []guest.Conversion, broken Clause, when string) error {
	for i := range a {
		if !a[i].Same(&b[i]) {
			return &Broken{broken, fmt.Sprintf("%s, %s, becomes something else: %s, and then %s", text(&records[i]), when, say(&a[i]), say(&b[i]))}
		}
	}
	return nil
}

// brokenAtLoad names the clause that a refusal is about; other errors it returns as they are.
func brokenAtLoad(err error) error {
	var refused *guest.LoadError
	if !errors.As(err, &refused) {
		return err
	}
	clause := map[guest.Step]Clause{
		guest.StepFuel: fueled, guest.StepCompile: valid, guest.StepInstantiate: initialize, guest.StepDescribe: describe,
		guest.StepSQL: sql, guest.StepVectors: vectors,
	}[refused.Step]
	switch refused.Rule {
	case guest.RuleFormat:
		clause = format
	case guest.RuleStart:
		clause = start
	case guest.RuleNumbers, guest.RuleTables, guest.RuleCode:
		clause = numbers
	case guest.RuleMemory:
		clause = memory
	case guest.RuleImports:
		clause = imports
	case guest.RuleExports:
		clause = exports
	}
	var (
		bad   *abi.ManifestError
		fault *guest.Fault
	)
	switch {
	case errors.As(err, &bad):
		clause = manifest
	case refused.Step == guest.StepVectors && errors.As(err, &fault):
		clause = brokenByFault(fault)
		if fault.Kind == guest.FaultTrap {
			clause = empty
		}
	}
	return &Broken{clause, err.Error()}
}

// brokenBy is for an error that is about one clause, whatever it looks like.
func brokenBy(err error, clause Clause) error {
	var (
		fault  *guest.Fault
		broken *Broken
	)
	if errors.As(err, &fault) || errors.As(err, &broken) || errors.Is(err, guest.ErrDescribesAnew) {
		return &Broken{clause, err.Error()}
	}
	return err
}

// brokenByFault names the clause that a fault is about.
func brokenByFault(f *guest.Fault) Clause {
	switch {
	case f.Kind == guest.FaultFuel || f.Kind == guest.FaultSleep:
		return ends
	case f.During == abi.ExportAlloc:
		return alloc
	case f.Kind == guest.FaultUndeclared:
		return statements
	case f.Kind == guest.FaultRefused:
		return convert
	case f.Kind == guest.FaultBadFrame, f.Kind == guest.FaultBounds && isFrame(f):
		return brokenByFrame(f)
	}
	return faults
}

func isFrame(f *guest.Fault) bool {
	var bad *abi.FrameError
	return errors.As(f.Err, &bad)
}

func brokenByFrame(f *guest.Fault) Clause {
	var bad *abi.FrameError
	if !errors.As(f.Err, &bad) {
		return frame
	}
	switch bad.Field {
	case "address", "length":
		return convert
	case "record", "record count":
		return answers
	case "statement":
		return statements
	case "argument":
		return values
	}
	return frame
}
