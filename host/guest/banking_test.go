package guest_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

func load(tb testing.TB, name string, wasm []byte, options guest.Options) (*guest.Generation, error) {
	tb.Helper()
	if options.CacheDir == "" {
		options.CacheDir = guesttest.CacheDir(tb)
	}
	g, err := guest.Load(context.Background(), name, wasm, options, slog.New(slog.DiscardHandler), guest.NewMetrics(prometheus.NewRegistry()))
	if err == nil {
		tb.Cleanup(func() {
			if err := g.Close(context.Background()); err != nil {
				tb.Errorf("close: %v", err)
			}
		})
	}
	return g, err
}

func mustLoad(tb testing.TB, name string, wasm []byte, options guest.Options) *guest.Generation {
	tb.Helper()
	g, err := load(tb, name, wasm, options)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func record(version int, items ...talos.Item) guest.Record {
	return guest.Record{
		Version: talos.Version(version), Safepoint: talos.Version(version - 1), Time: 1759118825121907755,
		XID: "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11", Cohort: "banking-eu", Agent: "bank-agent-7", Items: items,
	}
}

func item(action, payload string) talos.Item {
	return talos.Item{Action: action, Payload: []byte(payload)}
}

func convert(tb testing.TB, g *guest.Generation, records ...guest.Record) []guest.Conversion {
	tb.Helper()
	var into guest.Conversions
	if err := g.Convert(context.Background(), records, &into); err != nil {
		tb.Fatal(err)
	}
	return into.Results
}

// say writes a conversion the way the tests' tables do.
func say(c *guest.Conversion) string {
	text := c.Status.String()
	if c.Reject != nil {
		return text + " " + c.Reject.Error()
	}
	for _, s := range c.Statements {
		text += fmt.Sprintf(" %d%q", s.Template, s.Args)
	}
	return text
}

func TestBankingConverts(t *testing.T) {
	g := mustLoad(t, "banking", guesttest.Banking(t), guest.Options{Instances: 1})
	tests := []struct {
		name  string
		items []talos.Item
		want  string
	}{
		{"no items", nil, `converted`},
		{"transfer", []talos.Item{item("TRANSFER", `{"amount":25.5,"from":"0017","to":"0042"}`)}, `converted 1["0017" "0042" "25.5" "42"]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := say(&convert(t, g, record(42, test.items...))[0]); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
