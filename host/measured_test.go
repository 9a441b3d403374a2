package host_test

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// measure is what a metric says at a stage: a value from least to most.
type measure struct {
	at, metric  string
	least, most float64
}

// The stages of a host, beside those of the wishes. The versions of the test are their positions: 1 is held, 3 has
// its key, 4 is undecided, 5 was installed by its initiator, 6 is aborted, 12 finds its row locked.
const (
	poisoned   = "holding a version"
	among      = "holding a version, with another undecided and one contradicted"
	locked     = "waiting for a row"
	behindOpen = "behind a stranger's open transaction"
	standing   = "standing by"
	relieved   = "standing by, after a handover"
	following  = "owning, after a handover"
)

const (
	testMemory = 48 << 20
	hour       = 3600.0
	ageMost    = 900 // seconds that the test may take
)

var measures = []measure{
	{poisoned, `ichor_role{role="owner"}`, 1, 1},
	{poisoned, `ichor_role{role="standby"}`, 0, 0},
	{poisoned, `ichor_role{role="none"}`, 0, 0},
	{poisoned, "ichor_epoch", 1, 1},
	{poisoned, `ichor_build_info{go_version="` + runtime.Version() + `",version="dev"}`, 1, 1},
	{poisoned, "ichor_held", 1, 1},
	{poisoned, "ichor_poisoned_total", 1, math.Inf(1)}, // it is tried again by itself
	{poisoned, `ichor_install_failures_total{class="poison"}`, 1, math.Inf(1)},
	{poisoned, `ichor_retries_total{class="poison"}`, 0, 0}, // it went alone: nothing else is tried again for it
	{poisoned, "ichor_lag_seconds", hour, hour + ageMost},
	{poisoned, "ichor_lag_positions", 0, 0},
	{poisoned, "ichor_memory_limit_bytes", testMemory, testMemory},
	{poisoned, "ichor_memory_bytes", 1, testMemory},
	{poisoned, "ichor_key_waits_total", 0, 0},
	{poisoned, "ichor_oldest_undecided", 0, 0},
	{poisoned, "ichor_oldest_undecided_age_seconds", 0, 0},
	{poisoned, "ichor_oldest_in_flight", 0, 0},
	{poisoned, "ichor_oldest_in_flight_age_seconds", 0, 0},
	{poisoned, "ichor_queue_head", 1, 1},
	{poisoned, "ichor_queue_head_age_seconds", 1e-6, ageMost},
	{poisoned, "ichor_snapshot_age_seconds", 1e-6, ageMost},
	{poisoned, "ichor_group_versions_count", 0, 0},
	{poisoned, "ichor_lanes_up", 4, 4},

	{among, "ichor_held", 1, 1},
	{among, "ichor_key_waits_total", 1, 1},
	{among, "ichor_safepoints_too_low_total", 0, 0},
	{among, "ichor_oldest_undecided", 4, 4},
	{among, "ichor_oldest_undecided_age_seconds", 1e-6, ageMost},
	{among, "ichor_undecided_passed", 1, 1},
	{among, "ichor_decisions_conflicting_outcome_total", 1, 1},
	{among, "ichor_decisions_conflicting_safepoint_total", 0, 0},
	{among, `ichor_decisions_total{outcome="aborted"}`, 2, 2}, // one of them contradicts a commit
	{among, `ichor_decisions_total{outcome="committed"}`, 3, 3},
	{among, "ichor_candidates_total", 5, 5},
	{among, "ichor_decisions_other_xid_total", 1, 1},
	{among, "ichor_last_decision", 1, 1},
	{among, "ichor_versions_unchanged_total", 1, 1},
	{among, "ichor_installed_total", 1, 1},
	{among, "ichor_groups_ahead_total", 1, 1},
	{among, "ichor_group_versions_count", 1, 1},
	{among, "ichor_group_versions_sum", 1, 1},
	{among, "ichor_snapshot", 0, 0},
	{among, "ichor_lag_seconds", hour, hour + ageMost},

	{locked, "ichor_oldest_in_flight", 12, 12},
	{locked, "ichor_oldest_in_flight_age_seconds", 1e-6, ageMost},
	{locked, `ichor_install_failures_total{class="contention"}`, 1, math.Inf(1)},
	{locked, `ichor_retries_total{class="contention"}`, 1, math.Inf(1)},

	{behindOpen, "ichor_lag_positions", 3, 3},
	{behindOpen, "ichor_kafka_high_watermark", 17, 17},
	{behindOpen, "ichor_kafka_stable_end", 14, 14},
	{behindOpen, "ichor_kafka_fetched_position", 14, 14},
	{behindOpen, "ichor_installed_total", 2, 2},
	{behindOpen, "ichor_group_versions_sum", 2, 2},
	{behindOpen, "ichor_versions_unchanged_total", 1, 1},

	{standing, `ichor_role{role="owner"}`, 0, 0},
	{standing, `ichor_role{role="standby"}`, 1, 1},
	{standing, `ichor_role{role="none"}`, 0, 0},
	{standing, "ichor_epoch", 0, 0},
	{standing, "ichor_lag_positions", 0, 0},
	{standing, "ichor_lag_seconds", 0, 0}, // it has read all, and what is not settled is the owner's
	{standing, "ichor_standby_bytes", 1, testMemory / 4},

	{relieved, `ichor_role{role="owner"}`, 0, 0},
	{relieved, `ichor_role{role="standby"}`, 1, 1},
	{relieved, `ichor_role{role="none"}`, 0, 0},
	{relieved, "ichor_epoch", 0, 0},
	{relieved, `ichor_sessions_ended_total{reason="handed_over"}`, 1, 1},
	{relieved, `ichor_sessions_ended_total{reason="fenced"}`, 0, 0},

	{following, `ichor_role{role="owner"}`, 1, 1},
	{following, `ichor_role{role="standby"}`, 0, 0},
	{following, `ichor_role{role="none"}`, 0, 0},
	{following, "ichor_epoch", 2, 2},
	{following, "ichor_held", 1, 1},
	{following, "ichor_oldest_undecided", 4, 4},
	{following, "ichor_lag_seconds", hour, hour + ageMost},
}

// measures waits until /metrics has every metric of a stage, in its bounds; one that is absent has no value.
func (r *running) measures(stage string) {
	r.b.t.Helper()
	wrong := ""
	hosttest.Until(r.b.t, func() bool {
		wrong = ""
		text := "\n" + r.get("/metrics")
		for _, m := range measures {
			if m.at != stage {
				continue
			}
			_, after, _ := strings.Cut(text, "\n"+m.metric+" ")
			got, _, _ := strings.Cut(after, "\n")
			if value, err := strconv.ParseFloat(got, 64); err != nil || value < m.least || value > m.most {
				wrong += fmt.Sprintf("%s is %q, want %v to %v\n", m.metric, got, m.least, m.most)
			}
		}
		return wrong == ""
	}, func() string { return fmt.Sprintf("%s:\n%s%s", stage, wrong, r.b.log.text()) })
}

// opens begins a transaction of another client with so many records, and returns the function that aborts it.
func (b *bank) opens(records int) (abort func()) {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.broker.Addr(kafkatest.Plain)), kgo.TransactionalID("stranger"), kgo.DefaultProduceTopic(b.topic))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(client.Close)
	if err := client.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
	for range records {
		if err := client.ProduceSync(b.t.Context(), kgo.StringRecord("in a transaction")).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
	return func() {
		if err := client.EndTransaction(b.t.Context(), kgo.TryAbort); err != nil {
			b.t.Fatal(err)
		}
	}
}

// What alerts and the dashboard stand on says what is so, in a host that is driven through what can be wrong.
func TestWhatCanBeWrongIsMeasured(t *testing.T) {
	b := newBank(t, 9)
	b.exec("alter table bank_accounts add constraint few check (amount < 1000000)")
	b.options.Core.Lanes, b.options.Core.Memory, b.options.Core.AheadAfter = 4, testMemory, 1e6
	b.options.Database.Lease = time.Second
	r := b.start()
	r.becomes("")
	before, poison := message("Other", "position 0"), candidate(1, "0001", deposit("0001", 2_000_000))
	before.Time = time.Now().Add(-time.Hour)
	poison.Time = before.Time
	b.send(before, poison, commit(1, 0))
	r.measures(poisoned)

	b.exec("update bank_accounts set amount = amount + 5, version = 5 where number = '0003'") // as the initiator of 5
	another := commit(5, 0)
	another.Value = bytes.Replace(another.Value, []byte(`"xid":"x"`), []byte(`"xid":"00000000-0000-4000-8000-000000000099"`), 1)
	b.send(candidate(3, "0001", deposit("0001", 5)), candidate(4, "0005", deposit("0005", 5)), candidate(5, "0003", deposit("0003", 5)),
		candidate(6, "0006", deposit("0006", 5)), commit(3, 1), another, abort(6), abort(1), message("Other", "position 11"))
	r.measures(among)

	free := b.blocks("select 1 from bank_accounts where number = '0002'")
	b.send(candidate(12, "0002", deposit("0002", 5)), commit(12, 0))
	r.measures(locked)
	free()
	b.eventually("(100005.00000)", "select amount from bank_accounts where number = '0002'")

	aborts := b.opens(3)
	r.measures(behindOpen)
	aborts()

	other := b.start()
	other.standsBy()
	other.measures(standing)
	b.exec("insert into ichor.request (verb, who, reason) values ('handover', 'test', 'so that the roles are exchanged')")
	r.measures(relieved)
	other.measures(following)
}
