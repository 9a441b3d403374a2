package kafka_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// BenchmarkFetch reads records of a candidate's size with their values, keys and headers
// from the embedded broker. It reports records per second and this process's allocations
// a record, the broker's own among them; see BenchmarkAssemble for ours alone.
func BenchmarkFetch(b *testing.B) {
	const records = 100_000
	broker, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = broker.Stop() }()
	if err := broker.CreateTopic(b.Context(), "t", 1, nil); err != nil {
		b.Fatal(err)
	}
	value := fmt.Appendf(nil, "%0700d", 1)
	messages := make([]kafkatest.Message, records)
	for i := range messages {
		messages[i] = kafkatest.Message{Key: value[:36], Value: value, Headers: []kafkatest.Header{{Name: "messageType", Value: []byte("Candidate")}, {Name: "certAgent", Value: []byte("cohort-banking")}}}
	}
	if _, err := broker.Produce(b.Context(), "t", kafkatest.Uncompressed, messages...); err != nil {
		b.Fatal(err)
	}
	log, err := kafka.New(kafka.Options{Brokers: []string{broker.Addr(kafkatest.Plain)}, Topic: "t"}, discard(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, bytes := 0, 0
	for b.Loop() {
		for next := talos.Position(0); next < records; {
			batch, err := log.Fetch(b.Context(), next)
			if err != nil {
				b.Fatal(err)
			}
			for i := range batch.Records {
				bytes += len(batch.Records[i].Value)
			}
			n += len(batch.Records)
			next = batch.Next
		}
	}
	runtime.ReadMemStats(&after)
	b.SetBytes(int64(bytes / b.N))
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(n), "allocs/record")
}
