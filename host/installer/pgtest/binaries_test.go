//go:build unix

package pgtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewestInstallationWins(t *testing.T) {
	root := t.TempDir()
	if got := newest(root); got != "" {
		t.Errorf("found %q in an empty folder", got)
	}
	for version, names := range map[string][]string{"9": {"initdb", "postgres"}, "15": {"initdb", "postgres"}, "18": {"initdb"}, "x": {"initdb", "postgres"}} {
		bin := filepath.Join(root, version, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(bin, name), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := newest(root), filepath.Join(root, "15", "bin"); got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestOpenToAllGivesOthersWhatTheOwnerMayReadAndRun(t *testing.T) {
	root := t.TempDir()
	program, text := filepath.Join(root, "program"), filepath.Join(root, "text")
	for name, mode := range map[string]os.FileMode{program: 0o700, text: 0o600} {
		if err := os.WriteFile(name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := openToAll(root); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{program: 0o755, text: 0o644} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", filepath.Base(name), info.Mode().Perm(), want)
		}
	}
}

func TestCheckArchive(t *testing.T) {
	dir := t.TempDir()
	const digest = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa" // of "other"
	if err := checkArchive(dir, digest); err == nil {
		t.Error("no archive at all passed")
	}
	if err := os.WriteFile(filepath.Join(dir, "fetched.txz"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkArchive(dir, digest); err != nil {
		t.Error(err)
	}
	if err := checkArchive(dir, digest[1:]+"0"); err == nil {
		t.Error("another archive passed")
	}
	if err := checkArchive(dir, ""); err != nil {
		t.Errorf("an archive that nobody looked at: %v", err)
	}
}

// TestDownloadsAreKnown: what is not among the releases is refused before anything is fetched, and each that
// is has a digest of its own, of the platform that tests run on most.
func TestDownloadsAreKnown(t *testing.T) {
	_, err := binaries(t.Context(), "download:13")
	if err == nil || !strings.Contains(err.Error(), `no PostgreSQL "13" can be downloaded: there are 14, 15, 16, 17, 18`) {
		t.Errorf("a version that nobody looked at: %v", err)
	}
	if _, found := releases[usual]; !found {
		t.Errorf("the usual version, %s, is not among the releases", usual)
	}
	seen := make(map[string]bool)
	for major, r := range releases {
		digest := r.digests["linux/amd64"]
		if !strings.HasPrefix(string(r.version), major+".") || len(digest) != 64 || seen[digest] {
			t.Errorf("release %s is %s with the digest %q", major, r.version, digest)
		}
		seen[digest] = true
	}
}
