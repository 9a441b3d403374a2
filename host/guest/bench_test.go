package guest

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/guests"
	sdk "github.com/ichor-replicator/ichor/guests/go"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// benchBatch is how many versions a call of the benchmarks has, each with one statemap of 75 to
// 100 bytes.
const benchBatch = 64

func benchRecords(action string) []Record {
	records := make([]Record, benchBatch)
	for i := range records {
		payload := fmt.Appendf(nil, `{"amount":%d.50,"from":"account-%06d","to":"account-%06d","note":"rent"}`, i+10, i, i+1000)
		records[i] = Record{
			Version: talos.Version(100_000 + i), Safepoint: 99_000, Time: 1759118825121907755, XID: "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11", Cohort: "bank", Agent: "agent",
			Items: []talos.Item{{Action: action, Payload: payload}},
		}
	}
	return records
}

func benchLoad(b *testing.B, module []byte, options Options) *Generation {
	b.Helper()
	options.CacheDir = guesttest.CacheDir(b)
	g, err := Load(context.Background(), "bench", module, options, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := g.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return g
}

// transfer and three are what the banking guest and the misbehaving guest do with the benchmark's
// statemaps, to be compiled natively: one statement and three.
func transfer(v sdk.Version, out *sdk.Statements) error {
	item := v.Item(0)
	p := item.Payload()
	from, to, amount := p.Field("from"), p.Field("to"), p.Field("amount")
	if string(item.Action()) != "TRANSFER" || !from.IsString() || len(from.Text()) == 0 || !to.IsString() || len(to.Text()) == 0 || !amount.IsNumber() {
		return sdk.Reject(1, "item %d", item.Index())
	}
	out.Exec(1, from.Arg(), to.Arg(), amount.Arg(), v.Arg())
	return nil
}

func three(v sdk.Version, out *sdk.Statements) error {
	p := v.Item(0).Payload()
	from, to, amount := p.Field("from").Arg(), p.Field("to").Arg(), p.Field("amount").Arg()
	out.Exec(3, from, amount, v.Arg())
	out.Exec(3, to, amount, v.Arg())
	out.Exec(3, from, to, v.Arg())
	return nil
}

// native returns the whole boundary without WebAssembly in it: frame, kit, checks and copies
// are the same, and the call is one of Go's, on a slice that stands for the memory.
func native(b *testing.B, g *Generation, convert sdk.Convert, records []Record) func() {
	const input, output = 1 << 12, 1 << 18
	program, s, memory := sdk.New("", convert), g.newSlot(), make([]byte, 1<<20)
	return func() {
		results := make([]Conversion, len(records))
		g.fill(s, records, results, 0, len(records))
		s.build.Write(memory[input:output])
		answer := program.Run(memory[input:input+s.build.Size()], input, func([]byte) uint32 { return 1 << 19 })
		copy(memory[output:], answer)
		out, err := abi.OpenOutput(memory, output, uint32(len(answer)), s.build.Records(), g.limits)
		if err == nil {
			err = g.keep(&s.batch, &out, results)
		}
		if err != nil || results[len(results)-1].Status != Converted {
			b.Fatal(err, results[len(results)-1].Reject)
		}
	}
}

// BenchmarkBoundary converts batches in each language, and natively, by turns, and reports the
// median of the ratios of neighbours: how many times the native way it takes. The versions are
// the same, as is everything but the language, so the ratio is what a guest costs.
func BenchmarkBoundary(b *testing.B) {
	for _, c := range []struct {
		name, action string
		module       func(*testing.B) []byte
		convert      sdk.Convert
	}{
		{"transfer/go", "TRANSFER", func(b *testing.B) []byte { return guesttest.BankingIn(b, guests.Go) }, transfer},
		{"transfer/rust", "TRANSFER", func(b *testing.B) []byte { return guesttest.BankingIn(b, guests.Rust) }, transfer},
		{"transfer/c", "TRANSFER", func(b *testing.B) []byte { return guesttest.BankingIn(b, guests.C) }, transfer},
		{"transfer/assemblyscript", "TRANSFER", func(b *testing.B) []byte { return guesttest.BankingIn(b, guests.AssemblyScript) }, transfer},
		{"three/go", "THREE", func(b *testing.B) []byte { return guesttest.Misbehaving(b) }, three},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := benchLoad(b, c.module(b), Options{Instances: 1, BatchTime: 1e9, BatchMax: benchBatch})
			records := benchRecords(c.action)
			byNative := native(b, g, c.convert, records)
			var into Conversions
			var ratios, guests, natives []float64
			for b.Loop() {
				n := turn(byNative)
				w := turn(func() {
					if err := g.Convert(context.Background(), records, &into); err != nil || into.Results[0].Status != Converted {
						b.Fatal(err, into.Results[0].Reject)
					}
				})
				ratios, guests, natives = append(ratios, w/n), append(guests, w), append(natives, n)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(middle(ratios), "x-native")
			b.ReportMetric(middle(guests), "ns/version")
			b.ReportMetric(middle(natives), "native-ns/version")
			b.ReportMetric(float64(into.Fuel)/benchBatch, "fuel/version")
		})
	}
}

// turn returns the nanoseconds that a version took, of a few calls.
func turn(call func()) float64 {
	const calls = 10
	begun := time.Now()
	for range calls {
		call()
	}
	return float64(time.Since(begun).Nanoseconds()) / calls / benchBatch
}

func middle(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkCalls converts with batches as they are in a host, sized by their time, while the
// collector runs all the time: how long a call lasts, and how long it holds up a collection.
// The machine's own pauses are in the longest ones; the median and the 99th of 100 tell more.
func BenchmarkCalls(b *testing.B) {
	for _, language := range guests.Languages() {
		b.Run(string(language), func(b *testing.B) {
			metrics := make([]float64, 0, 1<<16)
			g := benchLoad(b, guesttest.BankingIn(b, language), Options{Instances: 1})
			records := slices.Repeat(benchRecords("TRANSFER"), 32)
			ctx, cancel := context.WithCancel(context.Background())
			collections := make(chan []float64)
			go func() {
				var all []float64
				for ctx.Err() == nil {
					begun := time.Now()
					runtime.GC()
					all = append(all, time.Since(begun).Seconds()*1e3)
				}
				collections <- all
			}()
			var into Conversions
			for b.Loop() {
				if err := g.Convert(context.Background(), records, &into); err != nil {
					b.Fatal(err)
				}
				last := int64(0)
				for i := range into.Results {
					if r := &into.Results[i]; r.Begin != last {
						last = r.Begin
						metrics = append(metrics, float64(r.End-r.Begin)/1e6)
					}
				}
			}
			cancel()
			held := <-collections
			slices.Sort(held)
			slices.Sort(metrics)
			at := func(list []float64, p int) float64 { return list[(len(list)-1)*p/100] }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(at(metrics, 50), "call-p50-ms")
			b.ReportMetric(at(metrics, 99), "call-p99-ms")
			b.ReportMetric(at(metrics, 100), "call-longest-ms")
			b.ReportMetric(at(held, 99), "collection-p99-ms")
			b.ReportMetric(at(held, 100), "collection-longest-ms")
		})
	}
}

// BenchmarkKnown loads the banking guest in Go again and again: it passed before, and its code is in the cache.
func BenchmarkKnown(b *testing.B) {
	module := guesttest.Banking(b)
	options := Options{Instances: 2, CacheDir: guesttest.CacheDir(b), Passes: &memory{kept: map[string]string{}}}
	load := func() {
		g, err := Load(context.Background(), "bench", module, options, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
		if err == nil {
			err = g.Close(context.Background())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	load()
	for b.Loop() {
		load()
	}
}
