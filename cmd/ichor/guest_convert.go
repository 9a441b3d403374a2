package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ichor-replicator/ichor/host/guest"
)

type guestConvertCommand struct {
	withJSON
	withModule
	withStatemaps
	First uint64 `help:"The version of the first one; the others follow it. What ichor guest fetch wrote has its own." default:"1" placeholder:"VERSION"`
}

// Help implements kong's detailed help.
func (*guestConvertCommand) Help() string {
	return `Exit codes: 0 all were converted or skipped, 1 one was rejected, 2 settings or statemaps that cannot be read, 3 no module, or no host would load it.`
}

// errRejected is how convert ends when a version was rejected.
var errRejected = errors.New("not every statemap was converted; see above")

// Run implements the verb.
func (c *guestConvertCommand) Run(ctx context.Context) error {
	m, err := c.read()
	if err != nil {
		return err
	}
	if start := bytes.TrimLeft(m.bytes, " \t\r\n"); len(start) > 0 && (start[0] == '[' || start[0] == '{') { // those of a module are \0asm
		return &failure{exitSettings, fmt.Errorf("%s is no module but JSON: statemaps are named with -s, as in ichor guest convert MODULE.wasm -s %[1]s, where the module may be left out in its project", short(m.file))}
	}
	records, err := readStatemaps(ctx, c.Statemap, c.First)
	if err != nil {
		return &failure{exitSettings, err}
	}
	g, err := m.load(ctx)
	if err != nil {
		return err
	}
	defer m.close(g)
	var into guest.Conversions
	if err := g.Convert(ctx, records, &into); err != nil {
		return err
	}
	all, rejected := make([]guest.Outcome, len(records)), false
	for i := range all {
		all[i] = into.Results[i].Outcome(g.Manifest())
		rejected = rejected || into.Results[i].Status == guest.Rejected
	}
	if err := c.answer(map[string]any{"versions": all, "fuel": into.Fuel}, func() { printOutcomes(&stdout, all) }); err != nil {
		return err
	}
	if rejected {
		return errRejected
	}
	return nil
}

// printOutcomes writes what versions became.
func printOutcomes(w io.Writer, all []guest.Outcome) {
	cleaned(&all)
	for i := range all {
		fmt.Fprintf(w, "version %d: ", all[i].Version)
		printOutcome(w, &all[i])
	}
}

// printOutcome writes the status, and below it the statements.
func printOutcome(w io.Writer, o *guest.Outcome) {
	fmt.Fprint(w, o.Status)
	if o.Message != "" {
		fmt.Fprintf(w, ", %s %d: %s", o.Class, o.Code, o.Message)
	}
	fmt.Fprintln(w)
	if o.Before > 0 {
		fmt.Fprintf(w, "  %d statements come before\n", o.Before)
	}
	for _, s := range o.Statements {
		fmt.Fprintf(w, "  %s\n%s\n", s.Name, indented(s.SQL, "    "))
		for i, value := range s.Values {
			text := "null"
			if value != nil {
				text = fmt.Sprintf("%q", *value)
			}
			fmt.Fprintf(w, "    $%d %s = %s\n", i+1, s.Params[i], text)
		}
	}
	if o.After > 0 {
		fmt.Fprintf(w, "  %d statements come after\n", o.After)
	}
}
