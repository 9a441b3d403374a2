package guest

import (
	"encoding/binary"
	"fmt"

	"github.com/ichor-replicator/ichor/abi"
)

const (
	preambleSize = 8
	sectionStart = 8
)

// verify looks at the binary as bytes, before anything else is done with it: size,
// preamble, whole sections, and no start section, which would run code before the host is
// ready to watch it.
func verify(name string, wasm []byte) error {
	refuse := func(what, hint string) error {
		return &LoadError{Guest: name, Step: StepVerify, What: what, Hint: hint}
	}
	switch {
	case len(wasm) == 0:
		return refuse("the file is empty", "was it still being written? move a finished file into place")
	case len(wasm) > abi.MaxModule:
		return refuse(fmt.Sprintf("%d bytes, at most %d are allowed", len(wasm), abi.MaxModule), "strip debug information, -ldflags=-s -w in Go")
	case len(wasm) < preambleSize || string(wasm[:4]) != "\x00asm":
		return refuse("it is not a WebAssembly binary", "it should begin with the bytes 00 61 73 6d; text form is turned into binary by wat2wasm")
	case binary.LittleEndian.Uint32(wasm[4:]) == 0x0001000d:
		return refuse("it is a component", "build a core module: the contract is "+abi.ExportMarker)
	case binary.LittleEndian.Uint32(wasm[4:]) != 1:
		return refuse(fmt.Sprintf("binary version %d, want 1", binary.LittleEndian.Uint32(wasm[4:])), "")
	}
	for rest := wasm[preambleSize:]; len(rest) > 0; {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || n > 5 || size > uint64(len(rest)-1-n) {
			return refuse("it is cut short: a section is longer than the file", "was it still being written? move a finished file into place")
		}
		if id == sectionStart {
			return refuse("it has a start section", "export _initialize instead; asc has --exportStart _initialize")
		}
		rest = rest[1+n+int(size):]
	}
	return nil
}
