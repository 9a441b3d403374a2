package abi

import "fmt"

// OutputLimits bound what a host accepts of one call.
type OutputLimits struct {
	Frame      int // bytes of the frame; at most MaxOutput
	Referenced int // sum of the bytes that references name; at most MaxReferenced
	// ItemStatements bounds a version's statements for each of its items, on average: where
	// they stand among its records is the guest's. Statements bounds them whatever its items.
	ItemStatements int
	Statements     int
}

// ofVersion returns how many statements a version of so many items may have.
func (l *OutputLimits) ofVersion(items int) int {
	return int(min(int64(l.ItemStatements)*int64(items), int64(l.Statements), MaxStatements))
}

// Output is an output frame that passed its one bounds pass: every index and reference in
// it can be followed without another check, as long as the memory stays as it is.
type Output struct {
	memory     []byte
	frame      []byte
	records    table
	statements table
	arguments  table
	// Referenced is the sum of the bytes that arguments name.
	Referenced int
}

// OpenOutput checks the frame of length bytes at address ptr of an instance's memory. It
// trusts nothing in it: offsets are compared in 64 bits, statements and arguments must be
// used in their order and each once, so no byte of the frame decides how much is allocated
// or how often it is read. The frame must answer exactly want records.
func OpenOutput(memory []byte, ptr, length uint32, want int, limits OutputLimits) (Output, error) {
	if uint64(ptr)+uint64(length) > uint64(len(memory)) {
		return Output{}, badHeader("output", "address", fmt.Sprintf("%d+%d lies outside the memory of %d bytes", ptr, length, len(memory)))
	}
	if int(length) > min(limits.Frame, MaxOutput) {
		return Output{}, over(LimitFrame, "length", -1, "%d is over the limit of %d", length, min(limits.Frame, MaxOutput))
	}
	frame, err := checkHeader(memory[ptr:uint64(ptr)+uint64(length)], "output", MagicOutput, OutHeaderSize)
	if err != nil {
		return Output{}, err
	}
	if len(frame) != int(length) {
		return Output{}, badHeader("output", "total", "not the returned length")
	}
	out := Output{memory: memory, frame: frame}
	if err := out.openTables(want); err != nil {
		return Output{}, err
	}
	if err := out.checkRecords(); err != nil {
		return Output{}, err
	}
	if err := out.checkStatements(); err != nil {
		return Output{}, err
	}
	return out, out.checkArguments(min(limits.Referenced, MaxReferenced))
}

func (o *Output) openTables(want int) (err error) {
	if le.Uint32(o.frame[OutReserved:]) != 0 {
		return badHeader("output", "reserved", "not zero")
	}
	if o.records, err = checkTable(o.frame, "output", "record", OutRecordCount, AnsStride, 4); err != nil {
		return err
	}
	if o.statements, err = checkTable(o.frame, "output", "statement", OutStatementCount, StmtStride, 4); err != nil {
		return err
	}
	if o.arguments, err = checkTable(o.frame, "output", "argument", OutArgumentCount, ArgStride, 4); err != nil {
		return err
	}
	if o.records.count != want {
		return badHeader("output", "record count", fmt.Sprintf("%d answers for %d records", o.records.count, want))
	}
	return nil
}

func (o *Output) checkRecords() error {
	next := uint64(0)
	for i := range o.records.count {
		a := o.Answer(i)
		switch {
		case a.Status > StatusReject:
			return badRow("output", "record", i, fmt.Sprintf("unknown status %d", uint32(a.Status)))
		case uint64(a.First) != next:
			return badRow("output", "record", i, fmt.Sprintf("first statement %d, want %d", a.First, next))
		case a.Status != StatusOK && a.Count != 0:
			return badRow("output", "record", i, "statements beside status "+a.Status.String())
		case a.Status != StatusReject && (a.Code != 0 || a.Message != Ref{}):
			return badRow("output", "record", i, "code or message beside status "+a.Status.String())
		case a.Message.Length > MaxMessage || a.Message.end() > uint64(len(o.memory)):
			return badRow("output", "record", i, "message is too long or outside the memory")
		}
		next += uint64(a.Count)
	}
	if next != uint64(o.statements.count) {
		return badHeader("output", "statement count", fmt.Sprintf("%d, but records use %d", o.statements.count, next))
	}
	return nil
}

func (o *Output) checkStatements() error {
	next := uint64(0)
	for i := range o.statements.count {
		s := o.Statement(i)
		switch {
		case s.Count > MaxParams:
			return badRow("output", "statement", i, fmt.Sprintf("%d arguments, at most %d are allowed", s.Count, MaxParams))
		case uint64(s.First) != next:
			return badRow("output", "statement", i, fmt.Sprintf("first argument %d, want %d", s.First, next))
		case le.Uint32(o.statements.row(o.frame, i)[StmtReserved:]) != 0:
			return badRow("output", "statement", i, "reserved is not zero")
		}
		next += uint64(s.Count)
	}
	if next != uint64(o.arguments.count) {
		return badHeader("output", "argument count", fmt.Sprintf("%d, but statements use %d", o.arguments.count, next))
	}
	return nil
}

func (o *Output) checkArguments(limit int) error {
	sum := uint64(0)
	for i := range o.arguments.count {
		row := o.arguments.row(o.frame, i)
		flags, ref := le.Uint32(row[ArgFlags:]), getRef(row, ArgValue)
		switch {
		case flags&^ArgFlagNull != 0:
			return badRow("output", "argument", i, "reserved flags are not zero")
		case flags&ArgFlagNull != 0 && ref != Ref{}:
			return badRow("output", "argument", i, "null with a reference")
		case ref.end() > uint64(len(o.memory)):
			return badRow("output", "argument", i, fmt.Sprintf("%d+%d lies outside the memory of %d bytes", ref.Offset, ref.Length, len(o.memory)))
		}
		if sum += uint64(ref.Length); sum > uint64(limit) {
			return over(LimitReferenced, "argument", i, "arguments name more than %d bytes", limit)
		}
	}
	o.Referenced = int(sum)
	return nil
}

// CheckVersion compares the statements of one version, whose records are count from first
// on, with the limits. A frame does not tell versions apart, so who made the input asks.
func (o *Output) CheckVersion(first, count int, limits OutputLimits) error {
	if count == 0 {
		return nil
	}
	last := o.Answer(first + count - 1)
	statements, most := last.First+last.Count-o.Answer(first).First, limits.ofVersion(count)
	if statements <= most {
		return nil
	}
	return over(LimitStatements, "record", first,
		"%d statements for the %d items of its version, at most %d are allowed: %d an item on average, %d a version",
		statements, count, most, limits.ItemStatements, limits.Statements)
}

// Answer is one output record.
type Answer struct {
	First   int // statement
	Count   int
	Status  Status
	Code    uint32
	Message Ref // in the memory
}

// Records returns the number of answers.
func (o *Output) Records() int { return o.records.count }

// Statements returns the number of statements of all records.
func (o *Output) Statements() int { return o.statements.count }

// Arguments returns the number of arguments of all statements.
func (o *Output) Arguments() int { return o.arguments.count }

// Answer returns the i-th record.
func (o *Output) Answer(i int) Answer {
	row := o.records.row(o.frame, i)
	return Answer{
		First: int(le.Uint32(row[AnsFirstStatement:])), Count: int(le.Uint32(row[AnsStatementCount:])),
		Status: Status(le.Uint32(row[AnsStatus:])), Code: le.Uint32(row[AnsCode:]), Message: getRef(row, AnsMessage),
	}
}

// Call is one output statement: a template with arguments.
type Call struct {
	Template uint32
	First    int // argument
	Count    int
}

// Statement returns the i-th statement.
func (o *Output) Statement(i int) Call {
	row := o.statements.row(o.frame, i)
	return Call{le.Uint32(row[StmtTemplate:]), int(le.Uint32(row[StmtFirstArgument:])), int(le.Uint32(row[StmtArgumentCount:]))}
}

// Argument returns the i-th argument's bytes, which are the instance's own: they hold
// until the next call into it. Null is reported apart from empty.
func (o *Output) Argument(i int) (value []byte, null bool) {
	row := o.arguments.row(o.frame, i)
	if le.Uint32(row[ArgFlags:])&ArgFlagNull != 0 {
		return nil, true
	}
	return o.Bytes(getRef(row, ArgValue)), false
}

// Bytes returns the bytes of a reference of this frame.
func (o *Output) Bytes(r Ref) []byte { return o.memory[r.Offset:r.end():r.end()] }
