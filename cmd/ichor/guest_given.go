package main

import (
	"context"
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest"
)

// given is what became of the statemaps that a user gave to test.
type given struct {
	Versions   int             `json:"versions"`
	Converted  int             `json:"converted"`
	Skipped    int             `json:"skipped"`
	Rejected   int             `json:"rejected"`
	Statements int             `json:"statements"`               // of all of them
	Fuel       int64           `json:"fuel"`                     // units, of all of them
	First      []guest.Outcome `json:"first_rejected,omitempty"` // at most givenShown

	works []guest.Conversion // those that were not rejected
}

// givenShown is how many versions are shown of those that went wrong.
const givenShown = 10

// givenBatch bounds the memory of one call.
const givenBatch = 1000

// convertGiven converts statemaps as the host would.
func convertGiven(ctx context.Context, g *guest.Generation, records []guest.Record) (*given, error) {
	r := &given{Versions: len(records)}
	for len(records) > 0 {
		n := min(len(records), givenBatch)
		var into guest.Conversions
		if err := g.Convert(ctx, records[:n], &into); err != nil {
			return nil, err
		}
		records = records[n:]
		r.Fuel += into.Fuel
		for i := range into.Results {
			r.add(&into.Results[i], g)
		}
	}
	return r, nil
}

func (r *given) add(c *guest.Conversion, g *guest.Generation) {
	r.Statements += len(c.Statements)
	switch c.Status {
	case guest.Rejected:
		if r.Rejected++; len(r.First) < givenShown {
			r.First = append(r.First, c.Outcome(g.Manifest()))
		}
		return
	case guest.Skipped:
		r.Skipped++
	default:
		r.Converted++
	}
	r.works = append(r.works, *c)
}

func (r *given) print() {
	fmt.Fprintf(&stdout, "\n%d versions given: %d converted, %d skipped, %d rejected; %d statements, %d units of fuel\n",
		r.Versions, r.Converted, r.Skipped, r.Rejected, r.Statements, r.Fuel)
	printOutcomes(&stdout, r.First)
	if more := r.Rejected - len(r.First); more > 0 {
		fmt.Fprintf(&stdout, "and %d more that were rejected\n", more)
	}
}
