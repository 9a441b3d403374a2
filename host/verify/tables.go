package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
)

// TableReader is a database whose tables are compared.
type TableReader interface {
	Table(ctx context.Context, name, guard string) (*installer.Table, error)
	Rows(ctx context.Context, t *installer.Table) (*installer.Rows, error)
}

// WrittenTables looks up in a database what guests say that they write, and others that are named.
func WrittenTables(ctx context.Context, in TableReader, by []*guest.Generation, also []string) (tables []*installer.Table, err error) {
	guards := map[string]string{}
	names := slices.Clone(also)
	for _, g := range by {
		for _, t := range g.Templates() {
			for _, name := range t.Writes {
				names = append(names, name)
				if t.Guard != "" {
					guards[name] = t.Guard
				}
			}
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		t, err := in.Table(ctx, name, guards[name])
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(tables, func(is *installer.Table) bool { return is.Name == t.Name }) {
			tables = append(tables, t)
		}
	}
	return tables, nil
}

// compareTable compares a table of the database that is right with that of another.
func compareTable(ctx context.Context, t *installer.Table, right, other TableReader, ahead func(guard string) bool) (*TableReport, error) {
	is, err := right.Table(ctx, t.Name, t.Guard)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(is.Columns, t.Columns) || !slices.Equal(is.Key, t.Key) {
		return nil, fmt.Errorf("table %s has the columns %v and the key %v in the database that is verified, and %v and %v in the one beside: make it as it is there",
			t.Name, t.Columns, t.Key, is.Columns, is.Key)
	}
	want, err := right.Rows(ctx, t)
	if err != nil {
		return nil, err
	}
	defer want.Close()
	got, err := other.Rows(ctx, t)
	if err != nil {
		return nil, err
	}
	defer got.Close()
	r, err := CompareRows(want, got, ahead)
	if err != nil {
		return nil, err
	}
	r.Table, r.LeftOut = t.Name, t.LeftOut
	return r, nil
}
