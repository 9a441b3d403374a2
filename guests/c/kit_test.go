// Package c tests the kit for guests written in C, without a host: natively, against the
// golden frames that every kit reads and makes.
package c

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const vectors = "../../abi/testdata"

// program builds the test program, with every warning an error and what else finds faults.
func program(t *testing.T) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no C compiler: apt-get install gcc libc6-dev")
		}
		t.Skip("no C compiler: apt-get install gcc libc6-dev")
	}
	for _, source := range []string{"ichor.h", "testdata/golden.c"} {
		if _, err := os.ReadFile(source); err != nil { // so that a cached result is never older than they are
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "golden")
	build := exec.Command(cc, "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover=all", "-o", out, "testdata/golden.c")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return out
}

func run(t *testing.T, program string, words ...string) string {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(program, words...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", words, err, said.Bytes())
	}
	return string(out)
}

func TestGoldenFrames(t *testing.T) {
	golden := program(t)
	inputs, err := filepath.Glob(filepath.Join(vectors, "input-*.hex"))
	if err != nil || len(inputs) < 4 {
		t.Fatal("golden vectors are missing", err)
	}
	for _, path := range inputs {
		t.Run(filepath.Base(path), func(t *testing.T) {
			frame := filepath.Join(t.TempDir(), "frame")
			if err := os.WriteFile(frame, unhex(t, path), 0o600); err != nil {
				t.Fatal(err)
			}
			compare(t, run(t, golden, "input", frame), strings.TrimSuffix(path, ".hex")+".txt")
		})
	}
	for _, which := range []string{"some", "empty"} {
		t.Run("output-"+which, func(t *testing.T) {
			compare(t, run(t, golden, which), filepath.Join(vectors, "output-"+which+".hex"))
		})
	}
}

func TestTexts(t *testing.T) { run(t, program(t), "texts") }

func unhex(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func compare(t *testing.T, got, path string) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it is not %s\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
