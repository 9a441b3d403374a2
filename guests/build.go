package guests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ichor-replicator/ichor/abi"
)

const rustTarget = "wasm32-unknown-unknown"

// Result is what Build made.
type Result struct {
	Language Language
	Module   string // the file
	Compiler *Compiler
}

// CompileError is what a compiler did not like.
type CompileError struct {
	Command string
	Output  string // the compiler's own words
	Err     error
}

// Error implements error.
func (e *CompileError) Error() string {
	return fmt.Sprintf("%s: %v\n%s", e.Command, e.Err, e.Output)
}

// Unwrap returns the cause.
func (e *CompileError) Unwrap() error { return e.Err }

// ModuleOf returns the file that Build makes of the project in dir by default: the manifest's
// name, with .wasm, in the project's directory.
func ModuleOf(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifest))
	if err != nil {
		return "", err
	}
	var m struct{ Name string }
	if err := json.Unmarshal(text, &m); err != nil {
		return "", &ProjectError{dir, fmt.Sprintf("%s is no JSON: %v", manifest, err)}
	}
	if !names.MatchString(m.Name) {
		m.Name = "guest"
	}
	return filepath.Join(dir, m.Name+".wasm"), nil
}

// checkManifest reads the project's manifest as a host would, to say what is wrong with it
// before a compiler runs.
func checkManifest(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, manifest))
	if err != nil {
		return err
	}
	if _, err := abi.DecodeManifest(text); err != nil {
		return &ProjectError{filepath.Join(dir, manifest), err.Error()}
	}
	return nil
}

// Build compiles the project in dir, see Find, with its language's recipe: the same sources
// and the same version of the compiler give the same bytes in any directory, but for a Go package
// within a larger module, whose path in that is among them. It writes the
// module to the file out, or where ModuleOf says if out is empty. It returns a *ProjectError,
// a *MissingCompiler or a *CompileError.
func Build(ctx context.Context, dir, out string) (*Result, error) {
	dir, l, err := Find(dir)
	if err != nil {
		return nil, err
	}
	if err := checkManifest(dir); err != nil {
		return nil, err
	}
	if out == "" {
		if out, err = ModuleOf(dir); err != nil {
			return nil, err
		}
	}
	// Compilers run in the project's directory, so what is written elsewhere is named in full.
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	compiler, err := FindCompiler(ctx, l, dir)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "ichor-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	module := filepath.Join(temp, "guest.wasm")
	b := builder{dir, temp, compiler.Command}
	recipe := map[Language]func(context.Context, string) error{Go: b.golang, Rust: b.rust, C: b.c, AssemblyScript: b.assemblyScript}[l]
	if err := recipe(ctx, module); err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(module)
	if err != nil {
		return nil, err
	}
	return &Result{l, out, compiler}, os.WriteFile(out, binary, 0o644)
}

// builder holds what the recipes need.
type builder struct {
	dir, temp string
	compiler  []string
}

// run runs the compiler in the project's directory.
func (b *builder) run(ctx context.Context, environment []string, words ...string) error {
	return b.command(ctx, append(b.compiler[:len(b.compiler):len(b.compiler)], words...), environment)
}

func (b *builder) command(ctx context.Context, words, environment []string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), environment...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return &CompileError{filepath.Base(words[0]) + " in " + b.dir, strings.TrimSpace(said.String()), err}
	}
	return nil
}

func (b *builder) golang(ctx context.Context, module string) error {
	return b.run(ctx, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWASM=", "GOWORK=off"},
		"build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", module, ".")
}

// rust calls rustc alone: cargo of one release cannot read what another wrote, and a kit
// without dependencies does not need it.
func (b *builder) rust(ctx context.Context, module string) error {
	library := filepath.Join(b.temp, "libichor_guest.rlib")
	common := func(words ...string) []string {
		return append([]string{
			"--edition", "2021", "--target", rustTarget, "-C", "opt-level=3", "-C", "codegen-units=1", "-C", "panic=abort",
			"--remap-path-prefix=" + b.dir + "=/guest", "--remap-path-prefix=" + b.temp + "=/build",
		}, words...)
	}
	if err := b.run(ctx, nil, common("--crate-name", "ichor_guest", "--crate-type", "rlib", "-o", library, "ichor/src/lib.rs")...); err != nil {
		return b.linker(err)
	}
	return b.linker(b.run(ctx, nil, common("-C", "lto=fat", "-C", "strip=symbols", "--crate-name", "guest", "--crate-type", "cdylib",
		"--extern", "ichor_guest="+library, "-o", module, Rust.main())...))
}

// linker tells a missing linker, which Debian has in a package of its own, from an error of
// the sources.
func (b *builder) linker(err error) error {
	var e *CompileError
	if errors.As(err, &e) && strings.Contains(e.Output, "linker `rust-lld` not found") {
		return &MissingCompiler{Rust, missing[Rust]}
	}
	return err
}

// c tells the compiler what all files of the project are: its cache, one for a user's projects, counts what a source includes and
// not what it embeds, and gave a project with the same source the manifest of another.
func (b *builder) c(ctx context.Context, module string) error {
	sum, err := sources(b.dir)
	if err != nil {
		return err
	}
	return b.run(ctx, nil, "cc", "-DICHOR_SOURCES="+sum, "--target=wasm32-freestanding", "-std=c23", "-O2", "-nostdlib", "-ffreestanding", "-mcpu=generic+bulk_memory",
		"-Wall", "-Wextra", "-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=65536", "-o", module, C.main())
}

// sources returns the SHA-256 of the names and contents of all files of a project, but for modules.
func sources(dir string) (string, error) {
	sum, project := sha256.New(), os.DirFS(dir)
	err := fs.WalkDir(project, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != ".":
			return fs.SkipDir
		case !entry.Type().IsRegular() || filepath.Ext(path) == ".wasm":
			return nil
		}
		text, err := fs.ReadFile(project, path)
		if err == nil {
			_, err = fmt.Fprintf(sum, "%q %d %s", path, len(text), text)
		}
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// assemblyScript turns the manifest into a source first, since the language reads no files.
// --noAssert is left out: an assertion of a guest's author is there to be kept.
func (b *builder) assemblyScript(ctx context.Context, module string) error {
	if err := b.command(ctx, []string{"node", "ichor/manifest.mjs", manifest, "manifest.ts"}, nil); err != nil {
		return err
	}
	return b.run(ctx, nil, AssemblyScript.main(), "--runtime", "minimal", "-O3", "--exportStart", "_initialize", "-o", module)
}
