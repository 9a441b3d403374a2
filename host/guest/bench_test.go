package guest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
	sdk "github.com/ichor-replicator/ichor/guests/go"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

const batch = 64

// BenchmarkBoundary converts batches of 64 versions, each of one statemap of 75 to 100
// bytes, through the whole boundary: frame, guest, checks, copies. Beside it, in the same
// run, native Go does the same work with the same kit: native/N is what WebAssembly costs
// nothing of. The figure to look at is ns/version.
func BenchmarkBoundary(b *testing.B) {
	b.Run("transfer/guest", func(b *testing.B) {
		benchGuest(b, guesttest.Banking(b), "TRANSFER", guest.Options{Instances: 1, BatchTime: 1e9, BatchMax: batch})
	})
	b.Run("three/guest", func(b *testing.B) {
		benchGuest(b, guesttest.Deeds(b), "THREE", guest.Options{Instances: 1, BatchTime: 1e9, BatchMax: batch})
	})
	b.Run("three/native", benchNative)
	b.Run("frame", benchFrame)
}

func benchRecords(action string) []guest.Record {
	records := make([]guest.Record, batch)
	for i := range records {
		records[i] = record(100000+i, item(action, fmt.Sprintf(`{"amount":%d.50,"from":"account-%06d","to":"account-%06d","note":"rent"}`, i+10, i, i+1000)))
	}
	return records
}

func benchGuest(b *testing.B, wasm []byte, action string, options guest.Options) {
	g := mustLoad(b, "bench", wasm, options)
	records := benchRecords(action)
	var into guest.Conversions
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Convert(context.Background(), records, &into); err != nil {
			b.Fatal(err)
		}
	}
	if into.Results[batch-1].Status != guest.Converted {
		b.Fatal(say(&into.Results[batch-1]))
	}
	b.ReportMetric(float64(into.Fuel)/batch, "fuel/version")
	perVersion(b)
}

func perVersion(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/version")
}

func fillFrame(b *testing.B, build *abi.InputBuilder, records []guest.Record) {
	build.Reset(true, 0)
	for i := range records {
		r := &records[i]
		in := abi.InputRecord{
			Version: uint64(r.Version), Safepoint: uint64(r.Safepoint), Time: r.Time, XID: r.XID, Cohort: r.Cohort, Agent: r.Agent,
			Action: r.Items[0].Action, Payload: r.Items[0].Payload, ItemCount: 1, Flags: abi.RecFlagFirst | abi.RecFlagLast,
		}
		if err := build.Add(&in); err != nil {
			b.Fatal(err)
		}
	}
}

// benchNative is the same: builder, kit, checks; but the kit runs in the host's own
// machine code, on a slice that stands for the memory.
func benchNative(b *testing.B) {
	program := sdk.New("", func(v sdk.Version, out *sdk.Statements) error {
		p := v.Item(0).Payload()
		from, to, amount := p.Field("from").Arg(), p.Field("to").Arg(), p.Field("amount").Arg()
		out.Exec(3, from, amount, v.Arg())
		out.Exec(3, to, amount, v.Arg())
		out.Exec(3, from, to, v.Arg())
		return nil
	})
	records := benchRecords("THREE")
	memory := make([]byte, 1<<20)
	limits := abi.OutputLimits{Frame: abi.MaxOutput, Referenced: abi.MaxReferenced, Statements: abi.MaxStatements}
	var build abi.InputBuilder
	for b.Loop() {
		fillFrame(b, &build, records)
		build.Write(memory[4096:])
		out := program.Run(memory[4096:4096+build.Size()], 4096, func([]byte) uint32 { return 512 << 10 })
		copy(memory[600<<10:], out)
		if _, err := abi.OpenOutput(memory, 600<<10, uint32(len(out)), batch, limits); err != nil {
			b.Fatal(err)
		}
	}
	perVersion(b)
}

// benchFrame is the host's part before the call alone.
func benchFrame(b *testing.B) {
	records := benchRecords("THREE")
	memory := make([]byte, 1<<20)
	var build abi.InputBuilder
	for b.Loop() {
		fillFrame(b, &build, records)
		build.Write(memory)
	}
	perVersion(b)
}
