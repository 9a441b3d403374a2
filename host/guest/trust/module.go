package trust

import (
	"errors"
	"io/fs"

	"github.com/ichor-replicator/ichor/host/guest"
)

// Module is a guest's module as it was read, once: what its digest is of, is what is compiled. Nobody
// may change its bytes.
type Module struct {
	Bytes      []byte
	Digest     guest.Digest
	Signatures []Signature // of whatever digest, name and key
	unsigned   error       // why what should be signatures cannot be read
}

// NewModule returns the module of bytes and of the text of signatures that came with them, which may
// be empty. Text that has no signatures matters only where some are needed.
func NewModule(bytes []byte, signatures string) Module {
	m := Module{Bytes: bytes, Digest: guest.DigestOf(bytes)}
	m.Signatures, m.unsigned = ParseSignatures(signatures)
	return m
}

// SignatureText returns the signatures as they are written, or why they cannot be read.
func (m Module) SignatureText() (string, error) { return Join(m.Signatures...), m.unsigned }

// SignatureDigest tells the signatures of one module from others of the same module; empty without any.
func (m Module) SignatureDigest() string {
	if len(m.Signatures) == 0 {
		return ""
	}
	return guest.DigestOf([]byte(Join(m.Signatures...))).String()
}

// SignatureFile names the file with the signatures of a module's file.
func SignatureFile(path string) string { return path + ".sig" }

// Read reads a module's file, once, and the signatures beside it, if there are any. Its errors are
// *guest.FileError, about the module.
func Read(path string) (Module, error) {
	bytes, err := guest.ReadFile(path)
	if err != nil {
		return Module{}, err
	}
	text, err := guest.ReadFile(SignatureFile(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Module{Bytes: bytes, Digest: guest.DigestOf(bytes), unsigned: err}, nil
	}
	return NewModule(bytes, string(text)), nil
}
