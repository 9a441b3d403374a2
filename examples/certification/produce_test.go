package certification_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/examples/banking/workload"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

func topic(t *testing.T) (*kafkatest.Broker, certification.Target) {
	t.Helper()
	broker, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Stop() })
	if err := broker.CreateTopic(t.Context(), "bank", 1, nil); err != nil {
		t.Fatal(err)
	}
	return broker, certification.Target{Brokers: []string{broker.Addr(kafkatest.Plain)}, Topic: "bank"}
}

func generator(t *testing.T, options workload.Options) *certification.Generator {
	t.Helper()
	g, err := workload.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestProduceEndsWhenItIsEnough(t *testing.T) {
	broker, target := topic(t)
	var last certification.Counts
	target.Rate, target.Progress = 2000, func(c certification.Counts) { last = c }
	target.Until = func(c certification.Counts) bool { return c.Candidates == 60 }
	g := generator(t, workload.Options{Seed: 1, Now: time.Now})
	if err := certification.Produce(t.Context(), g, target); err != nil {
		t.Fatal(err)
	}
	end, err := broker.End(t.Context(), "bank")
	if err != nil {
		t.Fatal(err)
	}
	counts := g.Counts()
	if last != counts || counts.Candidates != 61 || int(end) != counts.Candidates+counts.Decisions+counts.Other {
		t.Errorf("the topic ends at %d, progress said %+v, the generator made %+v", end, last, counts)
	}
}

func TestProduceNoticesThatItIsNotAlone(t *testing.T) {
	_, target := topic(t)
	if err := certification.Produce(t.Context(), generator(t, workload.Options{Transfers: 10}), target); err != nil {
		t.Fatal(err)
	}
	err := certification.Produce(t.Context(), generator(t, workload.Options{Transfers: 10}), target)
	if err == nil || !strings.Contains(err.Error(), "somebody else writes") {
		t.Errorf("got %v", err)
	}
}

func TestProduceStopsWithItsContext(t *testing.T) {
	_, target := topic(t)
	ctx, cancel := context.WithCancel(t.Context())
	target.Progress = func(c certification.Counts) {
		if c.Candidates > 0 {
			cancel()
		}
	}
	if err := certification.Produce(ctx, generator(t, workload.Options{}), target); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
