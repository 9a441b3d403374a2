//go:build crashpoints && unix

package crash_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/ichor-replicator/ichor/host/crash"
)

// TestTheProcessEndsAtThePassThatIsNamed runs itself once more, as a process that passes a point four times
// and another one between.
func TestTheProcessEndsAtThePassThatIsNamed(t *testing.T) {
	if os.Getenv(crash.Variable) != "" {
		for pass := range 4 {
			fmt.Println("pass", pass+1)
			crash.At("answered")
			crash.At("taken")
		}
		return
	}
	for at, want := range map[string]int{"answered:3": 3, "answered:1": 1, "taken:4": 4, "answered:5": 0, "before-commit:1": 0} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "ThePassThatIsNamed")
		child.Env = append(os.Environ(), crash.Variable+"="+at)
		text, err := child.Output()
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		passes := strings.Count(string(text), "pass ")
		if killed != (want != 0) || want != 0 && passes != want {
			t.Errorf("%s: killed %t after %d passes, want %d: %v", at, killed, passes, want, err)
		}
	}
}
