//go:build unix

package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// release is a version of PostgreSQL that can be downloaded. digests are those of the archives that were
// looked at, by platform. Others are trusted as the repository serves them.
type release struct {
	version embeddedpostgres.PostgresVersion
	digests map[string]string
}

// releases has one of each major version that is supported, by its number.
var releases = map[string]release{
	"14": {"14.18.0", map[string]string{"linux/amd64": "e312ed49c5dd7de399019d96e68045660cb8ffd05c63464cc790fec8d1196ecf"}},
	"15": {"15.13.0", map[string]string{"linux/amd64": "ea2ce47da4b49c18ba26356c6e1b7284a38670448cd82d6aa764761e9362c21c"}},
	"16": {"16.9.0", map[string]string{"linux/amd64": "53146949c7fb36014091ac8db42529ab9b923b4a06d0c0d9087694e9c296feef"}},
	"17": {"17.5.0", map[string]string{"linux/amd64": "8f438e206259d3ec5be6fb8ee6180f5d46234156659ed1238f6ab4806cfccf0f"}},
	"18": {"18.3.0", map[string]string{"linux/amd64": "e09b13df10e9df257275d498b19b8c214a3e86d7a5d8cd263b0860e308e8b0b6"}},
}

// usual is the one that is downloaded when nobody says which.
const usual = "17"

// download returns the folder of the binaries of a major version, fetching them the first
// time. Several processes may ask at once: one fetches, the others wait.
func download(ctx context.Context, major string) (string, error) {
	r, found := releases[major]
	if !found {
		return "", fmt.Errorf("no PostgreSQL %q can be downloaded: there are %s", major, strings.Join(slices.Sorted(maps.Keys(releases)), ", "))
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache of PostgreSQL binaries: %w", err)
	}
	home := filepath.Join(cache, "postgres-"+string(r.version))
	bin := filepath.Join(home, "bin")
	unlock, err := lockFile(ctx, home+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(bin) {
		return bin, nil
	}
	if err := r.fetch(cache, home); err != nil {
		return "", errors.Join(err, os.RemoveAll(home))
	}
	return bin, nil
}

// cacheDir returns where downloaded binaries are kept. The home of root is closed to the user
// that root runs the server as, so root uses the machine's cache.
func cacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/ichor", nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("place of the cache of PostgreSQL binaries: %w", err)
	}
	return filepath.Join(cache, "ichor"), nil
}

// lockFile waits for the lock of a file. It is released by the returned function.
func lockFile(ctx context.Context, name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cache of PostgreSQL binaries: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR || pause(ctx, probePause) != nil {
			_ = file.Close()
			return nil, fmt.Errorf("lock the cache of PostgreSQL binaries: %w", errors.Join(err, ctx.Err()))
		}
	}
}

// fetch unpacks the binaries into home. The library that knows where they come from also wants
// to run the server, which it cannot do as root: it is given a data folder whose name no file
// can have, so that it stops after unpacking.
func (r release) fetch(cache, home string) error {
	port, err := choosePort(true)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(cache, "unpack-")
	if err != nil {
		return fmt.Errorf("download PostgreSQL: %w", err)
	}
	defer os.RemoveAll(scratch)
	config := embeddedpostgres.DefaultConfig().
		Version(r.version).
		Port(uint32(port)).
		CachePath(scratch).
		RuntimePath(filepath.Join(scratch, "run")).
		BinariesPath(home).
		DataPath("\x00").
		Logger(io.Discard)
	if mirror := os.Getenv(variableMirror); mirror != "" {
		config = config.BinaryRepositoryURL(mirror)
	}
	stopped := embeddedpostgres.NewDatabase(config).Start()
	if !complete(filepath.Join(home, "bin")) {
		return fmt.Errorf("download PostgreSQL %s: %w", r.version, stopped)
	}
	if err := checkArchive(scratch, r.digests[runtime.GOOS+"/"+runtime.GOARCH]); err != nil {
		return fmt.Errorf("check PostgreSQL %s: %w", r.version, err)
	}
	return openToAll(home)
}

// checkArchive compares the fetched archive with the digest of the one that was looked at; any
// archive passes where none was.
func checkArchive(dir, want string) error {
	if want == "" {
		return nil
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.txz"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%d archives were fetched", len(found))
	}
	file, err := os.Open(found[0])
	if err != nil {
		return err
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != want {
		return fmt.Errorf("the archive's SHA-256 is %s, want %s", got, want)
	}
	return nil
}

// openToAll lets every user read what the owner reads and run what the owner runs.
func openToAll(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		return os.Chmod(path, mode|mode>>3&0o050|mode>>6&0o005|0o044)
	})
}
