package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

type guestInspectCommand struct {
	withJSON
	withModule
}

// inspection is what inspect says.
type inspection struct {
	Module        string         `json:"module"`
	Digest        string         `json:"digest"`
	Bytes         int            `json:"bytes"`
	Name          string         `json:"name"`
	Version       string         `json:"version"`
	Contract      string         `json:"contract"` // the revision and the minor that it speaks
	Input         abi.InputForm  `json:"input"`
	UnknownAction string         `json:"unknown_action"`
	Writes        []string       `json:"writes"`
	Actions       []abi.Action   `json:"actions"`
	Templates     []abi.Template `json:"templates"`
	// Large names, by template id, the functions whose result can be much larger than their
	// arguments.
	Large map[uint32][]string `json:"large_results,omitempty"`
	// Remarks name, by template id, what its author should look at once more although it is
	// allowed.
	Remarks       map[uint32][]string `json:"remarks,omitempty"`
	Vectors       int                 `json:"vectors"`
	Limits        limitsText          `json:"limits"`
	FuelPerRecord int64               `json:"fuel_per_record,omitempty"` // of the vectors
}

// limitsText are the limits that hold for the module.
type limitsText struct {
	MemoryBytes       int64 `json:"memory_bytes"`
	FuelCall          int64 `json:"fuel_call"`          // units
	FuelItem          int64 `json:"fuel_item"`          // units
	ItemStatements    int   `json:"item_statements"`    // on average over a version's items
	VersionStatements int   `json:"version_statements"` // whatever its items
	Versions          int   `json:"versions"`           // of a call
	Records           int   `json:"records"`            // of a call
	InputBytes        int   `json:"input_bytes"`        // of a call's frame
	OutputBytes       int   `json:"output_bytes"`       // of a call's frame
}

// Run implements the verb.
func (c *guestInspectCommand) Run(ctx context.Context) error {
	m, err := c.read()
	if err != nil {
		return err
	}
	g, err := m.load(ctx)
	if err != nil {
		return err
	}
	defer m.close(g)
	what, err := m.inspect(ctx, g)
	if err != nil {
		return err
	}
	return c.answer(what, what.print)
}

func (m *module) inspect(ctx context.Context, g *guest.Generation) (*inspection, error) {
	manifest, limits := g.Manifest(), g.Limits()
	what := &inspection{
		Module: m.file, Digest: g.Digest().String(), Bytes: len(m.bytes), Name: manifest.Name, Version: manifest.Version, Contract: g.Contract(),
		Input: manifest.Input, UnknownAction: string(manifest.UnknownAction), Actions: manifest.Actions, Templates: manifest.Templates,
		Vectors: len(manifest.Vectors), Large: map[uint32][]string{}, Remarks: map[uint32][]string{},
		Limits: limitsText{
			MemoryBytes: int64(limits.MemoryPages) << 16, FuelCall: limits.FuelCall, FuelItem: limits.FuelItem,
			ItemStatements: limits.ItemStatements, VersionStatements: limits.Statements, Versions: limits.BatchMax,
			Records: g.RecordsMax(), InputBytes: limits.InputBytes, OutputBytes: limits.OutputBytes,
		},
	}
	seen := map[string]bool{}
	for _, t := range manifest.Templates {
		if large := sqlpolicy.Large(t.SQL); len(large) > 0 {
			what.Large[t.ID] = large
		}
		if remarks := sqlpolicy.Remarks(&t); len(remarks) > 0 {
			what.Remarks[t.ID] = remarks
		}
		for _, relation := range t.Writes {
			if !seen[relation] {
				seen[relation] = true
				what.Writes = append(what.Writes, relation)
			}
		}
	}
	records := g.VectorRecords()
	if len(records) == 0 {
		return what, nil
	}
	var into guest.Conversions
	if err := g.Convert(ctx, records, &into); err != nil {
		return nil, err
	}
	items := 0
	for i := range records {
		items += len(records[i].Items)
	}
	what.FuelPerRecord = into.Fuel / int64(max(1, items))
	return what, nil
}

// print writes what it found. A module's words are a stranger's: they change nothing on a terminal.
func (w *inspection) print() {
	var b strings.Builder
	w.write(&b)
	printClean(&stdout, b.String())
}

// printRemarks writes what its author should look at once more, without the rest.
func (w *inspection) printRemarks() {
	for i := range w.Templates {
		t := &w.Templates[i]
		for _, remark := range w.Remarks[t.ID] {
			printClean(&stdout, fmt.Sprintf("remark  template %d %s: %s\n", t.ID, t.Name, remark))
		}
	}
}

func (w *inspection) write(b *strings.Builder) {
	fmt.Fprintf(b, "%s %s   %s\n", w.Name, w.Version, short(w.Module))
	fmt.Fprintf(b, "digest     %s, %d bytes\n", w.Digest, w.Bytes)
	fmt.Fprintf(b, "contract   ichor_abi_v%d, minor %s\n", abi.Revision, w.Contract[strings.Index(w.Contract, ".")+1:])
	fmt.Fprintf(b, "writes     %s\n", strings.Join(w.Writes, ", "))
	fmt.Fprintf(b, "input      %s; an unknown action is a %s\n", w.Input, w.UnknownAction)
	l := w.Limits
	fmt.Fprintf(b, "limits     %d MiB of memory, %d units of fuel a call and %d an item\n", l.MemoryBytes>>20, l.FuelCall, l.FuelItem)
	fmt.Fprintf(b, "           %d statements an item, on average over its version's, and %d a version\n", l.ItemStatements, l.VersionStatements)
	fmt.Fprintf(b, "           %d versions and %d items a call, %d KiB of input and %d KiB of output\n", l.Versions, l.Records, l.InputBytes>>10, l.OutputBytes>>10)
	if w.FuelPerRecord > 0 {
		fmt.Fprintf(b, "cost       %d units of fuel an item, of its vectors\n", w.FuelPerRecord)
	}
	for _, a := range w.Actions {
		fmt.Fprintf(b, "action     %q: templates %s\n", a.Name, strings.Trim(fmt.Sprint(a.Templates), "[]"))
	}
	for i := range w.Templates {
		writeTemplate(b, &w.Templates[i])
		if large := w.Large[w.Templates[i].ID]; len(large) > 0 {
			fmt.Fprintf(b, "           its result can be very large: %s; database.statement_timeout bounds it\n", strings.Join(large, ", "))
		}
		for _, remark := range w.Remarks[w.Templates[i].ID] {
			fmt.Fprintf(b, "  remark   %s\n", remark)
		}
	}
}

func writeTemplate(b *strings.Builder, t *abi.Template) {
	rows := "any number of rows"
	if t.Rows != abi.AnyRows {
		rows = fmt.Sprintf("%d rows", t.Rows)
	}
	guard := "no guard"
	if t.Guard != "" {
		guard = "guard " + t.Guard
	}
	fmt.Fprintf(b, "template   %d %s(%s): writes %s, %s, %s\n%s\n", t.ID, t.Name, strings.Join(t.Params, ", "), strings.Join(t.Writes, ", "), rows, guard, indented(t.SQL, "           "))
}
