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
}

// Arg is the value of one parameter: null, a reference to bytes of the input, or text that
// the guest made. Values are in Postgres's text format.
type Arg struct {
	kind   argKind
	offset uint32 // argRef
	length uint32 // argRef, argText
	text   *byte  // argText
	n      int64  // argInt
}

type argKind uint32

const (
	argNull argKind = iota
	argRef
	argText
	argInt
)

// Null is SQL's null; so is the zero Arg.
func Null() Arg { return Arg{} }

// Bytes is text that the guest made. It is copied by Exec and must not change before.
func Bytes(text []byte) Arg {
	return Arg{kind: argText, text: unsafe.SliceData(text), length: uint32(len(text))}
}

// String is text that the guest made.
func String(text string) Arg {
	return Arg{kind: argText, text: unsafe.StringData(text), length: uint32(len(text))}
}

// Int is a whole number.
func Int(n int64) Arg { return Arg{kind: argInt, n: n} }

// Exec adds a statement: a template of the manifest and a value for each parameter.
func (s *Statements) Exec(template uint32, args ...Arg) {
	rows := s.build.Statement(template, len(args))
	for i := range args {
		switch a := &args[i]; a.kind {
		case argRef:
			rows.Ref(i, abi.Ref{Offset: a.offset, Length: a.length})
		case argNull:
			rows.Null(i)
		default:
			s.text(rows, i, a)
		}
	}
}

// text adds a value that the guest made.
func (s *Statements) text(rows abi.Arguments, i int, a *Arg) {
	from := len(s.build.Tail())
	if a.kind == argInt {
		s.build.SetTail(strconv.AppendInt(s.build.Tail(), a.n, 10))
	} else {
		s.build.SetTail(append(s.build.Tail(), unsafe.Slice(a.text, a.length)...))
	}
	s.build.Text(rows, i, from)
}

// settle gives the open answer its status.
func (s *Statements) settle(err error) {
	var rejection *Rejection
	switch {
	case err == nil:
	case errors.Is(err, Skip):
		s.build.Skip()
	case errors.As(err, &rejection):
		s.build.Reject(rejection.Code, rejection.Message)
	default:
		s.build.Reject(0, err.Error())
	}
}
