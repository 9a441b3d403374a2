package guest

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"
)

// Convert turns records into statements, in batches on one instance, and puts a result for
// each into into.Results. A call that fails is narrowed down: its versions are tried again
// in smaller batches on fresh instances, until the one that fails alone is rejected as a
// guest_fault; all others get their statements.
//
// It returns an error, and no results, only if ctx ended, the generation is closed, or no
// new instance could be made.
func (g *Generation) Convert(ctx context.Context, records []Record, into *Conversions) error {
	budget := int64(math.MaxInt64)
	return g.convertWithin(ctx, records, into, &budget, math.MaxInt)
}

// ConvertSome converts as Convert does, and ends early when what the guest made is larger than so many
// bytes: into.Results then has the first of the records, at least one.
func (g *Generation) ConvertSome(ctx context.Context, records []Record, into *Conversions, bytes int) error {
	budget := int64(math.MaxInt64)
	return g.convertWithin(ctx, records, into, &budget, bytes)
}

// errBurnt is returned by convertWithin.
var errBurnt = errors.New("the fuel for all of them is spent")

// convertWithin converts as ConvertSome does, and subtracts the fuel that it takes from budget, new
// instances included. It returns errBurnt when the budget is used up.
func (g *Generation) convertWithin(ctx context.Context, records []Record, into *Conversions, budget *int64, bytes int) error {
	*into = Conversions{}
	if err := g.enter(); err != nil {
		return err
	}
	defer g.leave()
	s, err := g.acquire(ctx)
	if err != nil {
		return err
	}
	defer g.release(s)
	all := Conversions{Results: make([]Conversion, len(records))}
	for i := range all.Results {
		all.Results[i].Version = records[i].Version
	}
	err = g.convertAll(ctx, s, records, &all, budget, bytes)
	g.own.fuel.Add(float64(all.Fuel))
	if err != nil {
		return err
	}
	*into = all
	return nil
}

// convertAll converts the records batch by batch. After a call has failed, the version at fault is
// somewhere below suspect; until it is found, or the calls succeed, each batch takes half of what is
// left below suspect, or one where the failed call was dear: halves that fail would burn as much again each time.
func (g *Generation) convertAll(ctx context.Context, s *slot, records []Record, into *Conversions, budget *int64, bytes int) error {
	suspect, dear := 0, false
	for from := 0; from < len(records); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if *budget <= 0 {
			return errBurnt
		}
		fresh := s.in == nil
		if err := s.ready(ctx, g, cmp.Or(s.lost, madeForPool)); err != nil {
			return err
		}
		// One that is made anew since the one before was spent or failed is no exception: all may be so.
		first := !s.in.converts && cmp.Or(s.lost, madeForPool) == madeForPool
		s.in.converts = true
		to := min(len(records), from+g.batchSize())
		switch {
		case first, from < suspect && dear:
			to = from + 1
		case from < suspect:
			to = from + (suspect-from+1)/2
		}
		g.fill(s, records, into.Results, from, to)
		before := s.in.burnt
		took, err := g.convertBatch(ctx, s, records, into.Results)
		burnt := s.in.burnt - before
		if into.Fuel += burnt; first {
			into.First = burnt
		}
		if *budget -= burnt; fresh {
			*budget -= before
		}
		var fault *Fault
		switch {
		case err == nil:
			if !first {
				g.learn(took, len(s.batch.units))
			}
			for i := from; i < s.batch.to; i++ {
				bytes -= into.Results[i].Bytes()
			}
			if from = s.batch.to; bytes <= 0 {
				into.Results = into.Results[:from]
				return nil
			}
		case !errors.As(err, &fault):
			s.discard(madeForStop)
			return err
		default:
			s.discard(madeForFault)
			into.Faults++
			into.First = 0 // what fails is no exception either: it may be that this burns too much
			below := suspect
			g.own.fault(fault.Kind)
			from, suspect = g.narrow(s, into.Results, fault)
			if dear = burnt > g.options.FuelCall/dearShare; dear {
				suspect = max(suspect, below) // the others of the batch may be as dear
			}
		}
	}
	return nil
}

// dearShare is of Options.FuelCall what a failed call burns at most that is tried again in halves.
const dearShare = 16

// narrow says where to go on after a failed call. A version that was alone in its batch is rejected;
// otherwise the versions of the batch are tried again in halves.
func (g *Generation) narrow(s *slot, results []Conversion, fault *Fault) (from, suspect int) {
	b := &s.batch
	if len(b.units) == 1 {
		c := &results[b.units[0].record]
		g.log.Warn("guest fails on a version", "version", c.Version, "fault", fault)
		g.reject(c, &Reject{Class: ClassFault, Message: fault.Error(), Fault: fault})
		return b.to, b.to
	}
	g.log.Warn("guest call failed, narrowing down", "from", results[b.units[0].record].Version, "versions", len(b.units), "fault", fault)
	return b.units[0].record, b.units[len(b.units)-1].record + 1
}

// convertBatch makes one guest call and keeps what it answers.
func (g *Generation) convertBatch(ctx context.Context, s *slot, records []Record, results []Conversion) (took time.Duration, err error) {
	b := &s.batch
	if len(b.units) == 0 {
		return 0, nil
	}
	s.in.prepare(&records[b.units[0].record], s.build.Records())
	begin, started := g.options.Clock(), time.Now()
	out, err := s.in.run(ctx, &s.build, g.limits)
	took = time.Since(started)
	end := g.options.Clock()
	g.own.calls.Observe(took.Seconds())
	for _, u := range b.units {
		results[u.record].Begin, results[u.record].End = begin, end
	}
	if err != nil {
		return took, err
	}
	return took, g.keep(b, &out, results)
}

// learn updates the average time that a version takes, smoothed over about eight calls.
func (g *Generation) learn(took time.Duration, versions int) {
	if versions == 0 {
		return
	}
	cost := max(1, int64(took)/int64(versions))
	if old := g.cost.Load(); old > 0 {
		cost = max(1, (7*old+cost)/8)
	}
	g.cost.Store(cost)
}

// batchSize returns how many versions take about Options.BatchTime to convert.
func (g *Generation) batchSize() int {
	cost := g.cost.Load()
	if cost == 0 {
		return min(batchFirst, g.options.BatchMax)
	}
	return max(1, min(g.options.BatchMax, int(int64(g.options.BatchTime)/cost)))
}
