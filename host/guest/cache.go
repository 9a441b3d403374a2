package guest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero"
)

// The parts of a cache directory that are ours. Everything else in it is left alone.
const (
	compiledDirectories = "wazero-*"    // compiled code, as wazero lays it out
	rewrittenModules    = "rewritten-*" // what was compiled: a module with fuel, behind its seal

	cacheMost  = 512 << 20 // bytes of compiled code, a guest in Go has about 15 MiB
	cacheFiles = 500       // two for a module; each load looks at all of them
)

// FindCacheDir returns a directory for Options.CacheDir that this user alone may enter and that
// can be written: the user's cache directory, or else one in the temporary directory or in memory,
// of the same name each time so that a restart finds it again. It returns an error that says
// why there is none.
func FindCacheDir() (string, error) {
	own := "ichor-" + strconv.Itoa(os.Geteuid())
	candidates := []string{filepath.Join(os.TempDir(), own), filepath.Join(memoryDirectory, own)}
	if base, err := os.UserCacheDir(); err == nil {
		candidates = slices.Insert(candidates, 0, filepath.Join(base, "ichor", "modules"))
	}
	return firstCacheDir(candidates)
}

func firstCacheDir(candidates []string) (string, error) {
	var errs []error
	for _, dir := range candidates {
		err := TryCacheDir(dir)
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("no directory can be written that is this user's alone: %w", errors.Join(errs...))
}

// TryCacheDir makes the directory for compiled code and writes into it, or says why no guest could be loaded with it. In a
// directory that all may write somebody else may have made it first.
func TryCacheDir(dir string) error {
	if err := privateDir(dir); err != nil {
		return err
	}
	trial, err := os.CreateTemp(dir, "trial-*")
	if err != nil {
		return err
	}
	return errors.Join(trial.Close(), os.Remove(trial.Name()))
}

// openCache opens the cache directory, which prepareCache has looked through.
func openCache(dir string) (wazero.CompilationCache, error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open compilation cache: %w", err)
	}
	return cache, nil
}

// prepareCache makes the directory if need be and removes what may have been planted in it.
func prepareCache(dir string, log *slog.Logger) error {
	if err := privateDir(dir); err != nil {
		return err
	}
	return sweepCache(dir, log)
}

// privateDir makes the directory, or checks that it is for its owner alone: compiled code is
// run as it is found there. What is in a directory that was open once may be a stranger's, so it
// is not enough to close it.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make compilation cache: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at compilation cache: %w", err)
	}
	if mode := info.Mode(); !mode.IsDir() || mode.Perm()&0o077 != 0 || !ownedByUs(info) {
		return fmt.Errorf("compilation cache %s has mode %04o, is no directory or has another owner: code is run from it, so others must never have written there; use a new directory, as %s", filepath.Clean(dir), mode.Perm(), filepath.Join(dir, "modules"))
	}
	return nil
}

// cachedFile is what lies in our parts of the cache.
type cachedFile struct {
	path string
	info fs.FileInfo
}

// sweepCache removes every entry that somebody else may have written, and the oldest ones when the
// cache is larger than cacheMost or has more files than cacheFiles. It touches only what is ours in the directory.
func sweepCache(dir string, log *slog.Logger) error {
	kept, strangers, err := lookThrough(dir)
	if err != nil {
		return fmt.Errorf("look through compilation cache: %w", err)
	}
	for _, f := range strangers {
		log.Warn("compilation cache: what others may have written is removed", "path", f.path, "mode", f.info.Mode())
		if err := os.RemoveAll(f.path); err != nil {
			return fmt.Errorf("remove from compilation cache what others may have written: %w; use a new directory", err)
		}
	}
	slices.SortFunc(kept, func(a, b cachedFile) int { return b.info.ModTime().Compare(a.info.ModTime()) }) // newest first
	total := int64(0)
	for i, f := range kept {
		if total += f.info.Size(); total <= cacheMost && i < cacheFiles {
			continue
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old code from compilation cache: %w", err)
		}
	}
	return nil
}

// lookThrough lists what is ours in the directory: the files to keep, and those that somebody else
// may have written.
func lookThrough(dir string) (kept, strangers []cachedFile, err error) {
	look := func(path string, entry fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = entry.Info()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // another process sweeps too
		case err != nil:
			return err
		case strange(info):
			strangers = append(strangers, cachedFile{path, info})
			if info.IsDir() {
				return fs.SkipDir
			}
		case !info.IsDir():
			kept = append(kept, cachedFile{path, info})
		}
		return nil
	}
	for _, path := range cacheParts(dir) {
		if err := filepath.WalkDir(path, look); err != nil {
			return nil, nil, err
		}
	}
	return kept, strangers, nil
}

// strange reports whether an entry may come from somebody else: it has another owner, others may
// write it, it has a second name elsewhere, or it is a link, a FIFO or the like.
func strange(info fs.FileInfo) bool {
	mode := info.Mode()
	return !ownedByUs(info) || mode.Perm()&0o022 != 0 || !mode.IsDir() && (!mode.IsRegular() || namesOf(info) != 1)
}

// cacheParts returns what is ours in the directory.
func cacheParts(dir string) (parts []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // there is nothing yet
	}
	for _, entry := range entries {
		for _, pattern := range []string{compiledDirectories, rewrittenModules} {
			if ours, _ := filepath.Match(pattern, entry.Name()); ours {
				parts = append(parts, filepath.Join(dir, entry.Name()))
			}
		}
	}
	return parts
}

// emptyCache removes all code from the directory.
func emptyCache(dir string) error {
	var errs []error
	for _, path := range cacheParts(dir) {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}

// cacheFailed reports whether it was the cache that kept a module from being compiled: it is
// damaged, or cannot be written.
func cacheFailed(err error) bool {
	var file *fs.PathError
	return strings.Contains(err.Error(), "compilationcache:") || errors.As(err, &file)
}

// rewrittenPath is the file that has a module as it was compiled.
func (g *Generation) rewrittenPath() string {
	return filepath.Join(g.options.CacheDir, strings.TrimSuffix(rewrittenModules, "*")+g.compileKey())
}

// isCompiled reports whether this program has kept what the module was compiled from, and so its code. If the
// code itself is gone, the module is compiled again.
func (g *Generation) isCompiled() bool {
	_, err := os.Lstat(g.rewrittenPath())
	return err == nil
}

// seal is a hash of a rewritten module and of what it was made from and by, so that one that was made from another is
// not taken for it, whatever its file is called.
func (g *Generation) seal(module []byte) []byte {
	sum := sha256.New()
	_, _ = sum.Write([]byte(g.compileKey())) // a hash takes everything
	_, _ = sum.Write(module)
	return sum.Sum(nil)
}

// rewritten returns the module with fuel as this program made it before; nil if that is not there, damaged, or another's.
func (g *Generation) rewritten() []byte {
	if g.options.CacheDir == "" {
		return nil
	}
	content, err := os.ReadFile(g.rewrittenPath())
	if err != nil || len(content) < sha256.Size {
		return nil
	}
	seal, module := content[:sha256.Size], content[sha256.Size:]
	if !bytes.Equal(seal, g.seal(module)) {
		g.log.Warn("compilation cache: a module as it was rewritten is damaged or another's: it is rewritten again", "path", g.rewrittenPath())
		return nil
	}
	return module
}

// keepRewritten keeps what was compiled. If it is lost, the module is only rewritten and compiled once more.
func (g *Generation) keepRewritten(module []byte) {
	if g.cache == nil {
		return
	}
	if err := os.WriteFile(g.rewrittenPath(), append(g.seal(module), module...), 0o600); err != nil {
		g.log.Warn("compilation cache: what was compiled cannot be kept", "error", err)
	}
}
