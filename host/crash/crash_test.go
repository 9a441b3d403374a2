package crash_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/crash"
)

// What is in the list stands in the code, once, and what stands in the code is in the list.
func TestEveryPointIsInTheListAndInTheCode(t *testing.T) {
	var used []string
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || f.Sel.Name != "At" {
				return true
			}
			if of, ok := f.X.(*ast.Ident); !ok || of.Name != "crash" {
				return true
			}
			name, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: a point whose name is not written there", file)
				return true
			}
			text, err := strconv.Unquote(name.Value)
			if err != nil {
				t.Errorf("%s: %s: %v", file, name.Value, err)
			}
			used = append(used, text)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(used)
	if want := slices.Sorted(slices.Values(crash.Points)); !slices.Equal(used, want) {
		t.Errorf("the code has the points %q, the list has %q", used, want)
	}
}

// Only a binary that was built for it ends itself.
func TestWithoutTheTagNothingHappens(t *testing.T) {
	if crash.Compiled {
		return // the test of point_test.go is run instead
	}
	t.Setenv(crash.Variable, "taken:1")
	crash.At("taken")
}

// With the tag the test of point_test.go passes. The binary of this test was built without it.
func TestWithTheTagTheProcessEnds(t *testing.T) {
	if crash.Compiled {
		return
	}
	tagged := exec.CommandContext(t.Context(), "go", "test", "-tags", "crashpoints", "-run", "ThePassThatIsNamed", "-v", ".")
	tagged.Env = os.Environ()
	text, err := tagged.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "--- PASS: TestTheProcessEndsAtThePassThatIsNamed") {
		t.Errorf("%v: %s", err, text)
	}
}
