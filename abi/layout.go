package abi

// Magic numbers: the first four bytes of a frame, "ICHI" and "ICHO" when read as text.
const (
	MagicInput  uint32 = 0x49484349
	MagicOutput uint32 = 0x4f484349
)

// Both headers begin alike.
const (
	HeaderMagic    = 0
	HeaderRevision = 4
	HeaderSize     = 6
	HeaderTotal    = 8
	HeaderReserved = 12
)

// Input header: three tables and the blob.
const (
	InRecordCount  = 16
	InRecordStride = 20
	InRecordOffset = 24
	InTokenCount   = 28
	InTokenStride  = 32
	InTokenOffset  = 36
	InBlobOffset   = 40
	InBlobLength   = 44
	InHeaderSize   = 48
)

// Input record: one item of a statemap.
const (
	RecVersion       = 0
	RecSafepoint     = 8
	RecTime          = 16
	RecXID           = 24
	RecCohort        = 32
	RecAgent         = 40
	RecAction        = 48
	RecPayload       = 56
	RecVersionText   = 64
	RecSafepointText = 72
	RecFirstToken    = 80
	RecTokenCount    = 84
	RecItemIndex     = 88
	RecItemCount     = 92
	RecFlags         = 96
	RecReserved      = 100
	RecStride        = 104
)

// Flags of an input record. The records of one version stand together, in the order of its
// items; the first and the last of them say so.
const (
	RecFlagFirst uint32 = 1 << 0
	RecFlagLast  uint32 = 1 << 1
)

// Token: one JSON value of a payload.
const (
	TokType     = 0
	TokFlags    = 1
	TokReserved = 2
	TokKey      = 4
	TokValue    = 12
	TokNext     = 20
	TokStride   = 24
)

// TokenType is the kind of a JSON value.
type TokenType uint8

// The kinds of JSON values. Zero is none.
const (
	TokenNull   TokenType = 1
	TokenFalse  TokenType = 2
	TokenTrue   TokenType = 3
	TokenNumber TokenType = 4
	TokenString TokenType = 5
	TokenArray  TokenType = 6
	TokenObject TokenType = 7
)

// Flags of a token: its text was escaped in the payload, so it stands unescaped elsewhere
// in the blob.
const (
	TokFlagKeyUnescaped   uint8 = 1 << 0
	TokFlagValueUnescaped uint8 = 1 << 1
)

// Output header: three tables.
const (
	OutRecordCount     = 16
	OutRecordStride    = 20
	OutRecordOffset    = 24
	OutStatementCount  = 28
	OutStatementStride = 32
	OutStatementOffset = 36
	OutArgumentCount   = 40
	OutArgumentStride  = 44
	OutArgumentOffset  = 48
	OutReserved        = 52
	OutHeaderSize      = 56
)

// Output record: the answer to the input record of the same index.
const (
	AnsFirstStatement = 0
	AnsStatementCount = 4
	AnsStatus         = 8
	AnsCode           = 12
	AnsMessage        = 16
	AnsStride         = 24
)

// Output statement: a template and its arguments.
const (
	StmtTemplate      = 0
	StmtFirstArgument = 4
	StmtArgumentCount = 8
	StmtReserved      = 12
	StmtStride        = 16
)

// Output argument: null, or a reference into the instance's memory.
const (
	ArgFlags  = 0
	ArgValue  = 4
	ArgStride = 12
)

// ArgFlagNull says that the argument is SQL's null; its reference is then zero.
const ArgFlagNull uint32 = 1 << 0
