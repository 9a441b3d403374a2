// Package abi is the contract between the host and its guests: every name and number of
// ichor_abi_v1 once, the frames that cross the boundary, and the manifest. ABI.md is its
// normative text; a test compares the two.
//
// It imports only the standard library and builds for wasip1, because the host and the
// guests written in Go share it and nothing else.
package abi

import "encoding/binary"

// Revision is the number of the contract. It stands in every frame's header, and in the
// name of the marker that a guest exports.
const Revision = 1

// Minor is the newest minor of the revision that this package has: what was added to it since it began.
const Minor = 0

// Names of what a guest exports. ExportMarker is never called: it tells from the export
// section alone which contract a guest speaks.
const (
	ExportMemory     = "memory"
	ExportMarker     = "ichor_abi_v1"
	ExportDescribe   = "ichor_describe"
	ExportAlloc      = "ichor_alloc"
	ExportConvert    = "ichor_convert"
	ExportInitialize = "_initialize"
	// ExportStart marks a command, which runs once and exits: refused.
	ExportStart = "_start"
)

// Names of what a guest may import. Nothing else is.
const (
	ImportHost  = "ichor_v1"
	ImportLog   = "log"
	ImportAbort = "abort"
	// ImportEnv holds AssemblyScript's abort and nothing else.
	ImportEnv  = "env"
	ImportWASI = "wasi_snapshot_preview1"
)

// LogLevel is the first argument of the log import.
type LogLevel uint32

// The levels of the log import.
const (
	LogDebug LogLevel = 0
	LogInfo  LogLevel = 1
	LogWarn  LogLevel = 2
	LogError LogLevel = 3
)

// Status is a guest's verdict on one input record.
type Status uint32

// The statuses. Skip says "nothing to install, on purpose"; Reject says "I cannot", and
// carries a code of the guest's own and a message.
const (
	StatusOK     Status = 0
	StatusSkip   Status = 1
	StatusReject Status = 2
)

// String returns the status in one lower-case word.
func (s Status) String() string {
	switch s {
	case StatusOK:
		return "ok"
	case StatusSkip:
		return "skip"
	case StatusReject:
		return "reject"
	default:
		return "unknown"
	}
}

// Limits of the contract. A host may set lower ones where ABI.md says so, never higher.
const (
	MaxModule     = 16 << 20 // bytes of a guest's binary
	MaxInput      = 16 << 20 // bytes of an input frame
	MaxOutput     = 16 << 20 // bytes of an output frame
	MaxReferenced = 16 << 20 // sum of the bytes that an output frame's references name
	MaxRecords    = 65536    // records in a frame, and so items of a version
	MaxDepth      = 128      // nesting of a payload
	MaxMessage    = 1024     // bytes of a reject's message
	MaxStatements = 65536    // statements of a version
	MaxManifest   = 1 << 20  // bytes of a manifest
	MaxTemplates  = 1024     // templates of a manifest, and the highest template id
	MaxParams     = 256      // parameters of a template
	MaxActions    = 1024     // actions of a manifest
	MaxVectors    = 256      // vectors of a manifest
	MaxName       = 128      // bytes of a name in a manifest
	MaxSQL        = 16 << 10 // bytes of a template's SQL
)

// What a host allows of the limits above unless its settings say otherwise.
const (
	DefaultOutput         = 4 << 20 // bytes of an output frame
	DefaultItemStatements = 64      // statements of an item, on average over its version's items
)

// Ref is a stretch of bytes: within a frame for the fields of an input frame, within the
// instance's memory for those of an output frame.
type Ref struct {
	Offset uint32
	Length uint32
}

// end returns the offset behind the stretch, in 64 bits so that it cannot wrap.
func (r Ref) end() uint64 { return uint64(r.Offset) + uint64(r.Length) }

// Pack joins an address and a length the way describe and convert return them.
func Pack(ptr, length uint32) uint64 { return uint64(ptr)<<32 | uint64(length) }

// Unpack is the inverse of Pack.
func Unpack(packed uint64) (ptr, length uint32) { return uint32(packed >> 32), uint32(packed) }

var le = binary.LittleEndian

func getRef(b []byte, at int) Ref { return Ref{le.Uint32(b[at:]), le.Uint32(b[at+4:])} }

func putRef(b []byte, at int, r Ref) {
	le.PutUint32(b[at:], r.Offset)
	le.PutUint32(b[at+4:], r.Length)
}
