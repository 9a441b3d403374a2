package sqlpolicy

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
)

// TestNestedTooDeep gives the parser what ends it, in a process of its own. It must not end the
// process, and nothing that the parser says afterwards may be believed.
func TestNestedTooDeep(t *testing.T) {
	const variable = "ICHOR_TEST_NESTED"
	if os.Getenv(variable) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNestedTooDeep$")
		again.Env = append(os.Environ(), variable+"=1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	deep := strings.Repeat("case when ", 600) + "b = 1" + strings.Repeat(" then b=2 else b=3 end", 600)
	template := abi.Template{ID: 1, Name: "it", SQL: "update t set a = 1 where " + deep, Writes: []string{"t"}}
	err := Policy{}.Check([]abi.Template{template})
	if err == nil || !strings.Contains(err.Error(), "nested too deep") {
		t.Errorf("got %v, want that it is nested too deep", err)
	}
	template.SQL = "update t set a = 1 where b = 1"
	if err := (Policy{}).Check([]abi.Template{template}); err == nil {
		t.Error("the parser is believed after it failed")
	}
}
