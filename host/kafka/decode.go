package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/compress"

	"github.com/ichor-replicator/ichor/host/talos"
)

const (
	maxNames    = 256 // header names kept for reuse
	maxNameSize = 64
	headerSlab  = 128 // headers allocated together
)

// decoder turns batches into records. It keeps memory between batches (decompressed
// bytes, header names), so it belongs to one goroutine at a time.
type decoder struct {
	limit int    // bytes of one batch after decompression
	plain []byte // the last batch after decompression; empty when it was not compressed
	names map[string]string
	slab  []Header
}

func newDecoder(limit int) *decoder {
	return &decoder{limit: limit, names: map[string]string{}}
}

// records appends the batch's records at or above from to into.
func (d *decoder) records(b *rawBatch, from talos.Position, into []Record) ([]Record, error) {
	payload, err := d.decompress(b)
	if err != nil {
		return into, err
	}
	r := reader{rest: payload}
	if b.count > len(payload)/smallestRecord {
		return into, fmt.Errorf("%d records in %d bytes", b.count, len(payload))
	}
	before := b.base - 1
	for range b.count {
		record, err := d.record(&r, b)
		if err != nil {
			return into, err
		}
		if int64(record.Position) <= before || int64(record.Position) > b.last {
			return into, fmt.Errorf("record at %d, after %d in a batch up to %d", record.Position, before, b.last)
		}
		before = int64(record.Position)
		if record.Position >= from {
			into = append(into, record)
		}
	}
	if len(r.rest) != 0 {
		return into, fmt.Errorf("%d bytes after the last record", len(r.rest))
	}
	return into, nil
}

// record reads one record:
//
//	length · attributes i8 · time delta · offset delta · key length+bytes · value length+bytes
//	· headers × ( name length+bytes · value length+bytes )
//
// All but the attributes are zigzag varints; a length of -1 is null.
func (d *decoder) record(r *reader, b *rawBatch) (Record, error) {
	own := reader{rest: r.bytes()}
	own.i8()
	at := b.baseTime + own.varint()
	if b.attributes&timeOfAppendBit != 0 {
		at = b.highTime
	}
	record := Record{Position: talos.Position(b.base + own.varint()), Time: at * nanosPerMilli}
	record.Key, record.Value = own.bytes(), own.bytes()
	count := int(own.varint())
	if count < 0 || count > len(own.rest)/2 {
		return record, errors.New("impossible number of headers")
	}
	record.Headers = d.headers(&own, count)
	if err := errors.Join(r.err, own.err); err != nil {
		return record, err
	}
	if len(own.rest) != 0 {
		return record, fmt.Errorf("%d bytes after the last header", len(own.rest))
	}
	record.own()
	return record, nil
}

// headers reads count headers into memory that several records share.
func (d *decoder) headers(r *reader, count int) []Header {
	if count == 0 {
		return nil
	}
	if cap(d.slab)-len(d.slab) < count {
		d.slab = make([]Header, 0, max(headerSlab, count))
	}
	first := len(d.slab)
	for range count {
		d.slab = append(d.slab, Header{Name: d.name(r.bytes()), Value: r.bytes()})
	}
	return d.slab[first:len(d.slab):len(d.slab)]
}

// name returns the name as a string; the same few names are on every record.
func (d *decoder) name(b []byte) string {
	if name, known := d.names[string(b)]; known {
		return name
	}
	name := string(b)
	if len(d.names) < maxNames && len(name) <= maxNameSize {
		d.names[name] = name
	}
	return name
}

// own moves key, value and header values out of the batch's memory into one block.
func (r *Record) own() {
	size := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += len(r.Headers[i].Value)
	}
	block := make([]byte, 0, size)
	block, r.Key = move(block, r.Key)
	block, r.Value = move(block, r.Value)
	for i := range r.Headers {
		block, r.Headers[i].Value = move(block, r.Headers[i].Value)
	}
}

// move appends b to block and returns both; nil stays nil, empty stays not nil.
func move(block, b []byte) (grown, moved []byte) {
	if b == nil {
		return block, nil
	}
	n := len(block)
	block = append(block, b...)
	return block, block[n:len(block):len(block)]
}

// decompress returns the batch's records as plain bytes, valid until the next call.
func (d *decoder) decompress(b *rawBatch) (plain []byte, err error) {
	kind := compress.Compression(b.attributes & compressionBits)
	if cap(d.plain) > keptBuffer {
		d.plain = nil
	}
	d.plain = d.plain[:0]
	if kind == compress.None {
		return b.payload, nil
	}
	codec := kind.Codec()
	if codec == nil {
		return nil, fmt.Errorf("unknown compression %d", int8(kind))
	}
	from := codec.NewReader(bytes.NewReader(b.payload))
	defer func() { err = errors.Join(err, from.Close()) }()
	into := bytes.NewBuffer(d.plain)
	n, err := into.ReadFrom(io.LimitReader(from, int64(d.limit)+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", codec.Name(), err)
	}
	if n > int64(d.limit) {
		return nil, fmt.Errorf("%s: more than max_frame %d bytes after decompression", codec.Name(), d.limit)
	}
	d.plain = into.Bytes()
	return d.plain, nil
}

// keptBuffer is the most memory kept from one fetch to the next.
const keptBuffer = 16 << 20
