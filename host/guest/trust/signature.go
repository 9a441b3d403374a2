package trust

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/host/guest"
)

// Bounds on the signatures of a module.
const (
	signaturesMost     = 64
	signaturesMostText = 32 << 10 // bytes
)

// digestPrefix stands before a digest wherever a person or a registry reads it.
const digestPrefix = "sha256:"

// Signature is what a key says of a module.
type Signature struct {
	KeyID  string
	Digest guest.Digest
	Name   string // of the guest that it may be
	bytes  []byte
}

// message returns what is signed.
func message(digest guest.Digest, name string) []byte {
	return []byte("ichor guest v1\n" + digestPrefix + digest.String() + "\n" + name)
}

// Sign signs a module of a digest for the guest of a name.
func Sign(key PrivateKey, digest guest.Digest, name string) (Signature, error) {
	if err := checkName(name); err != nil {
		return Signature{}, err
	}
	return Signature{key.Public().ID(), digest, name, ed25519.Sign(key.key, message(digest, name))}, nil
}

// checkName refuses a name that a line of a signature cannot have.
func checkName(name string) error {
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsAny(name, "/\\\n\r\x00") {
		return fmt.Errorf("%q is no name of a guest: give that of the routes, without directory and .wasm", name)
	}
	return nil
}

// by reports whether a key made the signature.
func (s Signature) by(key PublicKey) bool {
	return s.KeyID == key.ID() && ed25519.Verify(key.key, message(s.Digest, s.Name), s.bytes)
}

// String returns the signature's line, without a line break.
func (s Signature) String() string {
	return strings.Join([]string{algorithm, s.KeyID, digestPrefix + s.Digest.String(), base64.StdEncoding.EncodeToString(s.bytes), s.Name}, " ")
}

// ParseSignatures reads signatures, one a line; empty lines are passed over.
func ParseSignatures(text string) ([]Signature, error) {
	if len(text) > signaturesMostText {
		return nil, fmt.Errorf("signatures of %d bytes: at most %d are read", len(text), signaturesMostText)
	}
	var all []Signature
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(all) == signaturesMost {
			return nil, fmt.Errorf("more than %d signatures", signaturesMost)
		}
		s, err := parseSignature(line)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", len(all)+1, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func parseSignature(line string) (s Signature, err error) {
	words := strings.SplitN(line, " ", 5)
	if len(words) != 5 || words[0] != algorithm {
		return s, errors.New("it is no line that ichor guest sign wrote")
	}
	encoded, found := strings.CutPrefix(words[2], digestPrefix)
	if !found {
		return s, fmt.Errorf("the digest does not begin with %s", digestPrefix)
	}
	if s.Digest, err = guest.ParseDigest(encoded); err != nil {
		return s, err
	}
	if s.bytes, err = base64.StdEncoding.Strict().DecodeString(words[3]); err != nil || len(s.bytes) != ed25519.SignatureSize {
		return s, fmt.Errorf("it does not have %d bytes in base64", ed25519.SignatureSize)
	}
	s.KeyID, s.Name = words[1], words[4]
	return s, checkName(s.Name)
}

// Join returns the lines of signatures, each once: a later one of the same key, digest and name takes
// the place of an earlier.
func Join(all ...Signature) string {
	type place struct {
		key, name string
		digest    guest.Digest
	}
	at := map[place]int{}
	var lines []string
	for _, s := range all {
		p := place{s.KeyID, s.Name, s.Digest}
		if i, known := at[p]; known {
			lines[i] = s.String() + "\n"
			continue
		}
		at[p] = len(lines)
		lines = append(lines, s.String()+"\n")
	}
	return strings.Join(lines, "")
}
