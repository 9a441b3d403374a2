package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ichor-replicator/ichor/host/talos"
)

// cutter is a broker whose log has three batches of two records each. It cuts its first answer after so many bytes, as
// brokers cut the last batch to the size that is asked for.
type cutter struct {
	batches [][]byte
	cut     atomic.Int64 // of the next answer; 0 is whole
}

// answer is the set of records for a fetch of a position.
func (c *cutter) answer(from int64) (set []byte) {
	for i, b := range c.batches {
		if int64(2*i+1) >= from {
			set = append(set, b...)
		}
	}
	if cut := c.cut.Swap(0); cut > 0 {
		set = set[:cut]
	}
	return set
}

// fetched answers a fetch of one partition.
func (c *cutter) fetched(req kmsg.Request) kmsg.Response {
	asked := req.(*kmsg.FetchRequest)
	resp := asked.ResponseKind().(*kmsg.FetchResponse)
	for _, topic := range asked.Topics {
		t := kmsg.NewFetchResponseTopic()
		t.Topic = topic.Topic
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 6, 6, 0
		p.RecordBatches = c.answer(topic.Partitions[0].FetchOffset)
		t.Partitions = append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

// TestABatchThatIsCutShortIsReadWhole cuts an answer at each of its bytes: what is cut is fetched again, no record is
// delivered in part, twice or never, and it is no trouble at all unless there is no whole batch in the answer.
func TestABatchThatIsCutShortIsReadWhole(t *testing.T) {
	batches := [][]byte{makeBatch(0, "a", "b").bytes(), makeBatch(2, "c", "d").bytes(), makeBatch(4, "e", "f").bytes()}
	first := len(batches[0])
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "cut"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	broker := &cutter{batches: batches}
	cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		return broker.fetched(req), nil, true
	})
	log, err := New(Options{Brokers: cluster.ListenAddrs(), Topic: "cut", BackoffMin: time.Microsecond, BackoffMax: time.Microsecond}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for cut := 1; cut < first+len(batches[1])+len(batches[2]); cut++ {
		broker.cut.Store(int64(cut))
		enough := errors.New("enough")
		var got []string
		troubles := 0
		err := log.Follow(t.Context(), 0, talos.NoAnchor, func(b Batch) error {
			for _, r := range b.Records {
				got = append(got, fmt.Sprintf("%d=%s", r.Position, r.Value))
			}
			if b.Next >= 6 {
				return enough
			}
			return nil
		}, func(err error) {
			if troubles++; ClassOf(err) != ClassCorrupt {
				t.Errorf("cut at %d: %v", cut, err)
			}
		})
		want := 0
		if cut < first {
			want = 1
		}
		if all := strings.Join(got, " "); !errors.Is(err, enough) || all != "0=a 1=b 2=c 3=d 4=e 5=f" || troubles != want {
			t.Errorf("cut at %d it delivers %s with %d troubles, want %d, and ends with %v", cut, all, troubles, want, err)
		}
	}
}
