package guests_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/guests"
)

var update = flag.Bool("update", false, "write the examples' modules anew")

// examples are the examples' guests, and the languages beside Go that each is written in. The modules that
// are built with compilers that not every machine has stand in their directories.
var examples = map[string][]guests.Language{
	"banking": {guests.Rust, guests.C, guests.AssemblyScript},
	"orders":  {guests.AssemblyScript},
}

// directory is where the guest of an example stands.
func directory(example string) string { return filepath.Join("../examples", example, "guest") }

// compiler skips the test where the language's compiler is missing, but not in the gate.
func compiler(t *testing.T, l guests.Language) *guests.Compiler {
	t.Helper()
	c, err := guests.FindCompiler(t.Context(), l, ".")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	return c
}

func build(t *testing.T, dir string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.wasm")
	r, err := guests.Build(t.Context(), dir, out)
	if err != nil {
		t.Fatal(err)
	}
	if r.Module != out {
		t.Errorf("it says that it wrote %s", r.Module)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func TestNewProjectsBuild(t *testing.T) {
	for _, l := range guests.Languages() {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			compiler(t, l)
			var modules [2][]byte
			for i := range modules {
				dir := filepath.Join(t.TempDir(), strings.Repeat("deeper/", i), "hello")
				if err := guests.New(l, "my-orders-2", dir, false); err != nil {
					t.Fatal(err)
				}
				modules[i] = build(t, filepath.Dir(dir)) // from the directory above it
			}
			if !bytes.Equal(modules[0], modules[1]) {
				t.Errorf("two directories give two modules, of %d and %d bytes", len(modules[0]), len(modules[1]))
			}
		})
	}
}

// A module has the manifest of its own project, also where a compiler's cache has a project with the same source and another.
func TestACopiedProjectHasItsOwnManifest(t *testing.T) {
	for _, l := range guests.Languages() {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			compiler(t, l)
			for i := range 3 {
				dir := filepath.Join(t.TempDir(), "hello")
				if err := guests.New(l, "hello", dir, false); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, "manifest.json")
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				version := fmt.Sprintf(`%d.%d.%d`, i, 1000+rand.N(9000), 1000+rand.N(9000)) // that no cache has yet
				if err := os.WriteFile(file, []byte(strings.Replace(string(text), `"1.0.0"`, `"`+version+`"`, 1)), 0o644); err != nil {
					t.Fatal(err)
				}
				wide := strings.Join(strings.Split(version, ""), "\x00") // as AssemblyScript has texts
				if module := build(t, dir); !bytes.Contains(module, []byte(version)) && !bytes.Contains(module, []byte(wide)) {
					t.Errorf("the module of version %s has not its manifest", version)
				}
			}
		})
	}
}

// TestNewProjectsOfAnyName builds projects whose names mean something to a compiler, or are no
// word of a program.
func TestNewProjectsOfAnyName(t *testing.T) {
	names := map[guests.Language][]string{
		guests.Go:   {"cmd", "std", "main", "go", "internal", "vendor", "a-", "z--9", "ichor"},
		guests.Rust: {"fn", "crate", "test", "core", "a-", "guest", "ichor-guest"},
		guests.C:    {"int", "main", "a-", strings.Repeat("x", 64)},
	}
	for l, list := range names {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			compiler(t, l)
			for i, name := range list {
				dir := filepath.Join(t.TempDir(), name)
				if err := guests.New(l, name, dir, i%2 == 1); err != nil {
					t.Fatal(err)
				}
				build(t, dir)
			}
		})
	}
}

// The name goes only where any text may stand: two projects differ in nothing else.
func TestNamesChangeNoProgram(t *testing.T) {
	for _, l := range guests.Languages() {
		for _, worked := range []bool{false, true} {
			texts := make([]map[string]string, 2)
			for i, name := range []string{"qqqq", "zz-9"} {
				dir := t.TempDir()
				if err := guests.New(l, name, dir, worked); err != nil {
					t.Fatal(err)
				}
				texts[i] = read(t, dir)
				for file, text := range texts[i] {
					program := slices.Contains([]string{".c", ".h", ".rs", ".ts", ".go"}, filepath.Ext(file))
					for line := range strings.SplitSeq(text, "\n") {
						if program && strings.Contains(line, name) && !strings.HasPrefix(line, "// ") {
							t.Errorf("%s: the name stands in %s: %s", l, file, line)
						}
					}
					if strings.Contains(text, "{{name}}") {
						t.Errorf("%s: %s is left as it was", l, file)
					}
					texts[i][file] = strings.ReplaceAll(text, name, "")
				}
			}
			if !maps.Equal(texts[0], texts[1]) {
				t.Errorf("%s: two names make two programs", l)
			}
		}
	}
}

// read returns the files of a directory.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, file))
		files[file] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestExamplesInGoAreRebuilt builds the examples in Go, which are committed nowhere, from two copies
// of their sources: whoever builds them has the same bytes.
func TestExamplesInGoAreRebuilt(t *testing.T) {
	for example := range examples {
		t.Run(example, func(t *testing.T) {
			modules := [2][]byte{build(t, copied(t, example, "")), build(t, copied(t, example, "deeper"))}
			if !bytes.Equal(modules[0], modules[1]) {
				t.Errorf("two directories give two modules, of %d and %d bytes", len(modules[0]), len(modules[1]))
			}
			if own := build(t, directory(example)); !bytes.Equal(own, modules[0]) {
				t.Errorf("the repository gives a module of %d bytes, its copy another, of %d", len(own), len(modules[0]))
			}
		})
	}
}

// copied copies an example's guest in Go with all that it imports, and returns the guest's directory.
func copied(t *testing.T, example, within string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), within, "ichor")
	for _, part := range []string{"abi", "guests", filepath.Join("examples", example, "guest")} {
		if err := os.CopyFS(filepath.Join(root, part), os.DirFS(filepath.Join("..", part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(root, "examples", example, "guest")
}

// TestExamplesAreRebuilt compares the modules of the other languages, which are committed, with
// what their sources give.
func TestExamplesAreRebuilt(t *testing.T) {
	for example, languages := range examples {
		for _, l := range languages {
			t.Run(example+"/"+string(l), func(t *testing.T) {
				t.Parallel()
				if c := compiler(t, l); !c.Pinned {
					t.Skipf("%v is %s, the example was built by another version: its bytes differ", c.Command, c.Version)
				}
				rebuild(t, example, l)
			})
		}
	}
}

func rebuild(t *testing.T, example string, l guests.Language) {
	t.Helper()
	module := build(t, assemble(t, example, l))
	file := filepath.Join(directory(example), example+"-"+string(l)+".wasm")
	if *update {
		if err := os.WriteFile(file, module, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, module) {
		t.Errorf("%s is of %d bytes, its sources give others, of %d bytes; if that is meant, go test ./guests -update", file, len(committed), len(module))
	}
}

// assemble makes a project of an example's sources, its manifest and its language's kit.
func assemble(t *testing.T, example string, l guests.Language) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(directory(example), string(l)))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(directory(example), "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := guests.WriteKit(l, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNewRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		l              guests.Language
		name, dir, why string
	}{
		{"cobol", "hello", t.TempDir(), "no language"},
		{guests.Go, "Hello", t.TempDir(), "small letters"},
		{guests.Go, "../x", t.TempDir(), "small letters"},
		{guests.C, "", t.TempDir(), "small letters"},
		{guests.C, "hello", full, "not empty"},
	} {
		err := guests.New(test.l, test.name, test.dir, false)
		var refused *guests.ProjectError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.why) {
			t.Errorf("%s %q: %v, want it to say %q", test.l, test.name, err, test.why)
		}
	}
}

func TestNewWritesAProject(t *testing.T) {
	want := map[guests.Language][]string{
		guests.Go:             {".gitignore", "README.md", "go.mod", "main.go", "main_test.go", "manifest.json", "ichor/go.mod", "ichor/abi/abi.go", "ichor/guests/go/guest.go"},
		guests.Rust:           {".gitignore", "README.md", "Cargo.toml", "guest.rs", "manifest.json", "ichor/Cargo.toml", "ichor/src/lib.rs"},
		guests.C:              {".gitignore", "README.md", "guest.c", "manifest.json", "ichor.h"},
		guests.AssemblyScript: {".gitignore", "README.md", "guest.ts", "manifest.json", "package.json", "ichor/manifest.mjs", "ichor/assembly/index.ts"},
	}
	for _, l := range guests.Languages() {
		dir := t.TempDir()
		if err := guests.New(l, "hello-you", dir, false); err != nil {
			t.Fatal(err)
		}
		var files []string
		err := fs.WalkDir(os.DirFS(dir), ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files = append(files, file)
			text, err := os.ReadFile(filepath.Join(dir, file))
			if bytes.Contains(text, []byte("{{name}}")) || strings.HasSuffix(file, "_test.go") != (file == "main_test.go") {
				t.Errorf("%s: %s is left as it was", l, file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range want[l] {
			if !slices.Contains(files, file) {
				t.Errorf("%s: there is no %s among %v", l, file, files)
			}
		}
		if module, err := guests.ModuleOf(dir); err != nil || filepath.Base(module) != "hello-you.wasm" {
			t.Errorf("%s: its module is %s, %v", l, module, err)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	var none *guests.ProjectError
	if _, _, err := guests.Find(dir); !errors.As(err, &none) || !strings.Contains(err.Error(), "ichor guest new") {
		t.Errorf("an empty directory: %v", err)
	}
	if _, _, err := guests.Find(filepath.Join(dir, "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := guests.New(guests.C, "one", filepath.Join(dir, "one"), false); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{dir, filepath.Join(dir, "one")} {
		if found, l, err := guests.Find(from); err != nil || l != guests.C || found != filepath.Join(dir, "one") {
			t.Errorf("from %s: %s, %s, %v", from, found, l, err)
		}
	}
	if err := guests.New(guests.Rust, "two", filepath.Join(dir, "two"), false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := guests.Find(dir); !errors.As(err, &none) || !strings.Contains(err.Error(), "one, two") {
		t.Errorf("two projects: %v", err)
	}
}

func TestMissingCompilers(t *testing.T) {
	t.Setenv("PATH", "")
	for l, words := range map[guests.Language][]string{
		guests.Go:             {"ICHOR_GO", "install Go"},
		guests.Rust:           {"ICHOR_RUSTC", "rustup target add wasm32-unknown-unknown"},
		guests.C:              {"ICHOR_ZIG", "pip install ziglang==0.15.2"},
		guests.AssemblyScript: {"ICHOR_ASC", "assemblyscript@0.28.20"},
	} {
		t.Setenv(words[0], filepath.Join(t.TempDir(), "nothing"))
		dir := t.TempDir()
		if err := guests.New(l, "hello", dir, false); err != nil {
			t.Fatal(err)
		}
		_, err := guests.Build(t.Context(), dir, "")
		var missing *guests.MissingCompiler
		if !errors.As(err, &missing) || missing.Language != l {
			t.Fatalf("%s: %v", l, err)
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", l, err, word)
			}
		}
	}
}

func TestCompileErrorsAreTheCompilers(t *testing.T) {
	compiler(t, guests.Go)
	dir := t.TempDir()
	if err := guests.New(guests.Go, "hello", dir, false); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.go"), []byte("package main\n\nvar x = y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := guests.Build(t.Context(), dir, "")
	var bad *guests.CompileError
	if !errors.As(err, &bad) || !strings.Contains(bad.Output, "bad.go:3") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "hello.wasm")); err == nil {
		t.Error("it left a module")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := guests.Build(ctx, dir, ""); err == nil {
		t.Error("it built after its context ended")
	}
}

// A manifest is read before a compiler runs, and what is wrong with it said with its line.
func TestManifestIsReadFirst(t *testing.T) {
	t.Setenv("PATH", "")
	dir := t.TempDir()
	if err := guests.New(guests.C, "hello", dir, false); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "manifest.json")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"{": "manifest.json: manifest: line 1: ",
		strings.Replace(string(good), `"guard"`, `"gaurd"`, 1): `line 14: templates[0].gaurd: unknown field "gaurd": did you mean "guard"?`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := guests.Build(t.Context(), dir, "")
		var bad *guests.ProjectError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
