package guest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ichor-replicator/ichor/abi"
)

// FileError is why a module's file is not read: which one, what it is, and what to do about it.
type FileError struct {
	Path string
	What string
	Hint string
	Err  error
}

// Error implements error.
func (e *FileError) Error() string {
	text := e.Path + " " + e.What
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + " (" + e.Hint + ")"
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// ReadFile reads a module's file without trusting it, since whoever can write to the directory can put
// anything there. It reads only a regular file, directly or through a symbolic link, of at most
// abi.MaxModule bytes, and never waits for another process. Its errors are *FileError.
func ReadFile(path string) ([]byte, error) {
	file, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	module := make([]byte, size+1) // one more, to see the end
	n, err := io.ReadFull(file, module)
	switch {
	case err == nil:
		return nil, growing(path)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, unreadable(path, err)
	}
	return module[:n], nil
}

// DigestFile returns the digest of a module's file, which it reads as ReadFile does, but keeps nothing of it: a host looks at its
// guests' files several times a second while they are swapped, and a megabyte of garbage each time is work for the collector,
// which conversions wait for.
func DigestFile(path string) (d Digest, err error) {
	file, size, err := open(path)
	if err != nil {
		return Digest{}, err
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(file, size+1))
	switch {
	case err != nil:
		return Digest{}, unreadable(path, err)
	case n > size:
		return Digest{}, growing(path)
	}
	return Digest(sum.Sum(d[:0])), nil
}

// open opens a module's file, whose size it returns.
func open(path string) (file *os.File, size int64, err error) {
	// BEFORE it is opened, since opening alone tells a FIFO's writer to go on, or rewinds a tape.
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, unreadable(path, err)
	}
	if err := bearable(path, info); err != nil {
		return nil, 0, err
	}
	if file, err = openAtOnce(path); err != nil {
		return nil, 0, unreadable(path, err)
	}
	if info, err = file.Stat(); err != nil { // it may be another one by now
		err = unreadable(path, err)
	} else {
		err = bearable(path, info)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

func growing(path string) error {
	return &FileError{Path: path, What: "is being written", Hint: "move a finished file into place"}
}

func unreadable(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err // the path is said already
	}
	hint := "let the host's user read it"
	if errors.Is(err, fs.ErrNotExist) {
		hint = "put the module there"
	}
	return &FileError{Path: path, What: "cannot be read", Hint: hint, Err: err}
}

// bearable returns an error unless the file is regular and no larger than a module may be.
func bearable(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &FileError{Path: path, What: "is " + kindOf(info.Mode()) + ", not a file", Hint: "put the file itself there"}
	}
	if info.Size() > abi.MaxModule {
		return &FileError{
			Path: path, What: fmt.Sprintf("has %d bytes, a module at most %d", info.Size(), abi.MaxModule),
			Hint: "is it a module? strip it of its debugging information",
		}
	}
	return nil
}

// kindOf names what is not a regular file.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}
