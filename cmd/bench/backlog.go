package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ichor-replicator/ichor/examples/banking/workload"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
)

const sentAtOnce = 2_000

// transfer is what one version installs.
type transfer struct {
	version  talos.Version
	from, to string
	amount   string
}

// backlog is a topic that is full before the host starts.
type backlog struct {
	name      string
	accounts  int  // of the bank
	late      bool // no candidate has its decision before the last is there
	codec     kafkatest.Compression
	log       *transcript.Log
	last      talos.Version // the snapshot when all is installed
	transfers []transfer    // of the committed versions, in their order
}

// topic is where the backlog is.
func (b *backlog) topic() string { return b.name + ".certification" }

// fill sends candidates and their decisions to the backlog's topic. All are single transfers, so
// that each version is one statement of the guest's first template.
func (m *benchmark) fill(ctx context.Context, of backlog, size int) (*backlog, error) {
	b := &of
	if err := m.Broker.CreateTopic(ctx, b.topic(), 1, nil); err != nil {
		return nil, err
	}
	messages, err := m.source(b, size)
	if err != nil {
		return nil, err
	}
	producer, err := m.Broker.NewProducer(b.topic(), b.codec)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	b.log = verdict.NewLog()
	candidates := map[talos.Version]transfer{}
	for ended := false; !ended; {
		var some []kafkatest.Message
		for len(some) < sentAtOnce {
			message, more, err := messages.next()
			if err == nil && more {
				err = b.add(message, candidates)
			}
			if err != nil {
				return nil, err
			}
			if ended = !more; ended {
				break
			}
			some = append(some, messageOf(message))
		}
		if _, err := producer.Produce(ctx, some...); err != nil {
			return nil, err
		}
	}
	b.last = b.log.Snapshot()
	for _, v := range b.log.Versions() {
		if b.log.Class(v) == transcript.Installable {
			b.transfers = append(b.transfers, candidates[v])
		}
	}
	return b, nil
}

// source returns what a backlog of so many candidates is filled from.
func (m *benchmark) source(b *backlog, size int) (source, error) {
	var all [2]prompt
	for i := range all {
		generator, err := workload.New(workload.Options{Seed: m.options.Seed, Accounts: b.accounts, Plain: true})
		if err != nil {
			return nil, err
		}
		all[i] = prompt{generator, size}
	}
	if b.late {
		return &late{candidates: all[0], decisions: all[1], moved: map[talos.Version]talos.Version{}}, nil
	}
	return &all[0], nil
}

// add notes a message, and what it asks for if it is a candidate.
func (b *backlog) add(m certification.Message, candidates map[talos.Version]transfer) error {
	kind := kindOf(m)
	b.log.Add(transcript.Record{Position: m.Position, MessageType: kind, Value: m.Value})
	if kind != "Candidate" {
		return nil
	}
	var c struct {
		Statemap []struct {
			Transfer struct {
				From, To string
				Amount   json.RawMessage
			} `json:"TRANSFER"`
		}
	}
	if err := json.Unmarshal(m.Value, &c); err != nil || len(c.Statemap) != 1 || c.Statemap[0].Transfer.From == "" {
		return fmt.Errorf("the candidate at %v is no single transfer (%w): %s", m.Position, err, m.Value)
	}
	t := c.Statemap[0].Transfer
	amount := string(t.Amount)
	if amount[0] == '"' {
		amount = amount[1 : len(amount)-1]
	}
	version := talos.Version(m.Position)
	candidates[version] = transfer{version, t.From, t.To, amount}
	return nil
}

// between counts the versions that install something, above one and up to another.
func (b *backlog) between(above, upTo talos.Version) int {
	n := 0
	for i := range b.transfers {
		if v := b.transfers[i].version; v > above && v <= upTo {
			n++
		}
	}
	return n
}

func kindOf(m certification.Message) string {
	for _, h := range m.Headers {
		if h.Name == "messageType" {
			return string(h.Value)
		}
	}
	return ""
}

func messageOf(m certification.Message) kafkatest.Message {
	out := kafkatest.Message{Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		out.Headers = append(out.Headers, kafkatest.Header(h))
	}
	return out
}
