package guest

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAPlantedFileDecidesNothing puts files into the cache that once said that a module's SQL
// is allowed, and the one that says that it was compiled.
func TestAPlantedFileDecidesNothing(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	options := Options{CacheDir: cache}
	if err := loadFixture(t, "declares_a_commit", options); !refusedAt(err, StepSQL) {
		t.Fatal(err)
	}
	marks, err := filepath.Glob(filepath.Join(cache, rewrittenModules))
	if err != nil || len(marks) != 1 {
		t.Fatal(marks, err)
	}
	_, key, _ := strings.Cut(filepath.Base(marks[0]), "-")
	for _, name := range []string{"allowed-" + key, "agreed-" + key, "check-" + key, "passed-" + key, key} {
		if err := os.WriteFile(filepath.Join(cache, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := loadFixture(t, "declares_a_commit", options); !refusedAt(err, StepSQL) {
		t.Errorf("with planted files: %v", err)
	}
}

// entry returns the file with the one module's code.
func entry(t *testing.T, cache string) string {
	t.Helper()
	return only(t, cache, compiledDirectories, "*")
}

// only returns the one file that a pattern finds.
func only(t *testing.T, pattern ...string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pattern...))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	return files[0]
}

// TestEntriesOfStrangersAreRemoved makes the one entry what it would be if somebody else had
// put it there.
func TestEntriesOfStrangersAreRemoved(t *testing.T) {
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	for name, plant := range map[string]func(path string){
		"writable by all":   func(path string) { do(os.WriteFile(path, []byte("code"), 0o600), os.Chmod(path, 0o602)) },
		"writable by group": func(path string) { do(os.WriteFile(path, []byte("code"), 0o600), os.Chmod(path, 0o620)) },
		"a second name": func(path string) {
			do(os.Link(path, filepath.Join(t.TempDir(), "other")))
		},
		"a link": func(path string) {
			other := filepath.Join(t.TempDir(), "other")
			do(os.Rename(path, other), os.Symlink(other, path))
		},
		"a FIFO":        func(path string) { do(os.Remove(path), syscall.Mkfifo(path, 0o600)) },
		"its directory": func(path string) { do(os.Chmod(filepath.Dir(path), 0o777)) },
		"another owner": func(path string) { _ = os.Chown(path, 12345, 12345) }, // root alone may
	} {
		t.Run(name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "cache")
			if err := loadFixture(t, "has_a_vector", Options{CacheDir: cache}); err != nil {
				t.Fatal(err)
			}
			path := entry(t, cache)
			plant(path)
			planted, err := os.Lstat(path)
			do(err)
			if name != "its directory" && !strange(planted) {
				if os.Geteuid() != 0 {
					return // only root can give a file away
				}
				t.Fatal("it is believed")
			}
			mine := filepath.Join(cache, "mine")
			do(os.WriteFile(mine, nil, 0o600), os.Chmod(mine, 0o666)) // no business of ours
			var said bytes.Buffer
			if err := prepareCache(cache, slog.New(slog.NewTextHandler(&said, nil))); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(said.String(), "what others may have written is removed") {
				t.Errorf("it is still there, %v, and said is %q", err, said.String())
			}
			if _, err := os.Lstat(mine); err != nil {
				t.Error("what is not ours is gone:", err)
			}
			if err := loadFixture(t, "has_a_vector", Options{CacheDir: cache}); err != nil {
				t.Error(err)
			}
			entry(t, cache)
		})
	}
}

// TestADamagedCacheCostsTimeAlone cuts the code short and takes it away; what is not the
// cache's stays.
func TestADamagedCacheCostsTimeAlone(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"cut short":          func(path string) error { return os.Truncate(path, 10) },
		"empty":              func(path string) error { return os.Truncate(path, 0) },
		"directory is gone":  func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"directory in place": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "cache")
			if err := loadFixture(t, "has_a_vector", Options{CacheDir: cache}); err != nil {
				t.Fatal(err)
			}
			mine := filepath.Join(cache, "mine")
			if err := errors.Join(os.WriteFile(mine, nil, 0o600), damage(entry(t, cache))); err != nil {
				t.Fatal(err)
			}
			if err := loadFixture(t, "has_a_vector", Options{CacheDir: cache}); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(mine); err != nil {
				t.Error("what is not the cache's is gone:", err)
			}
			entry(t, cache)
		})
	}
}

// TestOldCodeIsRemoved fills the cache beyond what it may hold.
func TestOldCodeIsRemoved(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	if err := loadFixture(t, "has_a_vector", Options{CacheDir: cache}); err != nil {
		t.Fatal(err)
	}
	path := entry(t, cache)
	old := path + ".old"
	if err := errors.Join(os.WriteFile(old, nil, 0o600), os.Truncate(old, cacheMost), os.Chtimes(old, time.Time{}, time.Unix(1, 0))); err != nil {
		t.Fatal(err)
	}
	if err := prepareCache(cache, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if entry(t, cache) != path {
		t.Error("the newer code is gone, or the older is not")
	}
}

// TestARewrittenModuleIsBelievedWhole loads a module that passed before, with what it was compiled from in the cache as
// it was left, damaged, and gone: each time it is the same module, and the first time alone it is not rewritten.
func TestARewrittenModuleIsBelievedWhole(t *testing.T) {
	options := Options{CacheDir: filepath.Join(t.TempDir(), "cache"), Passes: &memory{kept: map[string]string{}}}
	if err := loadFixture(t, "has_a_vector", options); err != nil {
		t.Fatal(err)
	}
	file := only(t, options.CacheDir, rewrittenModules)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := newFixture(t, "has_a_vector", options)
	for name, damage := range map[string]func() error{
		"as it was left": func() error { return nil },
		"a bit": func() error {
			return os.WriteFile(file, append(slices.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1), 0o600)
		},
		"half":  func() error { return os.Truncate(file, int64(len(whole)/2)) },
		"empty": func() error { return os.Truncate(file, 0) },
		"gone":  func() error { return os.Remove(file) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if believed := g.rewritten() != nil; believed != (name == "as it was left") {
			t.Errorf("%s: believed %t", name, believed)
		}
		if err := loadFixture(t, "has_a_vector", options); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, err := os.ReadFile(file); !bytes.Equal(again, whole) {
			t.Errorf("%s: it is left as %d bytes, %v", name, len(again), err)
		}
	}
}

// TestAnotherModulesFilesAreNotTaken puts what belongs to another module in the place of what one that passed has: as it
// was rewritten, and code that does not come up. Each time the module is made anew.
func TestAnotherModulesFilesAreNotTaken(t *testing.T) {
	passes := &memory{kept: map[string]string{}}
	for other, pattern := range map[string]string{"rejects": rewrittenModules, "fails_to_initialize": filepath.Join(compiledDirectories, "*")} {
		options := Options{CacheDir: filepath.Join(t.TempDir(), "cache"), Passes: passes}
		theirs := Options{CacheDir: filepath.Join(t.TempDir(), "cache")}
		if err := loadFixture(t, "has_a_vector", options); err != nil {
			t.Fatal(err)
		}
		_ = loadFixture(t, other, theirs) // one of them is refused, after it was compiled
		strange, err := os.ReadFile(only(t, theirs.CacheDir, pattern))
		if err == nil {
			err = os.WriteFile(only(t, options.CacheDir, pattern), strange, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := loadFixture(t, "has_a_vector", options); err != nil {
			t.Errorf("with %s of %s: %v", pattern, other, err)
		}
		if now, err := os.ReadFile(only(t, options.CacheDir, pattern)); err != nil || bytes.Equal(now, strange) {
			t.Errorf("with %s of %s: it is left there, %v", pattern, other, err)
		}
	}
}

// TestOldFilesAreRemoved leaves more files than a load looks at.
func TestOldFilesAreRemoved(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	if err := loadFixture(t, "has_a_vector", Options{CacheDir: cache}); err != nil {
		t.Fatal(err)
	}
	for i := range cacheFiles {
		file := filepath.Join(cache, "rewritten-"+strconv.Itoa(i))
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, time.Time{}, time.Unix(int64(i), 0))); err != nil {
			t.Fatal(err)
		}
	}
	if err := prepareCache(cache, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	kept, _, err := lookThrough(cache)
	if err != nil || len(kept) != cacheFiles {
		t.Errorf("%d files are left, %v", len(kept), err)
	}
	if _, err := os.Lstat(filepath.Join(cache, "rewritten-1")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the oldest is left:", err)
	}
	entry(t, cache)
}

func TestACacheIsFound(t *testing.T) {
	home, temporary := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("TMPDIR", temporary)
	if dir, err := FindCacheDir(); err != nil || !strings.HasPrefix(dir, home) {
		t.Errorf("with a home: %s, %v", dir, err)
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	first, err := FindCacheDir()
	if err != nil || !strings.HasPrefix(first, temporary) {
		t.Fatalf("without one: %s, %v", first, err)
	}
	if again, err := FindCacheDir(); again != first || err != nil {
		t.Errorf("a restart finds %s, %v", again, err)
	}
	// Somebody made it first: nothing is taken from there.
	if err := os.Chmod(first, 0o777); err != nil {
		t.Fatal(err)
	}
	if dir, err := FindCacheDir(); err == nil && strings.HasPrefix(dir, temporary) {
		t.Errorf("a directory that others may write is taken: %s", dir)
	}
	if dir, err := firstCacheDir([]string{os.DevNull, first}); err == nil || !strings.Contains(err.Error(), os.DevNull) {
		t.Errorf("where nothing can be written it finds %s, %v", dir, err)
	}
	if err := privateDir(first); err == nil || !strings.Contains(err.Error(), "use a new directory") || strings.Contains(err.Error(), "chmod") {
		t.Errorf("it is answered with %v", err)
	}
}

// TestCodeIsAdopted copies a cache into another, which is as good then.
func TestCodeIsAdopted(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "cache"), t.TempDir()
	if err := loadFixture(t, "has_a_vector", Options{CacheDir: from}); err != nil {
		t.Fatal(err)
	}
	code := entry(t, from)
	if err := errors.Join(os.Truncate(code, 2*copyStep+1), adoptCode(from, to)); err != nil { // more than one step
		t.Fatal(err)
	}
	want, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	copied := entry(t, to)
	got, err := os.ReadFile(copied)
	if err != nil || !bytes.Equal(got, want) || filepath.Base(copied) != filepath.Base(code) {
		t.Errorf("%d bytes of %d as %s, %v", len(got), len(want), copied, err)
	}
	if info, err := os.Lstat(copied); err != nil || strange(info) {
		t.Errorf("it would not be believed: %v, %v", info, err)
	}
	if modules, err := filepath.Glob(filepath.Join(to, rewrittenModules)); err != nil || len(modules) != 1 {
		t.Errorf("what it was compiled from is %v, %v", modules, err)
	}
	if err := adoptCode(from, filepath.Join(os.DevNull, "x")); err == nil {
		t.Error("it is copied to nowhere")
	}
}

// TestStagesAreLeftByNobody makes one stage too old.
func TestStagesAreLeftByNobody(t *testing.T) {
	first := stage()
	if first == "" {
		t.Skip("there is no directory in memory")
	}
	defer os.RemoveAll(first)
	second := stage()
	defer os.RemoveAll(second)
	if _, err := os.Stat(first); err != nil || first == second {
		t.Fatalf("a stage in use is gone: %v", err)
	}
	if err := os.Chtimes(first, time.Time{}, time.Now().Add(-2*stagingAge)); err != nil {
		t.Fatal(err)
	}
	third := stage()
	defer os.RemoveAll(third)
	if _, err := os.Stat(first); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an old stage stays: %v", err)
	}
}
