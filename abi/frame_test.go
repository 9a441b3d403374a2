package abi

import (
	"errors"
	"strings"
	"testing"
)

func TestInputBuilderLimits(t *testing.T) {
	var b InputBuilder
	b.Reset(true, 1024)
	record := InputRecord{Version: 1, Action: "A", Payload: []byte(`"` + strings.Repeat("x", 300) + `"`), Flags: RecFlagFirst | RecFlagLast}
	added := 0
	for b.Add(&record) == nil {
		added++
	}
	if added != 2 || b.Size() > 1024 {
		t.Errorf("%d records of %d bytes, want 2 in 1024", added, b.Size())
	}
	before := b.Size()
	if err := b.Add(&record); !errors.Is(err, ErrInputFull) {
		t.Errorf("got %v, want ErrInputFull", err)
	}
	small := InputRecord{Version: 2, Action: "A", Payload: []byte(`{"a":`)}
	var syntax *SyntaxError
	if err := b.Add(&small); !errors.As(err, &syntax) {
		t.Errorf("got %v, want a *SyntaxError", err)
	}
	if b.Size() != before || b.Records() != 2 {
		t.Errorf("refused records left %d bytes and %d records, want %d and 2", b.Size(), b.Records(), before)
	}
	if b.Write(make([]byte, before-1)) {
		t.Error("a frame was written where there is no room")
	}
}

func TestTruncateTakesBackWholeRecords(t *testing.T) {
	records := goldenInputs()["several"]
	var b InputBuilder
	b.Reset(true, 0)
	for i := range records {
		if err := b.Add(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	b.Truncate(1)
	frame := make([]byte, b.Size())
	b.Write(frame)
	if want := buildInput(t, records[:1]); string(frame) != string(want) {
		t.Errorf("the frame after Truncate differs from one that never had more")
	}
	b.Truncate(5)
	if b.Records() != 1 {
		t.Errorf("Truncate beyond the end left %d records", b.Records())
	}
}

func TestPlainInputHasNoTokens(t *testing.T) {
	var b InputBuilder
	b.Reset(false, 0)
	record := InputRecord{Version: 1, Action: "A", Payload: []byte(`{"not read":`)}
	if err := b.Add(&record); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, b.Size())
	b.Write(frame)
	in, err := OpenInput(frame)
	if err != nil {
		t.Fatal(err)
	}
	if r := in.Record(0); r.TokenCount() != 0 || string(r.Bytes(r.Payload())) != `{"not read":` {
		t.Errorf("%d tokens and payload %s", r.TokenCount(), r.Bytes(r.Payload()))
	}
}

// TestWiderRowsAreRead widens a frame's rows by eight bytes, as a later minor may: today's
// reader steps over them.
func TestWiderRowsAreRead(t *testing.T) {
	records := goldenInputs()["several"]
	var b InputBuilder
	b.Pad(16)
	b.Reset(true, 0)
	for i := range records {
		if err := b.Add(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	wide, narrow := make([]byte, b.Size()), buildInput(t, records)
	if !b.Write(wide) || le.Uint32(wide[InRecordStride:]) != RecStride+16 || le.Uint32(wide[InTokenStride:]) != TokStride+16 || le.Uint16(wide[HeaderSize:]) != InHeaderSize+16 {
		t.Fatal("it is not wider")
	}
	got, want := inputText(t, wide), inputText(t, narrow)
	if got[strings.Index(got, ","):] != want[strings.Index(want, ","):] {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOutputIsDistrusted(t *testing.T) {
	const records, statements, arguments = OutHeaderSize, OutHeaderSize + 4*AnsStride, OutHeaderSize + 4*AnsStride + 2*StmtStride
	tests := []struct {
		at    int
		value uint32
		says  string
	}{
		{HeaderMagic, MagicInput, "magic"},
		{HeaderRevision, 2 | OutHeaderSize<<16, "revision: 2"},
		{HeaderRevision, 1 | 48<<16, "header size: 48"},
		{HeaderRevision, 1 | 60<<16, "header size: 60"},
		{HeaderRevision, 1 | 0xfff8<<16, "header size: 65528"},
		{HeaderTotal, 0xffffffff, "total"},
		{HeaderTotal, 60, "total"},
		{HeaderReserved, 1, "reserved"},
		{OutReserved, 1, "reserved"},
		{OutRecordCount, 3, "3 answers for 4 records"},
		{OutRecordStride, 20, "record stride: 20"},
		{OutRecordStride, 26, "record stride: 26"},
		{OutRecordStride, 0xfffffffc, "table ends behind the frame"},
		{OutRecordOffset, 0, "record offset: 0"},
		{OutRecordOffset, 57, "record offset: 57"},
		{OutRecordOffset, 0xfffffff8, "table ends behind the frame"},
		{OutStatementCount, 0xffffffff, "table ends behind the frame"},
		{OutStatementCount, 1, "1, but records use 2"},
		{OutArgumentCount, 3, "3, but statements use 4"},
		{records + AnsFirstStatement, 1, "first statement 1, want 0"},
		{records + AnsStatementCount, 1, "first statement 2, want 1"},
		{records + AnsStatus, 3, "unknown status 3"},
		{records + AnsStatus, 1, "statements beside status skip"},
		{records + AnsCode, 1, "code or message beside status ok"},
		{records + AnsMessage + 4, 1, "code or message beside status ok"},
		{records + 3*AnsStride + AnsMessage, 0xffffffff, "message"},
		{records + 3*AnsStride + AnsMessage + 4, MaxMessage + 1, "message"},
		{statements + StmtFirstArgument, 1, "first argument 1, want 0"},
		{statements + StmtArgumentCount, MaxParams + 1, "at most 256 are allowed"},
		{statements + StmtReserved, 1, "reserved"},
		{arguments + ArgFlags, 2, "reserved flags"},
		{arguments + ArgFlags, 1, "null with a reference"},
		{arguments + ArgValue, 4093, "lies outside the memory"},
		{arguments + ArgValue, 0xffffffff, "lies outside the memory"},
		{arguments + ArgValue + 4, 0xffffffff, "lies outside the memory"},
		{arguments + ArgValue + 4, 1020, "more than 1024 bytes"},
	}
	for _, test := range tests {
		memory, ptr, length := outputMemory(someOutput)
		le.PutUint32(memory[int(ptr)+test.at:], test.value)
		_, err := OpenOutput(memory, ptr, length, 4, testLimits())
		var bad *FrameError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%#x at %d: %v, want %q", test.value, test.at, err, test.says)
		}
	}
}

func TestOutputAddresses(t *testing.T) {
	memory, ptr, length := outputMemory(someOutput)
	tests := []struct{ ptr, length uint32 }{{ptr, length + 4}, {ptr, 10}, {4090, 56}, {0xffffffff, 56}, {0xffffff00, 0xffffff00}, {0, 0xffffffff}, {4096, 0}}
	for _, test := range tests {
		if _, err := OpenOutput(memory, test.ptr, test.length, 4, testLimits()); err == nil {
			t.Errorf("a frame at %d+%d was accepted", test.ptr, test.length)
		}
	}
	limits := testLimits()
	limits.Frame = int(length) - 1
	if _, err := OpenOutput(memory, ptr, length, 4, limits); err == nil {
		t.Error("a frame over the limit was accepted")
	}
}

// A version's statements are counted for the version, wherever among its records they stand.
func TestStatementsOfAVersion(t *testing.T) {
	answers := func(counts ...int) *Output {
		memory, ptr, length := layOut(func(b *OutputBuilder) {
			for _, n := range counts {
				b.Begin()
				for range n {
					b.Statement(1, 0)
				}
			}
		}, 1024, 2048, 1<<16)
		out, err := OpenOutput(memory, ptr, length, len(counts), testLimits())
		if err != nil {
			t.Fatal(err)
		}
		return &out
	}
	limits := OutputLimits{ItemStatements: 2, Statements: 5}
	for _, test := range []struct {
		out          *Output
		first, count int
		says         string
	}{
		{answers(2), 0, 1, ""},
		{answers(3), 0, 1, "3 statements for the 1 items of its version, at most 2 are allowed: 2 an item on average, 5 a version"},
		{answers(4, 0), 0, 2, ""},
		{answers(0, 4), 0, 2, ""},
		{answers(1, 4), 0, 2, "5 statements for the 2 items"},
		{answers(9, 2, 3), 1, 2, "5 statements for the 2 items"},
		{answers(5, 0, 0, 0), 0, 4, ""},
		{answers(6, 0, 0, 0), 0, 4, "at most 5 are allowed"},
		{answers(), 0, 0, ""},
	} {
		err := test.out.CheckVersion(test.first, test.count, limits)
		var bad *FrameError
		if (test.says == "") != (err == nil) || err != nil && (!errors.As(err, &bad) || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("records %d+%d: %v, want %q", test.first, test.count, err, test.says)
		}
	}
}

// FuzzOutput gives the decoder any memory: it may refuse, but what it accepts can be walked
// to its last byte.
func FuzzOutput(f *testing.F) {
	memory, ptr, length := layOut(someOutput, 160, 256, 512) // small, to be quick
	f.Add(memory, ptr, length, 4)
	f.Add(memory[:ptr+length], ptr, length, 4)
	empty, ptr, length := layOut(func(*OutputBuilder) {}, 160, 256, 320)
	f.Add(empty, ptr, length, 0)
	f.Fuzz(func(t *testing.T, memory []byte, ptr, length uint32, want int) {
		out, err := OpenOutput(memory, ptr, length, want, testLimits())
		if err != nil {
			return
		}
		if text := outputText(&out); out.Records() != want || out.Referenced > 1024 {
			t.Fatalf("accepted beyond its limits: %s", text)
		}
	})
}

// FuzzInput gives the guests' reader any frame: what passes Check can be walked.
func FuzzInput(f *testing.F) {
	for _, records := range goldenInputs() {
		f.Add(buildInput(f, records))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		in, err := OpenInput(frame)
		if err != nil || in.Check() != nil {
			return
		}
		inputText(t, frame)
	})
}
