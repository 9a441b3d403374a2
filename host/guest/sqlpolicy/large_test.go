package sqlpolicy_test

import (
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

func TestLargeResultsAreNamed(t *testing.T) {
	for sql, want := range map[string][]string{
		"update t set a = lower($1) where b = 2": nil,
		"update t set a = repeat('x', 9) || pg_catalog.lpad(lpad(a, 3), 5) where b in (select n from generate_series(1, 9) as n)": {"generate_series", "lpad", "repeat"},
		"update t set a = mine.repeat(1) where b = 2": nil,
		"update": nil,
	} {
		if got := sqlpolicy.Large(sql); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", sql, got, want)
		}
	}
}
