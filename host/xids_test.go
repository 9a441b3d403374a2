package host

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/session"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// What is forgotten is looked for in the log, where everything stands that is not settled; what is told of
// another record is not believed.
func TestAnXIDIsLookedForInTheLog(t *testing.T) {
	broker := kafkatest.Chosen(t)
	if err := broker.CreateTopic(t.Context(), "certification", 1, nil); err != nil {
		t.Fatal(err)
	}
	text := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
	for i := range 9 {
		kind := []string{"Candidate", "Decision"}[i%2]
		value := fmt.Sprintf(`{"xid":%q,"agent":"a","cohort":"c","readset":[],"readvers":[],"snapshot":0,"writeset":[],"statemap":[],"publishedAt":1}`, text(i%5))
		_, err := broker.Produce(t.Context(), "certification", kafkatest.Uncompressed, kafkatest.Message{Value: []byte(value), Headers: []kafkatest.Header{{Name: "messageType", Value: []byte(kind)}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	source, err := kafka.New(kafka.Options{Brokers: []string{broker.Addr(kafkatest.Plain)}, Topic: "certification", Group: "g", MaxWait: 50 * time.Millisecond}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	v := &view{source: source, xids: new(session.XIDs), health: status.NewHealth(time.Minute, slog.New(slog.DiscardHandler))}
	v.health.Show(replicator.Status{Resume: 2, Next: 9})
	find := func(i int) ([]talos.Version, error) {
		id, _ := talos.ParseXID(text(i))
		return v.scan(t.Context(), id)
	}
	for i, want := range [][]talos.Version{nil, {6}, {2}, {8}, {4}} { // 0 stands below the resume point, and 5 is a decision
		got, err := find(i)
		var unknown *status.UnknownError
		if !slices.Equal(got, want) || (want == nil) != errors.As(err, &unknown) {
			t.Errorf("xid %d: %v, %v, want %v", i, got, err, want)
		}
		if want == nil && !strings.Contains(err.Error(), "from the resume point 2 to 9") {
			t.Errorf("xid %d: %v", i, err)
		}
	}
	id, _ := talos.ParseXID(text(2))
	if got, err := v.confirm(t.Context(), id, []talos.Version{2, 4, 5}); err != nil || !slices.Equal(got, []talos.Version{2}) {
		t.Errorf("%v, %v", got, err)
	}
}
