package kafka

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Record is one record of the log, of no transaction or of a committed one. Its bytes
// are its own: they stay valid and hold nothing else in memory.
type Record struct {
	Position talos.Position
	// Time is nanoseconds since the Unix epoch: the broker's where the topic stamps on
	// append (message.timestamp.type=LogAppendTime), else the producer's.
	Time    int64
	Key     []byte // nil where the wire has null
	Value   []byte // nil where the wire has null
	Headers []Header
}

// Header is one header of a record, in the order of the wire. Value is nil for null.
type Header struct {
	Name  string
	Value []byte
}

// Header returns the value of the last header of that name whose value is not null,
// and whether there is one.
func (r *Record) Header(name string) ([]byte, bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if h := &r.Headers[i]; h.Name == name && h.Value != nil {
			return h.Value, true
		}
	}
	return nil, false
}

// Hash returns the anchor hash of a record: xxhash64 over
//
//	length of the key as 8 bytes little-endian (all ones for null) · key · length of the value likewise · value
//
// It is stored in databases, so it never changes. Headers and time are not in it.
func Hash(r *Record) uint64 {
	var d xxhash.Digest
	d.Reset()
	hashBytes(&d, r.Key)
	hashBytes(&d, r.Value)
	return d.Sum64()
}

func hashBytes(d *xxhash.Digest, b []byte) {
	size := uint64(len(b))
	if b == nil {
		size = ^uint64(0)
	}
	var prefix [8]byte
	binary.LittleEndian.PutUint64(prefix[:], size)
	_, _ = d.Write(prefix[:]) // never fails
	_, _ = d.Write(b)
}
