package guest

import (
	"errors"
	"testing"

	"github.com/tetratelabs/wazero/api"
)

// otherFunction is a function of another version of wazero: its stack is called something else.
type otherFunction struct {
	api.Function
}

// TestStackThatIsNotWazeros refuses what it does not know, rather than to write anywhere.
func TestStackThatIsNotWazeros(t *testing.T) {
	s, err := newStack()
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	for _, f := range []api.Function{nil, otherFunction{}, &otherFunction{}} {
		if err := s.lend(f); !errors.Is(err, errForeignStack) {
			t.Errorf("a %T took the stack: %v", f, err)
		}
	}
}
