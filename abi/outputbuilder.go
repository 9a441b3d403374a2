package abi

// OutputBuilder assembles an output frame in a guest. It keeps its buffers from call to
// call; the frame and the text that it returns hold until the next Reset.
//
// A value is either a reference into the instance's memory, or text that the builder keeps:
// the latter's address is known only at the end, so Finish asks for it. Rows are written as
// they will stand in the frame: Finish copies the tables and touches no row without need.
type OutputBuilder struct {
	records    []byte
	statements []byte
	arguments  []byte
	text       []byte
	frame      []byte
	args       uint32 // rows of arguments
	moved      bool   // some row names text of the builder
}

// inText marks, until Finish, a reference that is an offset into the builder's text.
const inText uint32 = 1 << 31

// Reset empties the builder.
func (b *OutputBuilder) Reset() {
	b.records, b.statements = b.records[:0], b.statements[:0]
	b.arguments, b.text = b.arguments[:0], b.text[:0]
	b.args, b.moved = 0, false
}

// extend grows a table by size bytes, which may hold anything, and returns them.
func extend(table *[]byte, size int) []byte {
	n := len(*table)
	if n+size > cap(*table) {
		grow(table, size)
	}
	*table = (*table)[:n+size]
	return (*table)[n:]
}

func grow(table *[]byte, size int) {
	*table = append(make([]byte, 0, 2*(len(*table)+size)+4096), *table...)
}

// Begin opens the answer to the next record: OK without statements, until told otherwise.
func (b *OutputBuilder) Begin() {
	row := (*[AnsStride]byte)(extend(&b.records, AnsStride))
	*row = [AnsStride]byte{}
	le.PutUint32(row[AnsFirstStatement:], uint32(len(b.statements)/StmtStride))
}

// Arguments are the rows of a statement that was just added, of any content:
// each must be set, before the next Statement.
type Arguments []byte

// Statement adds a statement of count arguments to the open answer.
func (b *OutputBuilder) Statement(template uint32, count int) Arguments {
	row := (*[StmtStride]byte)(extend(&b.statements, StmtStride))
	le.PutUint32(row[StmtTemplate:], template)
	le.PutUint32(row[StmtFirstArgument:], b.args)
	le.PutUint32(row[StmtArgumentCount:], uint32(count))
	le.PutUint32(row[StmtReserved:], 0)
	answer := b.answer()
	le.PutUint32(answer[AnsStatementCount:], le.Uint32(answer[AnsStatementCount:])+1)
	b.args += uint32(count)
	return extend(&b.arguments, count*ArgStride)
}

func (b *OutputBuilder) answer() *[AnsStride]byte {
	return (*[AnsStride]byte)(b.records[len(b.records)-AnsStride:])
}

// Null makes argument i null.
func (a Arguments) Null(i int) { a.set(i, ArgFlagNull, Ref{}) }

// Ref makes argument i what stands in the instance's memory already.
func (a Arguments) Ref(i int, r Ref) { a.set(i, 0, r) }

func (a Arguments) set(i int, flags uint32, r Ref) {
	row := (*[ArgStride]byte)(a[i*ArgStride:])
	le.PutUint32(row[ArgFlags:], flags)
	le.PutUint32(row[ArgValue:], r.Offset)
	le.PutUint32(row[ArgValue+4:], r.Length)
}

// Text makes argument i the bytes that were appended to the tail from offset from on.
func (b *OutputBuilder) Text(a Arguments, i, from int) {
	a.set(i, inText, Ref{uint32(from), uint32(len(b.text) - from)})
	b.moved = true
}

// Tail returns the builder's text, for appending to; SetTail puts the result back.
func (b *OutputBuilder) Tail() []byte { return b.text }

// SetTail replaces the text by a slice that was made by appending to Tail.
func (b *OutputBuilder) SetTail(text []byte) { b.text = text }

// Skip makes the open answer a SKIP and takes its statements back.
func (b *OutputBuilder) Skip() { b.settle(StatusSkip) }

// Reject makes the open answer a REJECT and takes its statements back. A message beyond
// MaxMessage is cut.
func (b *OutputBuilder) Reject(code uint32, message string) {
	row := b.settle(StatusReject)
	message = message[:min(len(message), MaxMessage)]
	le.PutUint32(row[AnsCode:], code)
	putRef(row[:], AnsMessage, Ref{uint32(len(b.text)), uint32(len(message))})
	b.text = append(b.text, message...)
	b.moved = true
}

func (b *OutputBuilder) settle(status Status) *[AnsStride]byte {
	row := b.answer()
	first := le.Uint32(row[AnsFirstStatement:])
	if at := int(first) * StmtStride; at < len(b.statements) {
		b.args = le.Uint32(b.statements[at+StmtFirstArgument:])
		b.arguments = b.arguments[:int(b.args)*ArgStride]
		b.statements = b.statements[:at]
	}
	*row = [AnsStride]byte{}
	le.PutUint32(row[AnsFirstStatement:], first)
	le.PutUint32(row[AnsStatus:], uint32(status))
	return row
}

// Finish lays the frame out and returns it. The address function gives the memory address
// of the builder's text.
func (b *OutputBuilder) Finish(address func(text []byte) uint32) []byte {
	if b.moved && len(b.text) > 0 {
		b.fix(address(b.text))
	}
	statements := OutHeaderSize + len(b.records)
	arguments := statements + len(b.statements)
	size := arguments + len(b.arguments)
	if cap(b.frame) < size {
		b.frame = make([]byte, size+size/2)
	}
	f := b.frame[:size]
	putHeader(f, MagicOutput, OutHeaderSize, uint32(size))
	putTable(f, OutRecordCount, len(b.records)/AnsStride, AnsStride, OutHeaderSize)
	putTable(f, OutStatementCount, len(b.statements)/StmtStride, StmtStride, uint32(statements))
	putTable(f, OutArgumentCount, len(b.arguments)/ArgStride, ArgStride, uint32(arguments))
	le.PutUint32(f[OutReserved:], 0)
	copy(f[OutHeaderSize:], b.records)
	copy(f[statements:], b.statements)
	copy(f[arguments:], b.arguments)
	return f
}

// fix turns offsets into the builder's text into addresses.
func (b *OutputBuilder) fix(base uint32) {
	for at := 0; at < len(b.records); at += AnsStride {
		row := b.records[at : at+AnsStride]
		if m := getRef(row, AnsMessage); m.Length > 0 {
			putRef(row, AnsMessage, Ref{m.Offset + base, m.Length})
		} else {
			putRef(row, AnsMessage, Ref{})
		}
	}
	for at := 0; at < len(b.arguments); at += ArgStride {
		row := b.arguments[at : at+ArgStride]
		if le.Uint32(row[ArgFlags:]) == inText {
			le.PutUint32(row[ArgFlags:], 0)
			le.PutUint32(row[ArgValue:], le.Uint32(row[ArgValue:])+base)
		}
	}
}
