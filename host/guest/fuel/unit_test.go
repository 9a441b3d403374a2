package fuel_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest/fuel"
)

// BenchmarkUnit runs a thousand of an instruction in a row, each with the result of the one
// before, again and again, and reports the nanoseconds of a unit. The prices are right where
// no instruction's unit lasts much longer than a few of them.
func BenchmarkUnit(b *testing.B) {
	i32, i64, f32, f64, v128 := "\x7f", "\x7e", "\x7d", "\x7c", "\x7b"
	both := func(op string) string { return "\x20\x00\x20\x01" + op + "\x21\x00" }
	one := func(op string) string { return "\x20\x00" + op + "\x21\x00" }
	for _, c := range []struct{ name, kind, code string }{
		{"nothing", i32, ""},
		{"i32.add", i32, both("\x6a")}, {"i32.mul", i32, both("\x6c")}, {"i32.div_u", i32, both("\x41\x01\x72\x6e")}, {"i32.rem_s", i32, both("\x41\x01\x72\x6f")},
		{"i32.popcnt", i32, one("\x69")}, {"i32.rotl", i32, both("\x77")}, {"i32.load", i32, one("\x41\x00\x71\x28\x02\x00")},
		{"i64.add", i64, both("\x7c")}, {"i64.mul", i64, both("\x7e")}, {"i64.div_s", i64, both("\x42\x01\x84\x7f")}, {"i64.rem_u", i64, both("\x42\x01\x84\x82")},
		{"i64.ctz", i64, one("\x7a")}, {"f32.add", f32, both("\x92")}, {"f32.div", f32, both("\x95")}, {"f32.sqrt", f32, one("\x91")}, {"f32.min", f32, both("\x96")},
		{"f64.add", f64, both("\xa0")}, {"f64.div", f64, both("\xa3")}, {"f64.sqrt", f64, one("\x9f")}, {"f64.nearest", f64, one("\x9e")}, {"f64.max", f64, both("\xa5")},
		{"f64.copysign", f64, both("\xa6")}, {"f64.trunc_sat", f64, one("\xfc\x03\xb8")}, {"f64.convert_i64_u", f64, one("\xfc\x07\xba")}, {"i64.reinterpret", i64, one("\xbf\xbd")},
		{"i8x16.add", v128, both("\xfd\x6e")}, {"i8x16.shl", v128, one("\x41\x03\xfd\x6b")}, {"i64x2.mul", v128, both("\xfd\xd5\x01")}, {"f64x2.div", v128, both("\xfd\xf3\x01")},
		{"f64x2.sqrt", v128, one("\xfd\xef\x01")}, {"f32x4.pmin", v128, both("\xfd\xea\x01")}, {"i8x16.swizzle", v128, both("\xfd\x0e")}, {"i8x16.popcnt", v128, one("\xfd\x62")},
		{"i64x2.shr_s", v128, one("\x41\x03\xfd\xcc\x01")}, {"i32x4.trunc_sat_f32x4_u", v128, one("\xfd\xf9\x01")}, {"i32x4.trunc_sat_f64x2_u_zero", v128, one("\xfd\xfd\x01")},
		{"i8x16.narrow", v128, both("\xfd\x65")}, {"i16x8.q15mulr", v128, both("\xfd\x82\x01")}, {"f32x4.nearest", v128, one("\xfd\x6a")}, {"i64x2.abs", v128, one("\xfd\xc0\x01")},
		{"i32x4.all_true", v128, one("\x20\x00\xfd\xa3\x01\xfd\x11\xfd\x51")},
		{"memory.size", i32, "\x3f\x00\x21\x00"}, {"if", i32, "\x20\x01\x04\x40\x20\x00\x21\x01\x0b"},
		{"br_table", i32, "\x02\x40\x02\x40\x20\x00\x0e\x01\x00\x01\x0b\x0b"}, {"table.get", i32, "\x41\x00\x25\x00\x1a"}, {"ref.func", i32, "\xd2\x00\x1a"},
	} {
		b.Run(c.name, func(b *testing.B) {
			code := "\x02\x01" + c.kind + "\x01" + c.kind // two locals, one group each
			w := newWorld(b, true)
			m, err := w.instantiate(body(code, []byte("\x03\x40"+strings.Repeat(c.code, 1000)+"\x0c\x00\x0b")...), "")
			if err != nil {
				b.Fatal(err)
			}
			const budget = 10_000_000
			for b.Loop() {
				global(m).Set(uint64(w.meter.Begin(fuel.Limits{Budget: budget, Slice: 100_000, Largest: math.MaxInt64})))
				if _, err := m.ExportedFunction("f").Call(context.Background()); err == nil {
					b.Fatal("it ended")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/budget, "ns/unit")
			b.ReportMetric(0, "ns/op")
		})
	}
}
