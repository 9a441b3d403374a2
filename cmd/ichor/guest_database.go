package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

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
}

// example is how a version of a vector went.
type example struct {
	Vector     string `json:"vector"`
	Version    uint64 `json:"version"`
	Statements int    `json:"statements"`
	Rows       int    `json:"rows"` // that they wrote or deleted
	Refused    string `json:"refused,omitempty"`
}

// taken reports whether the database took everything.
func (t *tried) taken() bool {
	for _, e := range t.Vectors {
		if e.Refused != "" {
			return false
		}
	}
	return t.Refused == ""
}

// try gives a module's SQL and what its examples become to a database, and undoes it all.
func (m *module) try(ctx context.Context, g *guest.Generation, url string) (*tried, error) {
	in, err := installer.New(installer.Options{URL: url, SearchPath: m.searchPath, Allowed: rollout.Allowed(&m.options)}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, &failure{exitSettings, fmt.Errorf("--database: %w", err)}
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
	if err := t.examples(ctx, in, g.Manifest().Vectors, rollout.Templates(g)); err != nil {
		return nil, &failure{exitEnvironment, fmt.Errorf("--database: %w", err)}
	}
	return t, nil
}

// examples installs what the vectors become, one vector after the other, each on the rows that are there.
func (t *tried) examples(ctx context.Context, in *installer.Installer, vectors []abi.Vector, templates map[uint32]*installer.Template) error {
	trial, err := in.OpenTrial(ctx)
	if err != nil {
		return err
	}
	defer trial.Close()
	for i := range vectors {
		v := &vectors[i]
		for j := range v.Expect {
			w := installer.Work{Version: talos.Version(v.Input[j].Version)}
			for _, s := range v.Expect[j].Statements {
				w.Statements = append(w.Statements, installer.Statement{Template: templates[s.Template], Args: texts(s.Args)})
			}
			e := example{Vector: v.Name, Version: v.Input[j].Version, Statements: len(w.Statements)}
			var refused *installer.Error
			switch err := trial.Install(ctx, &w); {
			case errors.As(err, &refused) && refused.Class == installer.Poison && !refused.Lost:
				e.Refused = err.Error()
				if refused.Detail != "" { // the rows are the author's own
					e.Refused += ": " + refused.Detail
				}
			case err != nil:
				return fmt.Errorf("vector %q, version %d: %w", e.Vector, e.Version, err)
			default:
				e.Rows = trial.Affected()
			}
			t.Vectors = append(t.Vectors, e)
		}
		if err := trial.Rewind(ctx); err != nil {
			return err
		}
	}
	return nil
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
	fmt.Println()
	if t.Refused != "" {
		fmt.Printf("refused database   %s\n", t.Refused)
		return
	}
	for _, told := range t.Told {
		fmt.Printf("look    database   %s\n", told)
	}
	for _, e := range t.Vectors {
		what := fmt.Sprintf("vector %q, version %d: %d statements, %d rows", e.Vector, e.Version, e.Statements, e.Rows)
		if e.Refused != "" {
			fmt.Printf("refused database   %s: %s\n", what, e.Refused)
			continue
		}
		fmt.Printf("ok      database   %s\n", what)
	}
	if len(t.Vectors) == 0 {
		fmt.Println("ok      database   it takes the SQL; there is no vector to try")
	}
}
