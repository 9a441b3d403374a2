package kafka

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A record batch, as it stands in the log; all integers are big-endian:
//
//	offset size field
//	     0    8 base offset           not under the checksum
//	     8    4 length of what follows   "
//	    12    4 leader epoch             "
//	    16    1 magic, 2                 "
//	    17    4 CRC-32C of all from offset 21 on
//	    21    2 attributes: compression in bits 0-2, time set by the broker bit 3,
//	            transactional bit 4, control bit 5
//	    23    4 last offset minus base offset, kept by compaction
//	    27    8 base time, ms
//	    35    8 highest time, ms; the append time where the broker sets it
//	    43    8 producer id, -1 for none
//	    51    2 producer epoch
//	    53    4 base sequence
//	    57    4 number of records
//	    61      records, compressed together
const (
	batchLead   = 12 // bytes before those that the length counts
	batchHeader = 61
	batchMagic  = 2

	compressionBits   = 0x07
	timeOfAppendBit   = 0x08
	transactionalBit  = 0x10
	controlBit        = 0x20
	abortMarker       = 0
	smallestRecord    = 7 // bytes: length, attributes, time, offset, key, value, headers
	nanosPerMilli     = 1e6
	magicAt, crcAt    = 16, 17
	checksummedFromAt = 21
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// rawBatch is one batch whose checksum is right.
type rawBatch struct {
	base, last int64
	attributes int16
	baseTime   int64 // ms
	highTime   int64 // ms
	producer   int64
	count      int
	payload    []byte // the records, perhaps compressed
}

func (b *rawBatch) control() bool       { return b.attributes&controlBit != 0 }
func (b *rawBatch) transactional() bool { return b.attributes&transactionalBit != 0 }

// nextBatch cuts the first batch from set. It returns false at the set's end, which may
// be in the middle of a batch: brokers cut the last one to the size asked for.
func nextBatch(set []byte) (b rawBatch, rest []byte, ok bool, err error) {
	if len(set) < batchHeader {
		return b, nil, false, nil
	}
	b.base = int64(binary.BigEndian.Uint64(set))
	length := int(int32(binary.BigEndian.Uint32(set[8:])))
	if magic := set[magicAt]; magic != batchMagic {
		return b, nil, false, fmt.Errorf("message format %d, only %d is read", magic, batchMagic)
	}
	if b.base < 0 || length < batchHeader-batchLead {
		return b, nil, false, fmt.Errorf("base offset %d, length %d", b.base, length)
	}
	if length > len(set)-batchLead {
		return b, nil, false, nil
	}
	whole := set[:batchLead+length]
	want, got := binary.BigEndian.Uint32(whole[crcAt:]), crc32.Checksum(whole[checksummedFromAt:], castagnoli)
	if want != got {
		return b, nil, false, fmt.Errorf("checksum %08x, its bytes have %08x", want, got)
	}
	return b, set[len(whole):], true, b.header(whole)
}

// header reads the fields under the checksum.
func (b *rawBatch) header(whole []byte) error {
	r := reader{rest: whole[checksummedFromAt:]}
	b.attributes = r.i16()
	delta := r.i32()
	b.last = b.base + int64(delta)
	b.baseTime, b.highTime, b.producer = r.i64(), r.i64(), r.i64()
	r.skip(6)
	b.count = int(r.i32())
	b.payload = r.rest
	if delta < 0 || b.count < 0 || b.count > int(delta)+1 {
		return fmt.Errorf("%d records, last offset %d above the base", b.count, delta)
	}
	return nil
}
