package proof_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest/fuel/proof"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

var names = proof.Names{Module: "ichor_fuel", Yield: "yield", Global: "ichor_fuel"}

func check(t *testing.T, name string) (int64, error) {
	t.Helper()
	binary, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(binary)
	if err != nil {
		t.Fatal(err)
	}
	return proof.Check(m, names)
}

// TestCheckRefuses has modules as a wrong rewriter might make them, each named by its deed.
func TestCheckRefuses(t *testing.T) {
	tested := map[string]bool{"comes_back": true}
	for _, test := range []struct{ deed, says string }{
		{"loops_without_a_check", "a loop that is not charged where it begins"},
		{"loops_with_a_charge_alone", "a loop that is not checked where it begins"},
		{"pays_too_little_for_a_turn", "a turn of a loop works 1 units more than it pays for"},
		{"calls_a_leaf_in_a_straight_line", "units of work without a check, at most 100000 are allowed"},
		{"calls_a_leaf_through_a_table", "units of work without a check, at most 100000 are allowed"},
		{"calls_itself_without_a_check", "a call that may lead back here, without a check since the entry"},
		{"calls_itself_through_a_table", "a call that may lead back here, without a check since the entry"},
		{"works_on_its_way_back", "it may be called again before it returns, and"},
		{"fills_its_memory_unpaid", "whose size is not charged"},
		{"fills_a_table_for_too_little", "charged with 31 units for what costs 32"},
		{"refers_to_a_function", "code makes a reference to a function"},
		{"has_a_table_without_an_end", "table 0 may grow without end"},
		{"has_a_table_with_a_far_end", "table 0 may grow without end"},
		{"sets_its_fuel", "the fuel is set"},
		{"reads_its_fuel", "the fuel is read, and not to be counted down"},
		{"adds_to_its_fuel", "the fuel is changed in another way than by charging"},
		{"gives_back_what_it_never_took", "the fuel is changed in another way than by charging"},
		{"gives_back_and_goes_on", "the fuel is changed in another way than by charging"},
		{"gives_back_outside_a_loop", "a yield that is followed by a branch, not at the head of a loop"},
		{"checks_for_another_bound", "the fuel is changed in another way than by charging"},
		{"has_its_fuel_under_two_names", "export x is the fuel under another name"},
		{"yields_without_a_check", "the yield is called without a check"},
		{"has_its_yield_in_a_table", "function 0, the yield, can be in a table"},
		{"works_unpaid", "it works 1001 units more than it pays for"},
	} {
		t.Run(test.deed, func(t *testing.T) {
			tested[test.deed] = true
			if _, err := check(t, test.deed); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q in it", err, test.says)
			}
		})
	}
	files, err := filepath.Glob("testdata/*.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".wasm"); !tested[name] {
			t.Errorf("no test looks at %s", name)
		}
	}
}

// TestCheck has one that does all of it rightly.
func TestCheck(t *testing.T) {
	longest, err := check(t, "comes_back")
	if err != nil {
		t.Fatal(err)
	}
	if longest <= 0 || longest > proof.Longest {
		t.Errorf("the longest way between two checks has %d units", longest)
	}
}

// TestCheckWantsItsNames gives it modules without fuel.
func TestCheckWantsItsNames(t *testing.T) {
	m, err := wasm.Decode([]byte("\x00asm\x01\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Check(m, names); err == nil || !strings.Contains(err.Error(), "want one of each") {
		t.Errorf("a module without fuel: %v", err)
	}
}
