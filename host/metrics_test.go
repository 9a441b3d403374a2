package host_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/metric"
	"github.com/ichor-replicator/ichor/host/spans"
	"github.com/ichor-replicator/ichor/host/telemetry"
)

var update = flag.Bool("update", false, "rewrite METRICS.md")

// wish is one entry of the reference's list of what a replicator should show.
type wish struct {
	area, what string
	metric     string // ours, with labels where it has some
	at         string // the stage of the test at which it has the value
	want       string // the value, or more for any above 0
}

// The stages: what a version waits for.
const (
	atGuest    = "at the guest"
	inLane     = "in a lane"
	durable    = "durable"
	unwritten  = "settled, and the snapshot cannot be written"
	overloaded = "after an overload"
	more       = "more than 0"
)

// The values at a stage are as far apart as they can be, so that none is measured in another's place.
var wishes = []wish{
	{"replicator", "suffix size", "ichor_suffix_size", inLane, "3"},
	{"replicator", "suffix head", "ichor_suffix_head", inLane, "20"},
	{"replicator", "last candidate version received", "ichor_last_candidate", inLane, "22"},
	{"replicator", "last decision version received", "ichor_last_decision_position", inLane, "24"},
	{"replicator", "total candidates received", "ichor_candidates_total", inLane, "11"},
	{"replicator", "total decisions received", `ichor_decisions_total{outcome="committed"}`, inLane, "7"},
	{"replicator", "last commit version", "ichor_kafka_published_position", durable, "20"},
	{"replicator", "last version sent to the queue service", "ichor_last_forwarded", inLane, "19"},
	{"queue", "last version received", "ichor_queue_last_received", inLane, "18"},
	{"queue", "channel depth", "ichor_converting", atGuest, "2"},
	{"queue", "queue size", "ichor_queue_size", inLane, "4"},
	{"queue", "queue head", "ichor_queue_head", inLane, "14"},
	{"queue", "last version sent to the installer", "ichor_last_sent", inLane, "15"},
	{"queue", "last snapshot passed to update_snapshot", "ichor_snapshot", unwritten, "19"},
	{"queue", "last snapshot tracked internally", "ichor_snapshot_settled", unwritten, "20"},
	{"installer", "last version received", "ichor_installer_last_received", inLane, "15"},
	{"installer", "channel depth", "ichor_installer_waiting", inLane, "0"}, // that it grows: the test of the lanes in package session
	{"installer", "installs running now", "ichor_in_flight", inLane, "2"},
	{"backpressure", "maximum applied", "ichor_backpressure_longest_seconds", overloaded, more},
	{"backpressure", "total applied", "ichor_backpressure_seconds_total", overloaded, more},
	{"backpressure", "times applied", "ichor_backpressure_pauses_total", overloaded, more},
	{"errors", "total install errors", `ichor_install_failures_total{class="contention"}`, inLane, more},
	{"errors", "total snapshot update errors", "ichor_snapshot_failures_total", unwritten, more},
}

// grants waits until /metrics has what is wished for at a stage.
func (r *running) grants(stage string) {
	r.b.t.Helper()
	for _, w := range wishes {
		if w.at != stage {
			continue
		}
		got := ""
		hosttest.Until(r.b.t, func() bool {
			_, after, found := strings.Cut("\n"+r.get("/metrics"), "\n"+w.metric+" ")
			got, _, _ = strings.Cut(after, "\n")
			return found && (got == w.want || w.want == more && got != "0")
		}, func() string {
			return fmt.Sprintf("%s: %s is %q, want %s\n%s", stage, w.metric, got, w.want, r.b.log.text())
		})
	}
}

// blocks locks rows as another client, until the function that it returns is called.
func (b *bank) blocks(sql string) func() {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.db.DSN)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := conn.Exec(b.t.Context(), "begin; "+sql+" for update"); err != nil {
		b.t.Fatal(err)
	}
	return func() { conn.Close(b.t.Context()) }
}

// Everything that the reference wishes to see can be read from /metrics, driven through all stages of a host.
func TestEverythingThatTheReferenceWishesForIsMeasured(t *testing.T) {
	b := newBank(t, 3)
	b.options.Core.Lanes, b.options.Core.Memory = 2, 8<<20
	b.options.Core.GroupMax = 1 // a version that waits for one in a lane does not join it when that is tried again
	var gate sync.RWMutex       // the guest reads no clock while somebody holds it
	b.options.Guests.Limits.Clock = func() int64 {
		gate.RLock()
		defer gate.RUnlock()
		return time.Now().UnixNano()
	}
	r := b.start()
	r.becomes("")
	for range 6 {
		b.send(message("Other", "of another"))
	}
	for i := range 4 {
		b.send(candidate(6+i, "0003", deposit("0003", 1)))
	}
	b.send(commit(6, 0), commit(7, 6), commit(8, 7), commit(9, 8))
	b.eventually("(9)", "select version from cohort_snapshot")
	gate.Lock()
	free := b.blocks("select 1 from bank_accounts where number in ('0001', '0002')")
	b.send(candidate(14, "0001", deposit("0001", 5)), candidate(15, "0002", deposit("0002", 5)), commit(14, 9), commit(15, 9))
	r.grants(atGuest)
	gate.Unlock()
	r.shows("/metrics", "\nichor_in_flight 2\n")
	b.send(candidate(18, "0001", deposit("0001", 5)), candidate(19, "0002", deposit("0002", 5)), candidate(20, "0003", deposit("0003", 5)),
		candidate(21, "0003", deposit("0003", 5)), candidate(22, "0003", deposit("0003", 5)), commit(18, 14), abort(19))
	r.grants(inLane)
	free()
	r.grants(durable)

	free = b.blocks("select 1 from ichor.state")
	b.send(abort(20))
	r.grants(unwritten)
	free()
	b.eventually("(20)", "select version from cohort_snapshot")
	b.send(abort(21), abort(22))

	free = b.blocks("select 1 from bank_accounts where number = '0001'")
	first := b.send(message("Other", "the next is even or odd")) + 1
	var load []kafkatest.Message
	for i := range 2000 {
		load = append(load, candidate(10+i, "0001", deposit("0001", 1)), commit(first+2*i, 0))
	}
	b.send(load...)
	r.shows("/metrics", "\nichor_backpressure_pauses_total 1\n")
	free()
	b.eventually(fmt.Sprintf("(%d)", first+2*1999), "select version from cohort_snapshot")
	r.grants(overloaded)
}

// The registry of a host has exactly the metrics that the page describes.
func TestEveryMetricIsDescribed(t *testing.T) {
	b := newBank(t, 3)
	registry := prometheus.NewRegistry()
	h, err := host.New(b.options, slog.New(slog.DiscardHandler), registry)
	if err != nil {
		t.Fatal(err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	if err := h.Run(over); err != nil { // it frees what New took
		t.Fatal(err)
	}
	var got, want []string
	all := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(all)
		close(all)
	}()
	for d := range all {
		got = append(got, d.String())
	}
	for _, s := range sections() {
		for _, d := range s.Of {
			want = append(want, d.Desc().String())
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the registry has\n%s\nand described is\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func sections() []metric.Section {
	return slices.Concat(telemetry.Sections(), guest.Sections(), kafka.Sections(), spans.Sections())
}

// A host that has installed, refused and retried something keeps Prometheus' rules of names, and says of
// each metric the kind that its page does.
func TestMetricsKeepThePrometheusRules(t *testing.T) {
	b := newBank(t, 3)
	r := b.start()
	b.send(message("Other", "position 0"))
	last := b.transfers(0, 10)
	r.becomes("")
	b.install("banking", []byte("no module"))
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	r.shows("/metrics", `ichor_guest_swaps_total{guest="banking",result="refused"} 1`)
	r.shows("/metrics", "\nichor_group_versions_count ")
	text := r.get("/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	kinds := map[string]metric.Kind{}
	for _, s := range sections() {
		for _, d := range s.Of {
			kinds[d.Name] = d.Kind
			if unit := strings.HasSuffix(strings.TrimSuffix(d.Name, "_total"), "_"+d.Unit); (d.Unit == "seconds" || d.Unit == "bytes") && !unit {
				t.Errorf("%s is in %s, and its name does not say so", d.Name, d.Unit)
			}
			if counts := strings.HasSuffix(d.Name, "_total"); counts != (d.Kind == metric.Counter) {
				t.Errorf("%s is a %s", d.Name, d.Kind)
			}
		}
	}
	seen := 0
	for line := range strings.Lines(text) {
		var name, kind string
		if n, _ := fmt.Sscanf(line, "# TYPE %s %s", &name, &kind); n != 2 || !strings.HasPrefix(name, "ichor_") {
			continue
		}
		seen++
		if kinds[name] != metric.Kind(kind) {
			t.Errorf("%s is a %s, and its page says %s", name, kind, kinds[name])
		}
	}
	if seen < 80 {
		t.Errorf("/metrics has %d metrics of ours", seen)
	}
}

const pageBegin = `# Metrics

What ` + "`/metrics`" + ` of a host says. Written by ` + "`go test ./host -run TestThePageOfMetrics -update`" + ` from the definitions in the
code, and held against the registry of a host by the tests. Times are seconds, sizes bytes; no label has one value for each version or
xid. Versions and positions are offsets of the certification topic. What the core counts begins anew at 0 when a host takes the cohort
over, as any counter may; its highest and last versions are 0 until it has met one.

Alerts and a dashboard made of them are in [examples/monitoring](../examples/monitoring).
`

// METRICS.md is made of the definitions, and of the reference's wishes.
func TestThePageOfMetricsIsUpToDate(t *testing.T) {
	var page strings.Builder
	page.WriteString(pageBegin)
	if err := metric.Write(&page, sections()); err != nil {
		t.Fatal(err)
	}
	page.WriteString("\n## What the reference wishes for\n\nThe list of global events of the reference's replicator, and the metric that shows each;\n" +
		"`TestEverythingThatTheReferenceWishesForIsMeasured` drives them.\n\n| area | event | metric |\n|---|---|---|\n")
	for _, w := range wishes {
		name, _, _ := strings.Cut(w.metric, "{")
		fmt.Fprintf(&page, "| %s | %s | `%s` |\n", w.area, w.what, name)
	}
	text, err := os.ReadFile("METRICS.md")
	switch {
	case err == nil && string(text) == page.String():
	case *update:
		if err := os.WriteFile("METRICS.md", []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("METRICS.md is not what the code says (%v): run go test ./host -run TestThePageOfMetrics -update", err)
	}
}
