package kafkatest

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Who reads what is committed gets no record of a transaction that was aborted, also where an answer ends before all that there is.
func TestAnswersThatEndEarlySayWhatWasAborted(t *testing.T) {
	b := start(t, EmbeddedOptions{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.CreateTopic(t.Context(), "t", 1, nil))
	held, err := b.Begin("t", "id")
	must(err)
	_, err = held.Produce(t.Context(), Message{Value: []byte("aborted")})
	must(err)
	must(held.Abort(t.Context()))
	for range 3 {
		_, err = b.Produce(t.Context(), "t", Uncompressed, Message{Value: bytes.Repeat([]byte("x"), 10_000)})
		must(err)
	}
	client, err := b.newClient(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().At(0)}}), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(15_000), kgo.FetchMaxPartitionBytes(15_000))
	must(err)
	defer client.Close()
	for read := 0; read < 3; {
		fetched := client.PollFetches(t.Context())
		must(fetched.Err())
		for _, r := range fetched.Records() {
			if string(r.Value) == "aborted" {
				t.Fatal("a record of an aborted transaction was read")
			}
			read++
		}
	}
}
