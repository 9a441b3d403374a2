package guest_test

import (
	"log/slog"
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest"
)

// TestInstancesAreReplaced counts the instances that are made for thirty conversions, each of which is a
// call of alloc and one of convert: what wazero or a guest keeps for each call is freed with them.
func TestInstancesAreReplaced(t *testing.T) {
	_, units := replaced(t, guest.Options{})
	for _, test := range []struct {
		name    string
		options guest.Options
		want    int
	}{
		{"by default", guest.Options{}, 0},
		{"after six calls", guest.Options{}.ReplacedAfter(6, math.MaxInt64), 10},
		{"after what three conversions burn", guest.Options{}.ReplacedAfter(math.MaxInt, 3*units), 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, _ := replaced(t, test.options); got != test.want {
				t.Errorf("%d instances were replaced, want %d", got, test.want)
			}
		})
	}
}

// replaced says how many instances a guest used up in thirty conversions, and what one of them burns. A
// few go before: the instance that comes up first has been called while it was loaded.
func replaced(t *testing.T, options guest.Options) (instances int, units int64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	options.Instances = 1
	a := attack{locals: i32Local, code: i32Const(100) + "\x21\x02\x03\x40\x20\x02\x41\x01\x6b\x22\x02\x0d\x00\x0b"} // a hundred turns
	g, err := guest.Load(t.Context(), "busy", a.binary(t), options, slog.New(slog.DiscardHandler), guest.NewMetrics(registry))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	records := []guest.Record{record(42, item("A", `1`))}
	var into guest.Conversions
	made := func(conversions int) float64 {
		for range conversions {
			if err := g.Convert(t.Context(), records, &into); err != nil || into.Faults > 0 {
				t.Fatalf("%v, %d faults", err, into.Faults)
			}
		}
		return counters(t, registry)["instances_total age"]
	}
	before := made(5)
	return int(made(30) - before), into.Fuel
}
