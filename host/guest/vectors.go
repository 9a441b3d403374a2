package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/talos"
)

// checkVectors converts the manifest's vectors and compares the results with the expected ones. It
// converts an empty batch first, so that a guest without vectors is called at least once. It returns
// the results for crossCheck.
func (g *Generation) checkVectors(ctx context.Context) ([]Conversions, error) {
	if err := g.probe(ctx); err != nil {
		return nil, g.refuse(StepVectors, "it fails on an empty batch", "", err)
	}
	answers := make([]Conversions, len(g.manifest.Vectors))
	budget := g.options.FuelStart // of all of them: there may be 256, each with many versions
	for i := range g.manifest.Vectors {
		v, got := &g.manifest.Vectors[i], &answers[i]
		if err := g.convertWithin(ctx, vectorRecords(v), got, &budget, math.MaxInt); err != nil {
			return nil, g.refuse(StepVectors, fmt.Sprintf("vector %q", v.Name), "", err)
		}
		for j := range got.Results {
			says, hint, err := "the guest and its examples disagree", "correct the one that is wrong and build it again", sameAnswer(&v.Expect[j], &got.Results[j])
			if r := got.Results[j].Reject; r != nil && r.Fault != nil { // it has no answer to compare, and no example expects that
				says, hint, err = "the guest fails", vectorHint(r.Fault), r.Fault
			}
			if err == nil {
				continue
			}
			return nil, g.refuse(StepVectors, fmt.Sprintf("vector %q, version %d: %s", v.Name, v.Input[j].Version, says), hint, err)
		}
	}
	g.cost.Store(0) // a first call is slower than the rest
	return answers, nil
}

// vectorHint says what to do about a guest that fails on its own example.
func vectorHint(f *Fault) string {
	if f.Kind == FaultFuel {
		return "does a loop, or a function that calls itself, never end, or does it make more than an answer may have? Else give it more by these settings"
	}
	return "mend that and build it again"
}

func (g *Generation) probe(ctx context.Context) error {
	s, err := g.acquire(ctx)
	if err != nil {
		return err
	}
	defer g.release(s)
	if err := s.ready(ctx, g, madeForLoad); err != nil {
		return err
	}
	s.build.Reset(g.rules.tokens, g.options.InputBytes)
	_, err = s.in.run(ctx, &s.build, g.limits)
	return err
}

// ErrDescribesAnew is returned by DescribeAgain.
var ErrDescribesAnew = errors.New("it describes itself in another way than before")

// DescribeAgain asks an instance that has converted, and a fresh one, for the manifest: it
// must be what it was at load, which is the only one that a host reads. It is for tests of
// guests. It returns ErrDescribesAnew, a *Fault or ctx's error.
func (g *Generation) DescribeAgain(ctx context.Context) error {
	s, err := g.acquire(ctx)
	if err != nil {
		return err
	}
	defer g.release(s)
	for range 2 {
		if err := s.ready(ctx, g, madeForLoad); err != nil {
			return err
		}
		text, err := s.in.describe(ctx)
		if err != nil {
			s.discard(madeForPool)
			return err
		}
		if !bytes.Equal(text, g.described) {
			return ErrDescribesAnew
		}
		s.discard(madeForPool)
	}
	return nil
}

// VectorRecords returns the versions of the manifest's vectors, one behind the other.
func (g *Generation) VectorRecords() (records []Record) {
	for i := range g.manifest.Vectors {
		records = append(records, vectorRecords(&g.manifest.Vectors[i])...)
	}
	return records
}

func vectorRecords(v *abi.Vector) []Record {
	records := make([]Record, len(v.Input))
	for i := range v.Input {
		in := &v.Input[i]
		records[i] = Record{
			Version: talos.Version(in.Version), Safepoint: talos.Version(in.Safepoint), Time: in.Time,
			XID: in.XID, Cohort: in.Cohort, Agent: in.Agent,
		}
		for _, element := range in.Statemap {
			for action, payload := range element { // exactly one, the manifest was checked
				records[i].Items = append(records[i].Items, talos.Item{Action: action, Payload: payload})
			}
		}
	}
	return records
}

func sameAnswer(want *abi.VectorAnswer, got *Conversion) error {
	status := map[Status]string{Converted: "ok", Skipped: "skip", Rejected: "reject"}[got.Status]
	if status != want.Status {
		if got.Reject != nil {
			return fmt.Errorf("it is %s (%w), the vector says %s", status, got.Reject, want.Status)
		}
		return fmt.Errorf("it is %s, the vector says %s", status, want.Status)
	}
	if got.Reject != nil {
		if got.Reject.Code != want.Code || (want.Message != "" && got.Reject.Message != want.Message) {
			return fmt.Errorf("it is rejected with %d %q, the vector says %d %q", got.Reject.Code, got.Reject.Message, want.Code, want.Message)
		}
		return nil
	}
	if got, want := statementText(vectorStatements(got)), statementText(want.Statements); got != want {
		return fmt.Errorf("it became %s, the vector says %s", got, want)
	}
	return nil
}

func vectorStatements(c *Conversion) []abi.VectorStatement {
	statements := make([]abi.VectorStatement, len(c.Statements))
	for i, s := range c.Statements {
		statements[i] = abi.VectorStatement{Template: s.Template, Args: make([]*string, len(s.Args))}
		for j, a := range s.Args {
			if a != nil {
				text := string(a)
				statements[i].Args[j] = &text
			}
		}
	}
	return statements
}

func statementText(statements []abi.VectorStatement) string {
	text := ""
	for _, s := range statements {
		text += fmt.Sprintf("[%d", s.Template)
		for _, a := range s.Args {
			if a == nil {
				text += " null"
			} else {
				text += fmt.Sprintf(" %q", *a)
			}
		}
		text += "]"
	}
	return "[" + text + "]"
}
