package guest

import (
	"errors"
	"strconv"
	"unsafe"

	"github.com/ichor-replicator/ichor/abi"
)

// Statements takes what a version becomes.
type Statements struct {
	build abi.OutputBuilder
	// shift, added to a pointer into the input frame, gives the address that the host knows
	// it by: in WebAssembly the same, hence 0; in a native test the frame only stands for a
	// part of a memory.
	shift uintptr
}

// Arg is the value of one parameter: null, a reference to bytes of the input, or text that
// the guest made. Values are in PostgreSQL's text format.
//
// It is three words small on purpose: the compiler keeps it in registers, where a larger
// one would be moved by a call out of the module for each copy.
type Arg struct {
	text   *byte
	length uint32
	kind   argKind
}

type argKind uint32

const (
	argNull  argKind = iota
	argInput         // text is within the input frame
	argMade          // text is the guest's: it is copied
)

// Null is SQL's null; so is the zero Arg.
func Null() Arg { return Arg{} }

// Bytes is text that the guest made. It is copied by Exec and must not change before.
func Bytes(text []byte) Arg {
	return Arg{unsafe.SliceData(text), uint32(len(text)), argMade}
}

// String is text that the guest made.
func String(text string) Arg {
	return Arg{unsafe.StringData(text), uint32(len(text)), argMade}
}

// Int is a whole number. It allocates its text, if it has more than two digits.
func Int(n int64) Arg { return String(strconv.FormatInt(n, 10)) }

// Exec adds a statement: a template of the manifest and a value for each parameter.
func (s *Statements) Exec(template uint32, args ...Arg) {
	rows := s.build.Statement(template, len(args))
	at := unsafe.Pointer(unsafe.SliceData(rows))
	for i := range args {
		a, row := &args[i], (*[abi.ArgStride]byte)(at)
		at = unsafe.Add(at, abi.ArgStride)
		switch a.kind {
		case argInput:
			le.PutUint32(row[abi.ArgFlags:], 0)
			le.PutUint32(row[abi.ArgValue:], uint32(uintptr(unsafe.Pointer(a.text))+s.shift))
			le.PutUint32(row[abi.ArgValue+4:], a.length)
		case argNull:
			rows.Null(i)
		default:
			s.made(rows, i, a)
		}
	}
}

// made adds a value that the guest made.
func (s *Statements) made(rows abi.Arguments, i int, a *Arg) {
	from := len(s.build.Tail())
	s.build.SetTail(append(s.build.Tail(), unsafe.Slice(a.text, a.length)...))
	s.build.Text(rows, i, from)
}

// settle gives the open answer the status that an error asks for.
func (s *Statements) settle(err error) {
	var rejection *Rejection
	switch {
	case errors.Is(err, Skip):
		s.build.Skip()
	case errors.As(err, &rejection):
		s.build.Reject(rejection.Code, rejection.Message)
	default:
		s.build.Reject(0, err.Error())
	}
}
