package guest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

// memory is a database of passes.
type memory struct {
	kept  map[string]string
	asked int
	fails error
}

func (m *memory) Passed(_ context.Context, check string) (bool, error) {
	m.asked++
	return m.kept[check] != "", m.fails
}

func (m *memory) KeepPassed(_ context.Context, check, guest, digest string) error {
	if m.fails == nil {
		m.kept[check] = guest + " " + digest
	}
	return m.fails
}

func loadFixture(t *testing.T, name string, options Options) error {
	t.Helper()
	binary, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	options.Instances = 1
	g, err := Load(context.Background(), name, binary, options, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err == nil {
		err = g.Close(context.Background())
	}
	return err
}

// newFixture makes a generation of a module, which is not loaded.
func newFixture(t *testing.T, name string, options Options) *Generation {
	t.Helper()
	binary, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGeneration(name, binary, options, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func refusedAt(err error, step Step) bool {
	var e *LoadError
	return errors.As(err, &e) && e.Step == step
}

func TestWhatPassedIsNotCheckedAgain(t *testing.T) {
	passes := &memory{kept: map[string]string{}}
	options := Options{CacheDir: filepath.Join(t.TempDir(), "cache"), Passes: passes}
	elsewhere := options
	elsewhere.SQL = sqlpolicy.Policy{Relations: []string{"elsewhere.*"}}
	for range 2 {
		if err := loadFixture(t, "has_a_vector", options); err != nil {
			t.Fatal(err)
		}
		if err := loadFixture(t, "has_a_vector", elsewhere); !refusedAt(err, StepSQL) {
			t.Errorf("under another policy: %v", err)
		}
		if err := loadFixture(t, "declares_a_commit", options); !refusedAt(err, StepSQL) {
			t.Errorf("a commit: %v", err)
		}
		if len(passes.kept) != 1 {
			t.Fatalf("%d passes are kept, want 1: %v", len(passes.kept), passes.kept)
		}
	}
	// What is kept counts: were it under the other policy's name, it would be believed.
	passes.kept[newFixture(t, "has_a_vector", elsewhere).checkName()] = "planted"
	if err := loadFixture(t, "has_a_vector", elsewhere); err != nil {
		t.Errorf("what is kept is checked again: %v", err)
	}
}

// TestADatabaseThatDoesNotAnswerCostsTimeAlone loads without knowing what passed.
func TestADatabaseThatDoesNotAnswerCostsTimeAlone(t *testing.T) {
	passes := &memory{kept: map[string]string{}, fails: errors.New("no database")}
	options := Options{CacheDir: filepath.Join(t.TempDir(), "cache"), Passes: passes}
	if err := loadFixture(t, "has_a_vector", options); err != nil {
		t.Errorf("a good guest: %v", err)
	}
	if err := loadFixture(t, "declares_a_commit", options); !refusedAt(err, StepSQL) {
		t.Errorf("a commit: %v", err)
	}
	if passes.asked != 2 {
		t.Errorf("it was asked %d times", passes.asked)
	}
}

// TestACheckIsNamedByWhatItDependsOn compares names: those of other limits and policies
// differ, those of other places and times do not.
func TestACheckIsNamedByWhatItDependsOn(t *testing.T) {
	name := func(module string, options Options) string {
		g, err := newGeneration("x", []byte(module), options, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
		if err != nil {
			t.Fatal(err)
		}
		return g.checkName()
	}
	base := name("a", Options{})
	for what, other := range map[string]string{
		"another module": name("b", Options{}),
		"another policy": name("a", Options{SQL: sqlpolicy.Policy{Unbounded: true}}),
		"less fuel":      name("a", Options{FuelCall: 1}),
		"less memory":    name("a", Options{MemoryPages: 16}),
		"less output":    name("a", Options{OutputBytes: 1 << 10}),
	} {
		if other == base {
			t.Errorf("%s has the same name", what)
		}
	}
	for what, other := range map[string]string{
		"more instances":   name("a", Options{Instances: 3}),
		"a cache":          name("a", Options{CacheDir: "/x"}),
		"padding":          name("a", Options{Padding: 8}),
		"a clock":          name("a", Options{Clock: func() int64 { return 1 }}),
		"a process":        name("a", Options{Child: Child{Command: []string{"x"}}}),
		"default, spelled": name("a", Options{FuelCall: DefaultFuelCall}),
	} {
		if other != base {
			t.Errorf("%s has another name", what)
		}
	}
	if nameOf([]byte("b"), []byte("c")) == nameOf([]byte("bc")) {
		t.Error("parts run into one another")
	}
}
