package kafka

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// made is a batch to be written as bytes by another library than the one under test.
type made struct {
	kmsg.RecordBatch
}

// makeBatch returns a batch of uncompressed records from base on, one a value.
func makeBatch(base int64, values ...string) made {
	m := made{kmsg.RecordBatch{
		FirstOffset: base, Magic: 2, PartitionLeaderEpoch: 3, FirstTimestamp: 1000, MaxTimestamp: 1000 + int64(len(values)),
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		LastOffsetDelta: int32(max(len(values)-1, 0)), NumRecords: int32(len(values)),
	}}
	for i, v := range values {
		m.Records = append(m.Records, makeRecord(int32(i), []byte("key"), []byte(v))...)
	}
	return m
}

func makeRecord(delta int32, key, value []byte) []byte {
	r := kmsg.Record{TimestampDelta64: int64(delta), OffsetDelta: delta, Key: key, Value: value,
		Headers: []kmsg.Header{{Key: "messageType", Value: []byte("Candidate")}}}
	body := r.AppendTo(nil)[1:] // the length of 0 takes one byte
	r.Length = int32(len(body))
	return r.AppendTo(nil)
}

// transaction makes the batch one of a producer's transaction.
func (m made) transaction(producer int64) made {
	m.ProducerID, m.Attributes = producer, m.Attributes|transactionalBit
	return m
}

// makeMarker returns the control batch that ends a producer's transaction.
func makeMarker(offset, producer int64, commit bool) made {
	m := makeBatch(offset, "").transaction(producer)
	m.Attributes |= controlBit
	key := []byte{0, 0, 0, abortMarker}
	if commit {
		key[3] = 1
	}
	m.Records = makeRecord(0, key, []byte{0, 0, 0, 0, 0, 0})
	return m
}

// bytes returns the batch with its length and checksum.
func (m made) bytes() []byte {
	b := m.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchLead))
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[checksummedFromAt:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// makeSet returns a partition's answer that holds the batches.
func makeSet(batches ...made) partition {
	p := partition{high: 1000, stable: 1000}
	for _, b := range batches {
		p.recordSet = append(p.recordSet, b.bytes()...)
	}
	return p
}

// makeFrame returns a fetch answer as it stands on the wire after its size.
func makeFrame(version int16, p partition) []byte {
	r := kmsg.NewPtrFetchResponse()
	r.Version = version
	topic, part := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
	topic.Topic = "t"
	part.ErrorCode, part.HighWatermark, part.LastStableOffset, part.LogStartOffset = p.code, p.high, p.stable, p.start
	for _, a := range p.aborted {
		part.AbortedTransactions = append(part.AbortedTransactions, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: a.producer, FirstOffset: a.first})
	}
	part.RecordBatches = p.recordSet
	topic.Partitions = append(topic.Partitions, part)
	r.Topics = append(r.Topics, topic)
	return r.AppendTo([]byte{0, 0, 0, 1})
}
