// Package guests holds the kits for guests in all languages, and makes projects of them:
// New writes one, Build compiles it with the pinned recipe of its language. A project holds
// a copy of its kit and builds without a network, given its compiler.
package guests

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/abi"
)

// Language is what a guest is written in.
type Language string

// The languages.
const (
	Go             Language = "go"
	Rust           Language = "rust"
	C              Language = "c"
	AssemblyScript Language = "assemblyscript"
)

// Languages returns all of them.
func Languages() []Language { return []Language{Go, Rust, C, AssemblyScript} }

// main is the file that makes a directory a project of the language.
func (l Language) main() string {
	return map[Language]string{Go: "main.go", Rust: "guest.rs", C: "guest.c", AssemblyScript: "guest.ts"}[l]
}

//go:embed go/*.go go/guesttest/*.go c/ichor.h rust/Cargo.toml rust/src assemblyscript/assembly assemblyscript/manifest.mjs
var kits embed.FS

//go:embed scaffold
var scaffolds embed.FS

// ProjectError is why a directory is no project, or none can be made of it.
type ProjectError struct {
	Dir string
	Why string
}

// Error implements error.
func (e *ProjectError) Error() string { return e.Dir + ": " + e.Why }

var names = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// placeholder stands in the files of a scaffold for the guest's name. No word of a program is
// like it, and a name may have hyphens: it goes only where any text may stand.
const placeholder = "{{name}}"

// New writes a project into the directory dir, which must be empty or not there: a guest that
// builds and passes its tests as it is, with its kit. It is a small one, or the worked
// example with arrays, numbers and nesting. The name becomes the guest's. It returns a
// *ProjectError for a name or a directory that will not do.
func New(l Language, name, dir string, worked bool) error {
	if !slices.Contains(Languages(), l) {
		var words []string
		for _, known := range Languages() {
			words = append(words, string(known))
		}
		return &ProjectError{dir, fmt.Sprintf("no language %q: there are %s", l, strings.Join(words, ", "))}
	}
	if !names.MatchString(name) {
		return &ProjectError{dir, fmt.Sprintf("the name %q is not of small letters, digits and hyphens, a letter first", name)}
	}
	if old, err := os.ReadDir(dir); err == nil && len(old) > 0 {
		return &ProjectError{dir, "the directory is not empty"}
	}
	if err := writeScaffold(path.Join("scaffold", string(l)), name, dir); err != nil {
		return err
	}
	if worked { // over what the small one has of the same names
		for _, part := range []string{"all", string(l)} {
			if err := writeScaffold(path.Join("scaffold/worked", part), name, dir); err != nil {
				return err
			}
		}
	}
	return WriteKit(l, dir)
}

// writeScaffold writes the files below root, with the guest's name in them.
func writeScaffold(root, name, dir string) error {
	return fs.WalkDir(scaffolds, root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := scaffolds.ReadFile(file)
		if err != nil {
			return err
		}
		to := strings.TrimSuffix(strings.TrimPrefix(file, root+"/"), ".tmpl")
		if to == "gitignore" {
			to = ".gitignore"
		}
		return write(dir, to, []byte(strings.ReplaceAll(string(text), placeholder, name)))
	})
}

// WriteKit writes the kit of a language into a project, over an older one.
func WriteKit(l Language, dir string) error {
	switch l {
	case C:
		return copyKit(dir, "c", "")
	case Rust:
		return copyKit(dir, "rust", "ichor")
	case AssemblyScript:
		return copyKit(dir, "assemblyscript", "ichor")
	}
	// A module of its own, with the packages that a guest and its tests import.
	if err := write(dir, "ichor/go.mod", []byte("module github.com/ichor-replicator/ichor\n\ngo 1.26.0\n")); err != nil {
		return err
	}
	if err := copyFiles(abi.Source, ".", filepath.Join(dir, "ichor/abi")); err != nil {
		return err
	}
	return copyKit(dir, "go", "ichor/guests/go")
}

func copyKit(dir, kit, to string) error {
	part, err := fs.Sub(kits, kit)
	if err != nil {
		return err
	}
	return copyFiles(part, ".", filepath.Join(dir, to))
}

func copyFiles(from fs.FS, root, to string) error {
	return fs.WalkDir(from, root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(from, file)
		if err != nil {
			return err
		}
		return write(to, file, text)
	})
}

func write(dir, file string, text []byte) error {
	to := filepath.Join(dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// Find returns the project's directory: dir itself, or the only directory in it that is a project.
// It returns a *ProjectError if there is none or more than one.
func Find(dir string) (string, Language, error) {
	if l, ok := languageOf(dir); ok {
		return dir, l, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", "", err
	}
	var found []string
	for _, e := range entries {
		if _, ok := languageOf(filepath.Join(dir, e.Name())); ok && e.IsDir() {
			found = append(found, e.Name())
		}
	}
	switch len(found) {
	case 1:
		project := filepath.Join(dir, found[0])
		l, _ := languageOf(project)
		return project, l, nil
	case 0:
		return "", "", &ProjectError{dir, "no project of a guest here: ichor guest new --lang go NAME makes one"}
	}
	return "", "", &ProjectError{dir, "several projects here, " + strings.Join(found, ", ") + ": name one"}
}

// languageOf tells a project by its manifest and its main file.
func languageOf(dir string) (Language, bool) {
	if !is(filepath.Join(dir, manifest)) {
		return "", false
	}
	for _, l := range Languages() {
		if is(filepath.Join(dir, l.main())) {
			return l, true
		}
	}
	return "", false
}

const manifest = "manifest.json"

func is(file string) bool {
	stat, err := os.Stat(file)
	return err == nil && stat.Mode().IsRegular()
}
