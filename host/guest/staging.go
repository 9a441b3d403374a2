package guest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Compiled code is written to memory first and copied to the disk in small steps. wazero syncs its 10 MiB
// in one piece, and the commits of a database on the same disk waited 130 ms for that.
const (
	memoryDirectory = "/dev/shm"
	stagingPattern  = "ichor-compiled-*"
	stagingAge      = 10 * time.Minute // of what a host that was killed has left there

	copyStep  = 256 << 10
	copyPause = 10 * time.Millisecond
)

// stage makes a directory in memory for what a child compiles; empty where there is none.
func stage() string {
	left, _ := filepath.Glob(filepath.Join(memoryDirectory, stagingPattern)) // the pattern is good
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && ownedByUs(info) && time.Since(info.ModTime()) > stagingAge {
			_ = os.RemoveAll(path) // or the next one will
		}
	}
	dir, err := os.MkdirTemp(memoryDirectory, stagingPattern)
	if err != nil {
		return ""
	}
	return dir
}

// adoptCode copies compiled code from one cache directory to another, in small steps.
func adoptCode(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copySlowly(path, filepath.Join(to, name))
	})
}

func copySlowly(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(to), "adopted-*")
	if err != nil {
		return err
	}
	for err == nil {
		if _, err = io.CopyN(file, source, copyStep); err == nil || errors.Is(err, io.EOF) {
			if failed := file.Sync(); failed != nil {
				err = failed
			}
			time.Sleep(copyPause)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
