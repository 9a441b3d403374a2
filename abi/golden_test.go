package abi

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden vectors of testdata")

// goldenInputs are the frames of testdata/input-*.hex: what every guest kit must read.
func goldenInputs() map[string][]InputRecord {
	first, last := RecFlagFirst, RecFlagLast
	transfer := InputRecord{
		Version: 1042, Safepoint: 1037, Time: 1759118825121907755, XID: "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11", Cohort: "banking-eu", Agent: "bank-agent-7",
		Action: "TRANSFER", Payload: []byte(`{"amount":25.5,"from":"0017","to":"0042"}`), ItemCount: 1, Flags: first | last,
	}
	several := transfer
	several.Version, several.ItemCount, several.Flags, several.Payload = 1051, 2, first, []byte(`{"a":[1,{"b":null}],"\u0063":"x\ny"}`)
	second := several
	second.ItemIndex, second.Flags, second.Action, second.Payload = 1, last, "AUDIT", []byte(` null `)
	edge := InputRecord{Version: 1<<64 - 1, Safepoint: 0, Time: -1, Payload: []byte(`1e400`), ItemCount: 1, Flags: first | last}
	return map[string][]InputRecord{"empty": nil, "transfer": {transfer}, "several": {transfer, several, second}, "edge": {edge}}
}

func buildInput(t testing.TB, records []InputRecord) []byte {
	t.Helper()
	var b InputBuilder
	b.Reset(true, 0)
	for i := range records {
		if err := b.Add(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	frame := make([]byte, b.Size())
	if !b.Write(frame) {
		t.Fatal("the frame does not fit its own size")
	}
	return frame
}

func TestGoldenInput(t *testing.T) {
	for name, records := range goldenInputs() {
		t.Run(name, func(t *testing.T) {
			frame := buildInput(t, records)
			golden(t, "input-"+name, frame, inputText(t, frame))
		})
	}
}

// golden compares a frame and its readable form with testdata.
func golden(t *testing.T, name string, frame []byte, text string) {
	t.Helper()
	dump := hexText(frame)
	for _, file := range []struct{ suffix, got string }{{".hex", dump}, {".txt", text}} {
		path := filepath.Join("testdata", name+file.suffix)
		if *update {
			if err := os.WriteFile(path, []byte(file.got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != file.got {
			t.Errorf("%s differs from what the code makes; if that is meant, go test ./abi -update\ngot:\n%s\nwant:\n%s", path, file.got, want)
		}
	}
}

// hexText writes bytes in hexadecimal, sixteen a line.
func hexText(b []byte) string {
	var lines []string
	for len(b) > 0 {
		n := min(16, len(b))
		lines = append(lines, hex.EncodeToString(b[:n]))
		b = b[n:]
	}
	return strings.Join(lines, "\n") + "\n"
}

func inputText(t testing.TB, frame []byte) string {
	t.Helper()
	in, err := OpenInput(frame)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Check(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d bytes, %d records\n", len(frame), in.Len())
	for i := range in.Len() {
		r := in.Record(i)
		fmt.Fprintf(&b, "\nversion %d (%s) safepoint %d (%s) time %d\n", r.Version(), r.Bytes(r.VersionText()), r.Safepoint(), r.Bytes(r.SafepointText()), r.Time())
		fmt.Fprintf(&b, "xid %q cohort %q agent %q\n", r.Bytes(r.XID()), r.Bytes(r.Cohort()), r.Bytes(r.Agent()))
		fmt.Fprintf(&b, "item %d of %d, first %t, last %t: %q %s\n", r.ItemIndex(), r.ItemCount(), r.First(), r.Last(), r.Bytes(r.Action()), r.Bytes(r.Payload()))
		for j := range r.TokenCount() {
			tok := r.Token(j)
			fmt.Fprintf(&b, "  %d %s", j, tokenText(&tok, r.Bytes))
			if tok.Type == TokenString {
				fmt.Fprintf(&b, " %s", r.Bytes(r.JSON(&tok)))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// outputMemory is an instance's memory of 4 KiB: some text at 100, an output frame behind it.
func outputMemory(build func(*OutputBuilder)) (memory []byte, ptr, length uint32) {
	return layOut(build, 1024, 2048, 4096)
}

func layOut(build func(*OutputBuilder), text, frame, size uint32) (memory []byte, ptr, length uint32) {
	memory = make([]byte, size)
	copy(memory[100:], "0017 0042 25.5 1042")
	var b OutputBuilder
	b.Reset()
	build(&b)
	out := b.Finish(func([]byte) uint32 { return text })
	copy(memory[text:frame], b.Tail())
	copy(memory[frame:], out)
	return memory, frame, uint32(len(out))
}

// someOutput answers four records: two statements, none, SKIP, REJECT.
func someOutput(b *OutputBuilder) {
	b.Begin()
	a := b.Statement(1, 3)
	a.Ref(0, Ref{100, 4})
	a.Ref(1, Ref{105, 4})
	a.Null(2)
	b.SetTail(append(b.Tail(), "made by the guest"...))
	a = b.Statement(2, 1)
	b.Text(a, 0, 0)
	b.Begin()
	b.Begin()
	b.Statement(1, 0)
	b.Skip()
	b.Begin()
	b.Statement(7, 2)
	b.Reject(3, "amount is missing")
}

func TestGoldenOutput(t *testing.T) {
	memory, ptr, length := outputMemory(someOutput)
	out, err := OpenOutput(memory, ptr, length, 4, testLimits())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "output-some", memory[ptr:ptr+length], outputText(&out))
	empty, ptr, length := outputMemory(func(*OutputBuilder) {})
	if out, err = OpenOutput(empty, ptr, length, 0, testLimits()); err != nil {
		t.Fatal(err)
	}
	golden(t, "output-empty", empty[ptr:ptr+length], outputText(&out))
}

func testLimits() OutputLimits {
	return OutputLimits{Frame: MaxOutput, Referenced: 1024, ItemStatements: DefaultItemStatements, Statements: MaxStatements}
}

func outputText(o *Output) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d records, %d statements, %d arguments, %d bytes referenced\n", o.Records(), o.Statements(), o.Arguments(), o.Referenced)
	for i := range o.Records() {
		a := o.Answer(i)
		fmt.Fprintf(&b, "\n%s code %d message %q\n", a.Status, a.Code, o.Bytes(a.Message))
		for j := a.First; j < a.First+a.Count; j++ {
			s := o.Statement(j)
			fmt.Fprintf(&b, "  template %d:", s.Template)
			for k := s.First; k < s.First+s.Count; k++ {
				if value, null := o.Argument(k); null {
					b.WriteString(" null")
				} else {
					fmt.Fprintf(&b, " %q", value)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestGoldenHexIsReadable(t *testing.T) {
	files, err := filepath.Glob("testdata/*.hex")
	if err != nil || len(files) < 5 {
		t.Fatal("golden vectors are missing", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hex.DecodeString(string(bytes.ReplaceAll(text, []byte("\n"), nil))); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}
