package kafkatest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A network does to the answers to fetches what it is told, and to no others, and after that nothing.
func TestNetworkSlowsHangsAndCutsFetches(t *testing.T) {
	n := &Network{}
	b := start(t, EmbeddedOptions{Wrap: n.Wrap})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.CreateTopic(t.Context(), "t", 1, nil))
	_, err := b.Produce(t.Context(), "t", Uncompressed, Message{Value: []byte("v")})
	must(err)
	fetch := func(within time.Duration) error {
		t.Helper()
		client, err := b.newClient(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().At(0)}}))
		must(err)
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		if fetched := client.PollRecords(ctx, 1); fetched.NumRecords() == 0 {
			return errors.Join(errors.New("no record came"), fetched.Err())
		}
		return nil
	}
	const late = 300 * time.Millisecond
	n.SlowFetches(late, 2*late)
	if err := fetch(late); err == nil {
		t.Error("a fetch that is slow was answered at once")
	}
	if err := fetch(time.Minute); err != nil {
		t.Errorf("a fetch that is slow: %v", err)
	}
	n.SlowFetches(0, 0)
	n.HangFetches(true)
	if err := fetch(late); err == nil {
		t.Error("a fetch that hangs was answered")
	}
	_, err = b.Produce(t.Context(), "t", Uncompressed, Message{Value: []byte("w")})
	must(err)
	n.HangFetches(false)
	n.CutFetches(true)
	for range 5 {
		if err := fetch(time.Minute); err != nil {
			t.Errorf("fetches that are cut: %v", err)
		}
	}
	n.CutFetches(false)
	if err := fetch(time.Minute); err != nil {
		t.Errorf("after all: %v", err)
	}
}
