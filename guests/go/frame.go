package guest

import (
	"encoding/binary"
	"unsafe"

	"github.com/ichor-replicator/ichor/abi"
)

var le = binary.LittleEndian

// record is one record of the input frame, as pointers into it. The kit trusts its host: in
// WebAssembly nothing is checked, where a wrong frame could only harm the guest's own memory;
// natively the frame is checked whole before.
type record struct {
	frame  unsafe.Pointer
	row    *[abi.RecStride]byte
	tokens unsafe.Pointer // the record's own rows
	stride uint32         // of tokens
}

// load makes records of a frame, in place of those that were there.
func load(frame []byte, records []record) []record {
	var (
		base                = unsafe.Pointer(unsafe.SliceData(frame))
		count               = int(le.Uint32(frame[abi.InRecordCount:]))
		rows, rowStride     = le.Uint32(frame[abi.InRecordOffset:]), le.Uint32(frame[abi.InRecordStride:])
		tokens, tokenStride = le.Uint32(frame[abi.InTokenOffset:]), le.Uint32(frame[abi.InTokenStride:])
	)
	if cap(records) < count {
		records = make([]record, count+count/2)
	}
	records = records[:count]
	for i := range records {
		row := (*[abi.RecStride]byte)(unsafe.Add(base, rows))
		rows += rowStride
		records[i] = record{base, row, unsafe.Add(base, tokens+le.Uint32(row[abi.RecFirstToken:])*tokenStride), tokenStride}
	}
	return records
}

func (r *record) first() bool { return le.Uint32(r.row[abi.RecFlags:])&abi.RecFlagFirst != 0 }

// arg is what a reference of the record names, as a value.
func (r *record) arg(at int) Arg {
	return Arg{(*byte)(unsafe.Add(r.frame, le.Uint32(r.row[at:]))), le.Uint32(r.row[at+4:]), argInput}
}

// bytes is what a reference of the record names.
func (r *record) bytes(at int) []byte {
	return r.text(abi.Ref{Offset: le.Uint32(r.row[at:]), Length: le.Uint32(r.row[at+4:])})
}

// text is the bytes that a reference names. Through an array, since unsafe.Slice is a call.
func (r *record) text(at abi.Ref) []byte {
	return (*[abi.MaxInput]byte)(unsafe.Add(r.frame, at.Offset))[:at.Length:at.Length]
}

// token returns the i-th of the record's tokens, or the end of them.
func (r *record) token(i uint32) *abi.Row { return (*abi.Row)(unsafe.Add(r.tokens, i*r.stride)) }

// member returns the last member with that key of the object that is a token of the record,
// or nil.
func (r *record) member(object *abi.Row, key string) (found *abi.Row) {
	n := uint32(len(key))
	a, b := words(unsafe.Pointer(unsafe.StringData(key)), n)
	row, end := (*abi.Row)(unsafe.Add(unsafe.Pointer(object), r.stride)), r.token(uint32(object.Next()))
	for row != end {
		if at := row.Key(); at.Length == n {
			text := unsafe.Add(r.frame, at.Offset)
			if x, y := words(text, n); x == a && y == b && (n <= 16 || unsafe.String((*byte)(text), n) == key) {
				found = row
			}
		}
		row = r.token(uint32(row.Next()))
	}
	return found
}

// words are two numbers that tell texts of one length apart, if they have no more than 16
// bytes: keys are short, and a comparison byte by byte, or by a call, costs a guest more.
func words(text unsafe.Pointer, n uint32) (a, b uint64) {
	switch {
	case n >= 8:
		return le.Uint64((*[8]byte)(text)[:]), le.Uint64((*[8]byte)(unsafe.Add(text, n-8))[:])
	case n >= 4:
		return uint64(le.Uint32((*[4]byte)(text)[:])), uint64(le.Uint32((*[4]byte)(unsafe.Add(text, n-4))[:]))
	case n > 0:
		return uint64(*(*byte)(text)) | uint64(*(*byte)(unsafe.Add(text, n/2)))<<8, uint64(*(*byte)(unsafe.Add(text, n-1)))
	}
	return 0, 0
}
