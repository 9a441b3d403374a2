package guesttest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ichor-replicator/ichor/guests"
)

// sources are what a guest of this repository is built of beside its own directory: what it may
// import, as the table of imports says, and the recipe.
var sources = []string{"go.mod", "go.sum", "abi", "guests"}

// built returns the module of a guest in Go as its sources stand. It is built once on a machine and
// then taken from CacheDir, where its name says what its bytes depend on.
func built(dir string) ([]byte, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	key, err := keyOf(root, append([]string{dir}, sources...))
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil { // no home: it is built in each process
		return build(filepath.Join(root, dir))
	}
	file := filepath.Join(cache, "guest-"+key+".wasm")
	if module, err := os.ReadFile(file); err == nil {
		return module, nil
	}
	module, err := build(filepath.Join(root, dir))
	if err != nil {
		return nil, err
	}
	return module, keep(file, module)
}

// build builds the guest of a directory in a temporary one.
func build(dir string) ([]byte, error) {
	temp, err := os.MkdirTemp("", "ichor-guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	out := filepath.Join(temp, "guest.wasm")
	if _, err := guests.Build(context.Background(), dir, out); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// keep writes a file that other processes may be writing too: none of them reads half of it.
func keep(file string, module []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(file), "guest-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // it is gone after the rename
	_, err = temp.Write(module)
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), file)
}

// keyOf names the compiler and the sources by their contents.
func keyOf(root string, paths []string) (string, error) {
	compiler, err := guests.FindCompiler(context.Background(), guests.Go, root)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, compiler.Version)
	for _, path := range paths {
		if err := add(sum, root, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// add adds what a file or a directory has that a compiler reads.
func add(sum hash.Hash, root, path string) error {
	return filepath.WalkDir(filepath.Join(root, path), func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, ".wasm") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
		return err
	})
}
