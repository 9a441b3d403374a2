package abi

import "fmt"

// FrameError is why bytes are not the frame that they should be.
type FrameError struct {
	Frame string // "input" or "output"
	Field string // the field, as ABI.md names it
	Index int    // the row of its table, -1 in a header
	Why   string
	Limit Limit // that it is over, "" where that is not why
}

// Limit is one of OutputLimits.
type Limit string

// The limits.
const (
	LimitFrame      Limit = "frame"
	LimitReferenced Limit = "referenced"
	LimitStatements Limit = "statements" // of items, or of versions
)

// Error implements error.
func (e *FrameError) Error() string {
	if e.Index < 0 {
		return fmt.Sprintf("%s frame: %s: %s", e.Frame, e.Field, e.Why)
	}
	return fmt.Sprintf("%s frame: %s %d: %s", e.Frame, e.Field, e.Index, e.Why)
}

func badHeader(frame, field, why string) error {
	return &FrameError{Frame: frame, Field: field, Index: -1, Why: why}
}

func badRow(frame, field string, index int, why string) error {
	return &FrameError{Frame: frame, Field: field, Index: index, Why: why}
}

// over is a FrameError of a frame that is over a limit.
func over(limit Limit, field string, index int, why string, args ...any) error {
	return &FrameError{Frame: "output", Field: field, Index: index, Why: fmt.Sprintf(why, args...), Limit: limit}
}

// table is a run of rows within a frame.
type table struct {
	count  int
	stride int
	offset int
}

// checkHeader checks the part that both headers share, and returns the frame without what
// stands behind it. A larger header than we know is read as far as we know it.
func checkHeader(frame []byte, name string, magic uint32, size int) ([]byte, error) {
	if len(frame) < size {
		return nil, badHeader(name, "length", "shorter than its header")
	}
	if got := le.Uint32(frame[HeaderMagic:]); got != magic {
		return nil, badHeader(name, "magic", fmt.Sprintf("%#08x, want %#08x", got, magic))
	}
	if got := le.Uint16(frame[HeaderRevision:]); got != Revision {
		return nil, badHeader(name, "revision", fmt.Sprintf("%d, want %d", got, Revision))
	}
	total := uint64(le.Uint32(frame[HeaderTotal:]))
	if total > uint64(len(frame)) {
		return nil, badHeader(name, "total", "longer than the frame's bytes")
	}
	if got := int(le.Uint16(frame[HeaderSize:])); got < size || uint64(got) > total || got%8 != 0 {
		return nil, badHeader(name, "header size", fmt.Sprintf("%d", got))
	}
	if le.Uint32(frame[HeaderReserved:]) != 0 {
		return nil, badHeader(name, "reserved", "not zero")
	}
	return frame[:total], nil
}

// checkTable reads count, stride and offset at the place at in the header, and checks that
// the rows lie behind the header and within the frame.
func checkTable(frame []byte, name, field string, at, stride, align int) (table, error) {
	count, step, offset := le.Uint32(frame[at:]), le.Uint32(frame[at+4:]), le.Uint32(frame[at+8:])
	switch {
	case step < uint32(stride) || step%uint32(align) != 0:
		return table{}, badHeader(name, field+" stride", fmt.Sprintf("%d", step))
	case offset < uint32(le.Uint16(frame[HeaderSize:])) || offset%uint32(align) != 0:
		return table{}, badHeader(name, field+" offset", fmt.Sprintf("%d", offset))
	case uint64(offset)+uint64(count)*uint64(step) > uint64(len(frame)):
		return table{}, badHeader(name, field+" count", "table ends behind the frame")
	}
	return table{int(count), int(step), int(offset)}, nil
}

func (t table) row(frame []byte, i int) []byte {
	at := t.offset + i*t.stride
	return frame[at : at+t.stride]
}
