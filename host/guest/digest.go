package guest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is the SHA-256 of a guest's binary: its identity in the history, in metrics and
// in the quarantine.
type Digest [sha256.Size]byte

// DigestOf returns the digest of a binary.
func DigestOf(wasm []byte) Digest { return sha256.Sum256(wasm) }

// String returns the digest in 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short returns the first twelve digits, for people.
func (d Digest) Short() string { return d.String()[:12] }

// ParseDigest is the inverse of String.
func ParseDigest(text string) (d Digest, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(d) {
		return Digest{}, fmt.Errorf("%q is no digest: want 64 hexadecimal digits", text)
	}
	return Digest(raw), nil
}
