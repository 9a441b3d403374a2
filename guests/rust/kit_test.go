// Package rust tests the kit for guests written in Rust, without a host: natively, against
// the golden frames that every kit reads and makes.
package rust

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestKit(t *testing.T) {
	rustc, err := exec.LookPath("rustc")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no Rust compiler: apt-get install rustc, or rustup")
		}
		t.Skip("no Rust compiler: apt-get install rustc, or rustup")
	}
	sources, err := filepath.Glob("src/*.rs")
	if err != nil || len(sources) < 5 {
		t.Fatal("the sources are missing", err)
	}
	vectors, err := filepath.Abs("../../abi/testdata")
	if err != nil {
		t.Fatal(err)
	}
	frames, err := filepath.Glob(filepath.Join(vectors, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(sources, frames...) {
		if _, err := os.ReadFile(file); err != nil { // so that a cached result is never older than they are
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "golden")
	if said, err := exec.Command(rustc, "--edition", "2021", "--test", "--crate-name", "ichor_guest", "-D", "warnings", "-o", out, "src/lib.rs").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	tests := exec.Command(out)
	tests.Env = append(os.Environ(), "ICHOR_VECTORS="+vectors)
	if said, err := tests.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
