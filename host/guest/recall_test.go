package guest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

// TestAllowedSQLIsAllowedAgain counts verdicts in the cache folder: one for each policy under
// which the module was loaded, none under which it was refused.
func TestAllowedSQLIsAllowedAgain(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	load := func(name string, policy sqlpolicy.Policy) error {
		binary, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		g, err := Load(context.Background(), name, binary, Options{Instances: 1, CacheDir: cache, SQL: policy}, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
		if err == nil {
			err = g.Close(context.Background())
		}
		return err
	}
	verdicts := func() []string {
		files, err := filepath.Glob(filepath.Join(cache, "allowed-*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	refused := func(err error) bool {
		var e *LoadError
		return errors.As(err, &e) && e.Step == StepSQL
	}
	elsewhere := sqlpolicy.Policy{Relations: []string{"elsewhere.*"}}
	for range 2 {
		if err := load("has_a_vector", sqlpolicy.Policy{}); err != nil {
			t.Fatal(err)
		}
		if err := load("has_a_vector", elsewhere); !refused(err) {
			t.Errorf("under another policy: %v", err)
		}
		if err := load("declares_a_commit", sqlpolicy.Policy{}); !refused(err) {
			t.Errorf("a commit: %v", err)
		}
		if files := verdicts(); len(files) != 1 {
			t.Fatalf("%d verdicts are remembered, want 1", len(files))
		}
	}
	// What is remembered counts: were it under the other policy's name, it would be believed.
	g := &Generation{options: Options{CacheDir: cache, SQL: elsewhere}}
	binary, err := os.ReadFile("testdata/has_a_vector.wasm")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(context.Background(), "x", binary, Options{Instances: 1}, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	g.manifest = loaded.Manifest()
	allowed, err := g.allowedSQL()
	if err != nil || allowed.known() {
		t.Fatal("it is known beforehand, or:", err)
	}
	if err := errors.Join(allowed.keep(), load("has_a_vector", elsewhere), loaded.Close(context.Background())); err != nil {
		t.Errorf("what is remembered is asked again: %v", err)
	}
}

// TestVerdictsWithoutACache are never known, and lost without a word.
func TestVerdictsWithoutACache(t *testing.T) {
	v := (&Generation{}).verdict("allowed", []byte("a"))
	if err := v.keep(); err != nil || v.known() {
		t.Errorf("%v, known: %v", err, v.known())
	}
	g := &Generation{options: Options{CacheDir: t.TempDir()}}
	if g.verdict("a", []byte("b"), []byte("c")) == g.verdict("a", []byte("bc")) {
		t.Error("parts run into one another")
	}
	gone := (&Generation{options: Options{CacheDir: filepath.Join(t.TempDir(), "gone")}}).verdict("a")
	if err := gone.keep(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is gone: %v", err)
	}
}

// TestRulesAreAllTheSource looks for a file of the policy's that is left out.
func TestRulesAreAllTheSource(t *testing.T) {
	files, err := filepath.Glob("sqlpolicy/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no source", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ruling := !strings.HasSuffix(file, "_test.go") && filepath.Base(file) != "values.go" // it is for run time
		if strings.Contains(string(sqlpolicy.Rules()), string(text)) != ruling {
			t.Errorf("%s: part of the rules: %v, want %v", file, !ruling, ruling)
		}
	}
}
