// Package assemblyscript tests the kit for guests written in AssemblyScript, without a host:
// under node, against the golden frames that every kit reads and makes.
package assemblyscript

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ichor-replicator/ichor/guests"
)

func TestKit(t *testing.T) {
	asc, err := guests.FindCompiler(t.Context(), guests.AssemblyScript, ".")
	if err == nil {
		_, err = exec.LookPath("node")
	}
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	vectors, err := filepath.Abs("../../abi/testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"assembly/*.ts", "testdata/*", filepath.Join(vectors, "*")} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil { // so that a cached result is never older than they are
				t.Fatal(err)
			}
		}
	}
	module := filepath.Join(t.TempDir(), "golden.wasm")
	words := append(asc.Command[1:], "testdata/golden.ts", "--runtime", "minimal", "-O3", "--exportStart", "_initialize", "-o", module)
	if said, err := exec.Command(asc.Command[0], words...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if said, err := exec.Command("node", "testdata/golden.mjs", module, vectors).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
