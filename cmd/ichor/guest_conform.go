package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/conform"
)

type guestTestCommand struct {
	withJSON
	withModule
	withStatemaps
	Database *string `placeholder:"URL" help:"A database with the cohort's tables, which has the last word: the SQL and what the vectors and the statemaps become are tried there and undone."`
}

// Help implements kong's detailed help.
func (*guestTestCommand) Help() string {
	return `Exit codes: 0 the module conforms, 1 it does not, it rejects one of the statemaps that were given, or the database does not take it, 2 settings or
statemaps that cannot be read, 3 no module, or a database that is not there.`
}

// conformance is what test says.
type conformance struct {
	Module     string      `json:"module"`
	Digest     string      `json:"digest"`
	Conforms   bool        `json:"conforms"`
	Clauses    []string    `json:"clauses"` // that hold
	Broken     string      `json:"broken,omitempty"`
	Why        string      `json:"why,omitempty"`
	Versions   int         `json:"versions"`
	Converted  int         `json:"converted"`
	Skipped    int         `json:"skipped"`
	Rejected   int         `json:"rejected"`
	Fuel       int64       `json:"fuel"`            // of the dearest version
	Statements int         `json:"statements"`      // the most of a version
	Sizes      []sized     `json:"sizes,omitempty"` // versions of one to many items
	Given      *given      `json:"given,omitempty"`
	Inspection *inspection `json:"inspection,omitempty"`
	Database   *tried      `json:"database,omitempty"`
}

// sized is how a version of so many items went.
type sized struct {
	Items      int    `json:"items"`
	Status     string `json:"status"`
	Statements int    `json:"statements"`
	Fuel       int64  `json:"fuel"`
	Over       string `json:"over,omitempty"` // the settings of the limit that its answer was over; it was not converted then
}

// errBroken is how test ends for a module that breaks a clause.
var errBroken = errors.New("the module does not conform; see above")

// Run implements the verb.
func (c *guestTestCommand) Run(ctx context.Context) error {
	m, err := c.read()
	if err != nil {
		return err
	}
	var own []guest.Record
	if c.Statemap != "" {
		if own, err = readStatemaps(ctx, c.Statemap, 1); err != nil {
			return &failure{exitSettings, err}
		}
	}
	m.log = slog.New(slog.DiscardHandler) // its calls are tried until they fail, and what counts of that is in the report
	report, err := conform.Run(ctx, m.name, m.bytes, conform.Options{Guest: m.options, Log: m.log, Metrics: m.metrics})
	if err != nil {
		return err
	}
	result := conformance{
		Module: m.file, Digest: guest.DigestOf(m.bytes).String(), Conforms: report.Broken == nil, Versions: report.Versions,
		Converted: report.Statuses[guest.Converted], Skipped: report.Statuses[guest.Skipped], Rejected: report.Statuses[guest.Rejected],
		Fuel: report.Fuel, Statements: report.Statements,
	}
	for _, clause := range report.Kept {
		result.Clauses = append(result.Clauses, clause.ID)
	}
	for _, s := range report.Sizes {
		result.Sizes = append(result.Sizes, sized{s.Items, s.Became(), s.Statements, s.Fuel, s.Over})
	}
	if report.Broken != nil {
		result.Broken, result.Why = report.Broken.Clause.ID, report.Broken.How
	}
	if err = m.look(ctx, &result, own, c.Database); err != nil && report.Broken == nil {
		return err
	}
	if err := c.answer(result, func() { result.print(report) }); err != nil {
		return err
	}
	switch {
	case report.Broken != nil:
		return errBroken
	case result.Given != nil && result.Given.Rejected > 0:
		return errRejected
	}
	if t := result.Database; t != nil && !t.taken() {
		return errors.New("the database does not take all of it; see above")
	}
	return nil
}

// look inspects a module, converts the statemaps that were given, and has a database try it all where one is named.
func (m *module) look(ctx context.Context, r *conformance, own []guest.Record, database *string) error {
	g, err := m.load(ctx)
	if err != nil {
		return err
	}
	defer m.close(g)
	if r.Inspection, err = m.inspect(ctx, g); err != nil || !r.Conforms {
		return err
	}
	if own != nil {
		if r.Given, err = convertGiven(ctx, g, own); err != nil {
			return err
		}
	}
	if database != nil {
		r.Database, err = m.try(ctx, g, *database, r.Given)
	}
	return err
}

func (r *conformance) print(report *conform.Report) {
	for _, clause := range report.Kept {
		fmt.Fprintf(&stdout, "ok      %-10s %s\n", clause.ID, clause.Rule)
	}
	if b := report.Broken; b != nil {
		fmt.Fprintf(&stdout, "broken  %-10s %s\n        %s\n", b.Clause.ID, b.Clause.Rule, b.How)
		if r.Inspection != nil { // a host would load it
			r.Inspection.printRemarks()
		}
		return
	}
	fmt.Fprintf(&stdout, "\n%d versions, each in several ways: %d converted, %d skipped, %d rejected; statements a version: at most %d, fuel: at most %d\n",
		r.Versions, r.Converted, r.Skipped, r.Rejected, r.Statements, r.Fuel)
	for _, s := range r.Sizes {
		if s.Over != "" {
			fmt.Fprintf(&stdout, "a version of %5d items: its answer is larger than a host with these settings takes; one that is to have such versions needs more in %s\n", s.Items, s.Over)
			continue
		}
		fmt.Fprintf(&stdout, "a version of %5d items: %s, %d statements, %d units of fuel\n", s.Items, s.Status, s.Statements, s.Fuel)
	}
	if r.Given != nil {
		r.Given.print()
	}
	if r.Database != nil {
		r.Database.print()
	}
	fmt.Fprintln(&stdout)
	r.Inspection.print()
}
