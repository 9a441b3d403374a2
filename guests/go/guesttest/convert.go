// Package guesttest runs a Go guest in its own tests: natively, without a host and without
// WebAssembly, but through the real frames.
package guesttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
	guest "github.com/ichor-replicator/ichor/guests/go"
)

// Item is one action of a statemap and its payload in JSON.
type Item struct {
	Action  string
	Payload string
}

// firstVersion is the first statemap's version; its safepoint is one lower.
const firstVersion = 42

// inputAt is the address of the input frame in the memory that stands for an instance's; the
// program's text and then the output frame follow it.
const inputAt = 1 << 16

// Convert gives the program one statemap a version, from version 42 on, and returns what
// each became, in one line: "ok", "skip" or "reject CODE MESSAGE", then for each statement
// its template and quoted arguments, as in
//
//	ok transfer("0017", "0042", "25.5", "42")
//
// It fails the test if the manifest or an answer breaks the contract.
func Convert(tb testing.TB, p *guest.Program, statemaps ...[]Item) []string {
	tb.Helper()
	lines, err := Lines(p, statemaps...)
	if err != nil {
		tb.Fatal(err)
	}
	return lines
}

// Lines is Convert where there is no test, as in an example.
func Lines(p *guest.Program, statemaps ...[]Item) ([]string, error) {
	m, err := abi.DecodeManifest(p.Manifest())
	if err != nil {
		return nil, err
	}
	build, err := frame(m, statemaps)
	if err != nil {
		return nil, err
	}
	mem := make([]byte, inputAt+build.Size())
	build.Write(mem[inputAt:])
	textAt := (len(mem) + 7) / 8 * 8
	var text []byte
	out := p.Run(mem[inputAt:], inputAt, func(t []byte) uint32 { text = t; return uint32(textAt) })
	frameAt := (textAt + len(text) + 7) / 8 * 8
	mem = slices.Concat(mem, make([]byte, frameAt+len(out)-len(mem)))
	copy(mem[textAt:], text)
	copy(mem[frameAt:], out)
	limits := abi.OutputLimits{
		Frame: abi.DefaultOutput, Referenced: abi.MaxReferenced, ItemStatements: abi.DefaultItemStatements, Statements: abi.MaxStatements,
	}
	if own := m.Limits.Statements; own > 0 {
		limits.ItemStatements = min(limits.ItemStatements, own)
	}
	answer, err := abi.OpenOutput(mem, uint32(frameAt), uint32(len(out)), build.Records(), limits)
	if err != nil {
		return nil, err
	}
	lines, record := make([]string, len(statemaps)), 0
	for i, items := range statemaps {
		if err := answer.CheckVersion(record, len(items), limits); err != nil {
			return nil, err
		}
		if lines[i], err = line(m, &answer, record, len(items)); err != nil {
			return nil, err
		}
		record += len(items)
	}
	return lines, nil
}

func frame(m *abi.Manifest, statemaps [][]Item) (*abi.InputBuilder, error) {
	build := new(abi.InputBuilder)
	build.Reset(m.Input == abi.InputTokens, abi.MaxInput)
	for i, items := range statemaps {
		for j, item := range items {
			r := abi.InputRecord{
				Version: uint64(firstVersion + i), Safepoint: uint64(firstVersion + i - 1), Time: 1759118825121907755,
				XID: "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11", Cohort: "cohort", Agent: "agent",
				Action: item.Action, Payload: []byte(item.Payload), ItemIndex: uint32(j), ItemCount: uint32(len(items)),
			}
			if j == 0 {
				r.Flags |= abi.RecFlagFirst
			}
			if j == len(items)-1 {
				r.Flags |= abi.RecFlagLast
			}
			if err := build.Add(&r); err != nil {
				return nil, fmt.Errorf("statemap %d, item %d: %w", i, j, err)
			}
		}
	}
	return build, nil
}

// line joins the answers to the records of one version, as a host does.
func line(m *abi.Manifest, out *abi.Output, first, count int) (string, error) {
	status, statements := abi.StatusSkip, ""
	for i := first; i < first+count; i++ {
		a := out.Answer(i)
		switch a.Status {
		case abi.StatusReject:
			return fmt.Sprintf("reject %d %s", a.Code, out.Bytes(a.Message)), nil
		case abi.StatusOK:
			status = abi.StatusOK
		}
		for j := a.First; j < a.First+a.Count; j++ {
			said, err := statement(m, out, out.Statement(j))
			if err != nil {
				return "", err
			}
			statements += " " + said
		}
	}
	return status.String() + statements, nil
}

func statement(m *abi.Manifest, out *abi.Output, s abi.Call) (string, error) {
	t := m.Template(s.Template)
	if t == nil || len(t.Params) != s.Count {
		return "", fmt.Errorf("template %d with %d arguments is not what the manifest says", s.Template, s.Count)
	}
	args := make([]string, s.Count)
	for i := range args {
		if value, null := out.Argument(s.First + i); null {
			args[i] = "null"
		} else {
			args[i] = fmt.Sprintf("%q", value)
		}
	}
	return t.Name + "(" + strings.Join(args, ", ") + ")", nil
}
