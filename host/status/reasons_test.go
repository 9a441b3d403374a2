package status

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table of reasons in the README")

// The README's table is this list.
func TestTheReadmeHasEveryReason(t *testing.T) {
	const readme, begin, end = "../../README.md", "<!-- reasons: go test ./host/status -update -->\n", "<!-- end of reasons -->"
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("the README lacks %q or %q", begin, end)
	}
	var table strings.Builder
	if err := Table(&table); err != nil {
		t.Fatal(err)
	}
	want := before + begin + table.String() + end + after
	switch {
	case want == string(text):
	case *update:
		if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the README's table of reasons is not the list in reasons.go: run go test ./host/status -update")
	}
}
