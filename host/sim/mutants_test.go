package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutantsStillApply: the text that each mutant replaces stands once in its file.
func TestMutantsStillApply(t *testing.T) {
	names := map[string]bool{}
	for _, m := range Mutants {
		source, err := os.ReadFile(filepath.Join("../..", m.File))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), m.Old); n != 1 {
			t.Errorf("%s: %s has its text %d times", m.Name, m.File, n)
		}
		if names[m.Name] || m.Breaks == "" {
			t.Errorf("%s: it has no name of its own, or does not say what it breaks", m.Name)
		}
		names[m.Name] = true
	}
	if len(Mutants) < 30 {
		t.Errorf("there are %d mutants", len(Mutants))
	}
}
