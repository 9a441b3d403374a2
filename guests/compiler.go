package guests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// MissingCompiler says that a language's compiler was not found, and how to get it.
type MissingCompiler struct {
	Language Language
	What     string
}

// Error implements error.
func (e *MissingCompiler) Error() string { return e.What }

// missing are the sentences of MissingCompiler.
var missing = map[Language]string{
	Go:             "no Go compiler: install Go 1.26 or newer, or set ICHOR_GO to its go command",
	Rust:           "no Rust compiler with wasm32-unknown-unknown: rustup target add wasm32-unknown-unknown, or (Debian) apt-get install rustc libstd-rust-dev-wasm32 lld, or set ICHOR_RUSTC to such a rustc",
	C:              "no C compiler for wasm32: pip install ziglang==0.15.2, or set ICHOR_ZIG to a zig",
	AssemblyScript: "no AssemblyScript compiler: npm install in the project's directory, or npm install --global assemblyscript@0.28.20, or set ICHOR_ASC to its asc",
}

// pinned are the versions whose bytes the project answers for.
var pinned = map[Language]string{Go: "1.26.8", Rust: "1.63.0", C: "0.15.2", AssemblyScript: "0.28.20"}

// Pinned returns the version of a language's compiler whose bytes the project answers for.
func Pinned(l Language) string { return pinned[l] }

// Compiler is a compiler that was found.
type Compiler struct {
	Command []string // with what must come before the arguments
	Version string   // such as 1.63.0
	Pinned  bool     // whether it is the one whose bytes are known
}

// FindCompiler looks for the compiler of a language for the project in dir: where the
// environment says (ICHOR_GO, ICHOR_RUSTC, ICHOR_ZIG, ICHOR_ASC), in the project, then on the
// path. It returns a *MissingCompiler if there is none.
func FindCompiler(ctx context.Context, l Language, dir string) (*Compiler, error) {
	for _, command := range candidates(l, dir) {
		version, ok := ask(ctx, l, dir, command)
		if !ok {
			continue
		}
		return &Compiler{Command: command, Version: version, Pinned: version == pinned[l]}, nil
	}
	return nil, &MissingCompiler{l, missing[l]}
}

// candidates are the commands that may be a compiler. What the environment names is the only
// one then: to look further would build with something else than was asked for.
func candidates(l Language, dir string) [][]string {
	named := func(variable string, others ...[]string) [][]string {
		if command := os.Getenv(variable); command != "" {
			return [][]string{{command}}
		}
		return others
	}
	switch l {
	case Go:
		return named("ICHOR_GO", []string{"go"})
	case Rust:
		return named("ICHOR_RUSTC", []string{"rustc"}, []string{"/usr/bin/rustc"})
	case C:
		return named("ICHOR_ZIG", []string{"python3", "-m", "ziglang"}, []string{"zig"})
	default:
		return named("ICHOR_ASC", []string{filepath.Join(dir, "node_modules/.bin/asc")}, []string{"asc"})
	}
}

var number = regexp.MustCompile(`[0-9]+\.[0-9]+\.[0-9]+`)

// ask asks a compiler for its version, and whether it can compile for WebAssembly.
func ask(ctx context.Context, l Language, dir string, command []string) (version string, ok bool) {
	say := func(words ...string) string {
		cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], words...)...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	switch l {
	case Go:
		version = say("env", "GOVERSION")
	case Rust:
		version = say("--version")
		if directory := say("--print", "target-libdir", "--target", rustTarget); directory == "" || !holdsLibraries(directory) {
			return "", false
		}
	case C:
		version = say("version")
	default:
		version = say("--version")
	}
	version = number.FindString(version)
	return version, version != ""
}

// holdsLibraries reports whether the standard library is there: rustc names the directory
// whether or not it exists.
func holdsLibraries(directory string) bool {
	libraries, err := filepath.Glob(filepath.Join(directory, "*.rlib"))
	return err == nil && len(libraries) > 0
}
