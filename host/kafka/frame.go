package kafka

import (
	"encoding/binary"
	"errors"
)

// partition is what a fetch answer says of partition 0.
type partition struct {
	code      int16
	high      int64
	stable    int64
	start     int64
	aborted   []abortedRange
	recordSet []byte // aliases the frame
}

var errShort = errors.New("the answer ends too early")

// parse reads the answer's frame; all integers are big-endian:
//
//	correlation i32 · throttle i32 · [v7+ error i16 · session i32] · topics i32 ×
//	  ( name i16+bytes · partitions i32 ×
//	    ( index i32 · error i16 · high watermark i64 · last stable offset i64 · [v5+ log start i64]
//	      · aborted i32 × ( producer i64 · first offset i64 ) · [v11 preferred replica i32] · records i32+bytes ) )
//
// Exactly one topic with one partition, which is what was asked for.
func (a *answer) parse() (partition, error) {
	r := reader{rest: a.frame}
	r.skip(8)
	var p partition
	if a.version >= 7 {
		p.code = r.i16()
		r.skip(4)
		if p.code != 0 {
			return p, r.err
		}
	}
	if n := r.i32(); n != 1 {
		return p, errors.Join(errors.New("not one topic in the answer"), r.err)
	}
	r.skip(int(r.i16()))
	if n := r.i32(); n != 1 {
		return p, errors.Join(errors.New("not one partition in the answer"), r.err)
	}
	if index := r.i32(); index != 0 {
		return p, errors.New("the answer is about another partition")
	}
	p.code, p.high, p.stable, p.start = r.i16(), r.i64(), r.i64(), -1
	if a.version >= 5 {
		p.start = r.i64()
	}
	p.aborted = r.abortedRanges()
	if a.version >= 11 {
		r.skip(4)
	}
	if n := int(r.i32()); n > 0 {
		p.recordSet = r.take(n)
	}
	return p, r.err
}

// abortedRanges reads the list of aborted transactions; null is empty.
func (r *reader) abortedRanges() []abortedRange {
	n := int(r.i32())
	if n <= 0 || n > len(r.rest)/16 {
		if n > 0 {
			r.err = errShort
		}
		return nil
	}
	ranges := make([]abortedRange, n)
	for i := range ranges {
		ranges[i] = abortedRange{producer: r.i64(), first: r.i64()}
	}
	return ranges
}

// reader reads big-endian integers and varints; after an error everything is zero.
type reader struct {
	rest []byte
	err  error
}

// take returns the next n bytes, nil when there are fewer.
func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.rest) {
		r.err = errors.Join(r.err, errShort)
		r.rest = nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) i8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *reader) i16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) i32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) i64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// varint reads a zigzag varint.
func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if r.err != nil || n <= 0 {
		r.skip(len(r.rest) + 1)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// length reads a varint length of bytes that follow, -1 for null.
func (r *reader) length() int {
	v := r.varint()
	if v < -1 || v > int64(len(r.rest)) {
		r.skip(len(r.rest) + 1)
		return 0
	}
	return int(v)
}

// bytes reads a varint length and that many bytes: nil for null, else not nil.
func (r *reader) bytes() []byte {
	n := r.length()
	if n < 0 {
		return nil
	}
	return r.take(n)
}
