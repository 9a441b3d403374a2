package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
)

// tried is what a database says of a module: of its SQL, and of its examples, each of which is undone.
type tried struct {
	Refused string    `json:"refused,omitempty"` // why it does not take the SQL; then the examples are not tried
	Told    []string  `json:"told,omitempty"`    // effects beside what the statements say
	Vectors []example `json:"vectors,omitempty"`
	Given   []example `json:"given,omitempty"` // the statemaps that were given, in their order
}

// example is how a version went, of a vector or of the statemaps that were given.
type example struct {
	Vector     string `json:"vector,omitempty"`
	Version    uint64 `json:"version"`
	Statements int    `json:"statements"`
	Rows       int    `json:"rows"` // that they wrote or deleted
	Refused    string `json:"refused,omitempty"`
}

// taken reports whether the database took everything.
func (t *tried) taken() bool {
	return t.Refused == "" && len(refused(t.Vectors)) == 0 && len(refused(t.Given)) == 0
}

// refused returns those that the database did not take.
func refused(all []example) (not []example) {
	for _, e := range all {
		if e.Refused != "" {
			not = append(not, e)
		}
	}
	return not
}

// try gives a module's SQL, what its examples become, and what the statemaps became that were given, to a database, and undoes it all.
func (m *module) try(ctx context.Context, g *guest.Generation, url string, given *given) (*tried, error) {
	in, err := open("--database", installer.Options{URL: url, SearchPath: m.searchPath, Allowed: rollout.Allowed(&m.options)})
	if err != nil {
		return nil, err
	}
	t := new(tried)
	var refused *guest.LoadError
	switch t.Told, err = rollout.TryTemplates(ctx, in, g); {
	case errors.As(err, &refused):
		t.Refused = refused.Err.Error()
		return t, nil
	case err != nil:
		return nil, &failure{exitEnvironment, fmt.Errorf("--database: %w", err)}
	}
	trial, err := in.OpenTrial(ctx)
	if err != nil {
		return nil, &failure{exitEnvironment, fmt.Errorf("--database: %w", err)}
	}
	defer trial.Close()
	templates := rollout.Templates(g)
	if err = t.examples(ctx, trial, g.Manifest().Vectors, templates); err == nil && given != nil {
		err = t.given(ctx, trial, given.works, templates)
	}
	if err != nil {
		return nil, &failure{exitEnvironment, fmt.Errorf("--database: %w", err)}
	}
	return t, nil
}

// examples installs what the vectors become, one vector after the other, each on the rows that are there.
func (t *tried) examples(ctx context.Context, trial *installer.Serial, vectors []abi.Vector, templates map[uint32]*installer.Template) error {
	for i := range vectors {
		v := &vectors[i]
		for j := range v.Expect {
			w := installer.Work{Version: talos.Version(v.Input[j].Version)}
			for _, s := range v.Expect[j].Statements {
				w.Statements = append(w.Statements, installer.Statement{Template: templates[s.Template], Args: texts(s.Args)})
			}
			e, err := install(ctx, trial, &w)
			if err != nil {
				return fmt.Errorf("vector %q, version %d: %w", v.Name, w.Version, err)
			}
			e.Vector = v.Name
			t.Vectors = append(t.Vectors, e)
		}
		if err := trial.Rewind(ctx); err != nil {
			return err
		}
	}
	return nil
}

// given installs what statemaps became, one after the other, each on what those before it left.
func (t *tried) given(ctx context.Context, trial *installer.Serial, all []guest.Conversion, templates map[uint32]*installer.Template) error {
	for i := range all {
		w := installer.Work{Version: all[i].Version}
		for _, s := range all[i].Statements {
			w.Statements = append(w.Statements, installer.Statement{Template: templates[s.Template], Args: s.Args})
		}
		e, err := install(ctx, trial, &w)
		if err != nil {
			return fmt.Errorf("version %d: %w", w.Version, err)
		}
		t.Given = append(t.Given, e)
	}
	return nil
}

// install tries one version. The error is not the version's.
func install(ctx context.Context, trial *installer.Serial, w *installer.Work) (example, error) {
	e := example{Version: uint64(w.Version), Statements: len(w.Statements)}
	var refused *installer.Error
	switch err := trial.Install(ctx, w); {
	case errors.As(err, &refused) && refused.Class == installer.Poison && !refused.Lost:
		e.Refused = err.Error()
		if refused.Detail != "" { // the rows are the author's own
			e.Refused += ": " + refused.Detail
		}
	case errors.As(err, &refused) && refused.Class == installer.Contention:
		return e, fmt.Errorf("%w; %s; try again, or name a database that nobody writes meanwhile", err, refused.Detail)
	case err != nil:
		return e, err
	default:
		e.Rows = trial.Affected()
	}
	return e, nil
}

// texts returns arguments as statements have them; a null is nil.
func texts(args []*string) [][]byte {
	all := make([][]byte, len(args))
	for i, a := range args {
		if a != nil {
			all[i] = []byte(*a)
		}
	}
	return all
}

func (t *tried) print() {
	fmt.Fprintln(&stdout)
	if t.Refused != "" {
		fmt.Fprintf(&stdout, "refused database   %s\n", t.Refused)
		return
	}
	for _, told := range t.Told {
		fmt.Fprintf(&stdout, "look    database   %s\n", told)
	}
	for _, e := range t.Vectors {
		e.print(fmt.Sprintf("vector %q, ", e.Vector))
	}
	if len(t.Vectors) == 0 && len(t.Given) == 0 {
		fmt.Fprintln(&stdout, "ok      database   it takes the SQL; there is no vector to try")
	}
	if len(t.Given) > 0 {
		not := refused(t.Given)
		for _, e := range not[:min(len(not), givenShown)] {
			e.print("")
		}
		statements, rows := 0, 0
		for _, e := range t.Given {
			statements, rows = statements+e.Statements, rows+e.Rows
		}
		fmt.Fprintf(&stdout, "%-7s database   %d versions given, one after the other: %d statements, %d rows, %d refused\n",
			okUnless(len(not) > 0, "refused"), len(t.Given), statements, rows, len(not))
	}
}

func (e *example) print(of string) {
	what := fmt.Sprintf("%sversion %d: %d statements, %d rows", of, e.Version, e.Statements, e.Rows)
	if e.Refused != "" {
		fmt.Fprintf(&stdout, "refused database   %s: %s\n", what, e.Refused)
		return
	}
	fmt.Fprintf(&stdout, "ok      database   %s\n", what)
}

// okUnless returns the word for what is wrong, or ok.
func okUnless(wrong bool, word string) string {
	if wrong {
		return word
	}
	return "ok"
}
