package kafka_test

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// inflated follows a log that takes sixteen times as much room when it is read: no answer hands out much
// more than what a fetch asks for, and little is fetched twice.
func inflated(s *stage) {
	const batches, most = 64, 256 << 10
	b := s.ready()
	producer, err := b.NewProducer(s.topic, kafkatest.Zstd)
	s.must(err)
	defer producer.Close()
	random := rand.New(rand.NewPCG(1, 1))
	for range batches {
		value := make([]byte, most/4)
		for i := range len(value) / 16 {
			value[i] = byte(random.Uint32())
		}
		_, err := producer.Produce(s.ctx, kafkatest.Message{Value: value})
		s.must(err)
	}
	registry := prometheus.NewRegistry()
	log, err := kafka.New(kafka.Options{Brokers: []string{b.Addr(kafkatest.Plain)}, Topic: s.topic, MaxWait: 100 * time.Millisecond, MaxBytes: most}, discard(), registry)
	s.must(err)
	defer log.Close()
	enough := errors.New("enough")
	err = log.Follow(s.ctx, 0, talos.NoAnchor, func(b kafka.Batch) error {
		held := 0
		for _, r := range b.Records {
			held += len(r.Value)
		}
		if held > 5*most/2 {
			s.Errorf("%d bytes at once, and %d are asked for", held, most)
		}
		if b.Next >= batches {
			return enough
		}
		return nil
	}, func(error) {})
	s.equal("followed", err, enough)
	if fetched, stored := counted(s, registry, "ichor_kafka_bytes_total"), float64(batches*most/4/16); fetched > 3*stored {
		s.Errorf("%.0f bytes were fetched of a log of %.0f", fetched, stored)
	}
}

// counted returns what a counter says.
func counted(s *stage, registry *prometheus.Registry, name string) float64 {
	s.Helper()
	families, err := registry.Gather()
	s.must(err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	s.Fatalf("there is no metric %s", name)
	return 0
}
