package guest_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
)

// TestFilesOfStrangers puts everything that a directory can hold in a module's place: each is
// told by its kind and none is waited for.
func TestFilesOfStrangers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.wasm")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		put  func()
		says string
	}{
		"nothing":       {func() {}, "cannot be read: no such file or directory (put the module there)"},
		"directory":     {func() { must(os.Mkdir(path, 0o700)) }, "is a directory, not a file"},
		"FIFO":          {func() { must(syscall.Mkfifo(path, 0o600)) }, "is a FIFO, not a file"},
		"device":        {func() { must(os.Symlink("/dev/zero", path)) }, "is a device, not a file"},
		"link to FIFO":  {func() { must(syscall.Mkfifo(path+".fifo", 0o600)); must(os.Symlink(path+".fifo", path)) }, "is a FIFO, not a file"},
		"link in a row": {func() { must(os.Symlink("x.wasm", path)) }, "cannot be read: too many levels of symbolic links"},
		"link to none":  {func() { must(os.Symlink("gone", path)) }, "put the module there"},
		"gigabytes":     {func() { must(os.WriteFile(path, nil, 0o600)); must(os.Truncate(path, 4<<30)) }, "has 4294967296 bytes, a module at most 16777216"},
		"a byte more":   {func() { must(os.WriteFile(path, make([]byte, abi.MaxModule+1), 0o600)) }, "has 16777217 bytes"},
		"socket": {func() {
			l, err := net.Listen("unix", path)
			must(err)
			t.Cleanup(func() { l.Close() })
		}, "is a socket, not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			c.put()
			defer os.RemoveAll(path)
			_, err := guest.ReadFile(path)
			var refused *guest.FileError
			if !errors.As(err, &refused) || refused.Path != path || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %v, want %q", err, c.says)
			}
			if _, digested := guest.DigestFile(path); digested == nil || digested.Error() != err.Error() {
				t.Errorf("for its digest it says %v, want %v", digested, err)
			}
			if gone := errors.Is(err, fs.ErrNotExist); gone != strings.Contains(c.says, "put the module there") {
				t.Errorf("that it is not there: %v", gone)
			}
		})
	}
}

func TestFileNobodyMayRead(t *testing.T) {
	if os.Geteuid() == 0 {
		dropped := os.DevNull + "/x.wasm" // root may read everything; no directory at all fails for it too
		if _, err := guest.ReadFile(dropped); err == nil || !strings.Contains(err.Error(), "let the host's user read it") {
			t.Errorf("it says %v", err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "x.wasm")
	if err := os.WriteFile(path, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := guest.ReadFile(path); err == nil || !strings.Contains(err.Error(), "permission denied (let the host's user read it)") {
		t.Errorf("it says %v", err)
	}
}

// TestFileBehindLinks is how Kubernetes gives a ConfigMap: by two links.
func TestFileBehindLinks(t *testing.T) {
	dir := t.TempDir()
	want := bytes.Repeat([]byte("m"), abi.MaxModule)
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "..1"), 0o700), os.WriteFile(filepath.Join(dir, "..1", "x.wasm"), want, 0o400),
		os.Symlink("..1", filepath.Join(dir, "..data")), os.Symlink("..data/x.wasm", filepath.Join(dir, "x.wasm"))); err != nil {
		t.Fatal(err)
	}
	got, err := guest.ReadFile(filepath.Join(dir, "x.wasm"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if digest, err := guest.DigestFile(filepath.Join(dir, "x.wasm")); err != nil || digest != guest.DigestOf(want) {
		t.Errorf("its digest is %v, want %v, %v", digest, guest.DigestOf(want), err)
	}
}

// TestALookAtAFileKeepsNothingOfIt: a host looks at its guests' files again and again.
func TestALookAtAFileKeepsNothingOfIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wasm")
	if err := os.WriteFile(path, make([]byte, abi.MaxModule), 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := guest.DigestFile(path); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("it allocates %d bytes for the digest of %d", took, abi.MaxModule)
	}
}
