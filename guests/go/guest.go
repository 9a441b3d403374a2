// Package guest is the kit for guests written in Go. A guest is a manifest and one
// function that turns the items of a version into statements:
//
//	var program = guest.New(manifest, convert)
//
//	func init() { program.Serve() }
//	func main() {}
//
// It is built as a reactor: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared.
// Everything except the exports also builds and runs natively, so a guest's tests need no
// host; see the package guesttest.
package guest

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/ichor-replicator/ichor/abi"
)

// Convert turns one version into statements. It returns nil, Skip, or an error made by
// Reject; any other error rejects the version with code 0 and the error's text. After an
// error the statements that it added are dropped.
//
// A panic is not caught: it traps, the host throws the instance away, and the version is
// rejected as a fault of the guest. A guest that panics has a bug and its memory cannot be
// trusted any more; bad input is what Reject is for.
type Convert func(v Version, out *Statements) error

// Skip is returned by a Convert that has, on purpose, nothing to install.
var Skip = errors.New("nothing to install")

// Rejection is the error of a version that a guest cannot convert.
type Rejection struct {
	Code    uint32
	Message string
}

// Error implements error.
func (r *Rejection) Error() string { return r.Message }

// Reject returns a *Rejection. Codes are the guest's own; they end in the quarantine and
// in metrics, so keep them stable and few, and put what varies into the message.
func Reject(code uint32, format string, args ...any) error {
	return &Rejection{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Program is a guest: its manifest, its function, and the buffers of its calls.
type Program struct {
	manifest []byte
	convert  Convert
	items    []record
	out      Statements
}

// New returns a program. The manifest is the JSON of abi.Manifest, most easily embedded
// from a file beside the code; the host checks it when it loads the guest.
func New(manifest string, convert Convert) *Program {
	return &Program{manifest: []byte(manifest), convert: convert}
}

// Manifest returns the program's manifest.
func (p *Program) Manifest() []byte { return p.manifest }

// Run converts one input frame that stands at the address base, and returns the output
// frame; address gives the address of bytes that the program made. Both hold until the
// next Run. The exports call it; tests may. It panics on a frame that is none.
func (p *Program) Run(frame []byte, base uint32, address func([]byte) uint32) []byte {
	in, err := abi.OpenInput(frame)
	if err == nil && !trusted {
		err = in.Check()
	}
	if err != nil {
		panic(err)
	}
	p.items = load(frame, p.items)
	p.out.shift = uintptr(base) - uintptr(unsafe.Pointer(unsafe.SliceData(frame)))
	out := &p.out.build
	out.Reset()
	for first := 0; first < len(p.items); {
		next := first + 1
		for next < len(p.items) && !p.items[next].first() {
			next++
		}
		p.version(p.items[first:next])
		first = next
	}
	return out.Finish(address)
}

// version converts one version. Its statements stand at its first record; the others say
// OK with none, or SKIP where the version is skipped.
func (p *Program) version(items []record) {
	out := &p.out.build
	out.Begin()
	err := p.convert(Version{items}, &p.out)
	if err != nil {
		p.out.settle(err) // apart: what it allocates, it allocates for an error alone
	}
	for range items[1:] {
		out.Begin()
		if errors.Is(err, Skip) {
			out.Skip()
		}
	}
}
