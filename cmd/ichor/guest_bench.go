package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/talos"
)

type guestBenchCommand struct {
	withJSON
	withModule
	withStatemaps
	Batch int           `help:"Versions of a call." default:"64"`
	For   time.Duration `help:"How long to measure." default:"3s"`
}

// measured is what bench says; medians are over the calls.
type measured struct {
	Module     string  `json:"module"`
	Digest     string  `json:"digest"`
	Versions   int     `json:"versions"` // that were converted
	Batch      int     `json:"batch"`
	Rejected   int     `json:"rejected"` // of a batch
	Fuel       int64   `json:"fuel_per_statemap"`
	Micros     float64 `json:"micros_per_statemap"`
	MicrosP99  float64 `json:"micros_per_statemap_p99"`
	CallMicros float64 `json:"longest_call_micros"`
	BytesIn    int     `json:"bytes_in_per_statemap"`  // of payloads
	BytesOut   int     `json:"bytes_out_per_statemap"` // of values
	Rate       float64 `json:"statemaps_per_s"`
}

// Run implements the verb.
func (c *guestBenchCommand) Run(ctx context.Context) error {
	if c.Batch < 1 || c.For <= 0 {
		return &failure{exitSettings, errors.New("--batch and --for must be more than nothing")}
	}
	m, err := c.read()
	if err != nil {
		return err
	}
	m.options.BatchMax, m.options.BatchTime = c.Batch, time.Minute // the batch is asked for
	g, err := m.load(ctx)
	if err != nil {
		return err
	}
	defer m.close(g)
	records := g.VectorRecords()
	if c.Statemap != "" {
		if records, err = readStatemaps(ctx, c.Statemap, 1); err != nil {
			return &failure{exitSettings, err}
		}
	}
	if len(records) == 0 {
		return &failure{exitSettings, errors.New("the module has no vectors: give statemaps with --statemap FILE")}
	}
	result, err := c.measure(ctx, g, fillBatch(records, c.Batch))
	if err != nil {
		return err
	}
	result.Module, result.Digest = m.file, g.Digest().String()
	return c.answer(result, result.print)
}

// fillBatch repeats records until they are a batch, each with a version of its own.
func fillBatch(records []guest.Record, n int) []guest.Record {
	batch := make([]guest.Record, n)
	for i := range batch {
		batch[i] = records[i%len(records)]
		batch[i].Version = records[0].Version + talos.Version(i)
		batch[i].Safepoint = batch[i].Version - 1
	}
	return batch
}

func (c *guestBenchCommand) measure(ctx context.Context, g *guest.Generation, batch []guest.Record) (*measured, error) {
	var (
		into  guest.Conversions
		calls []time.Duration
	)
	result := &measured{Batch: len(batch)}
	for begun := time.Now(); time.Since(begun) < c.For; {
		started := time.Now()
		if err := g.Convert(ctx, batch, &into); err != nil {
			return nil, err
		}
		calls = append(calls, time.Since(started))
		result.Versions += len(batch)
	}
	for i := range batch {
		if into.Results[i].Status == guest.Rejected {
			result.Rejected++
		}
		for _, item := range batch[i].Items {
			result.BytesIn += len(item.Payload)
		}
		for _, s := range into.Results[i].Statements {
			for _, arg := range s.Args {
				result.BytesOut += len(arg)
			}
		}
	}
	n := float64(len(batch))
	slices.Sort(calls)
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	result.BytesIn, result.BytesOut, result.Fuel = result.BytesIn/len(batch), result.BytesOut/len(batch), into.Fuel/int64(len(batch))
	result.Micros = micros(calls[len(calls)/2]) / n
	result.MicrosP99 = micros(calls[len(calls)*99/100]) / n
	result.CallMicros = micros(calls[len(calls)-1])
	result.Rate = 1e6 / result.Micros
	return result, nil
}

func (r *measured) print() {
	fmt.Fprintf(&stdout, "%s, %d versions in batches of %d\n", short(r.Module), r.Versions, r.Batch)
	if r.Rejected > 0 {
		fmt.Fprintf(&stdout, "rejected     %d of each batch, which may cost less than a version that is converted; ichor guest convert says why\n", r.Rejected)
	}
	fmt.Fprintf(&stdout, "a statemap   %.2f µs (p99 %.2f), %d units of fuel, %d bytes in, %d bytes out\n", r.Micros, r.MicrosP99, r.Fuel, r.BytesIn, r.BytesOut)
	fmt.Fprintf(&stdout, "a second     %.0f statemaps on one core\n", r.Rate)
	fmt.Fprintf(&stdout, "a call       at most %.0f µs\n", r.CallMicros)
}
