package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// algorithm begins the text of a public key and of a signature.
const algorithm = "ed25519"

// PublicKey is who may sign modules. As text it is one line, ed25519: and 32 bytes in base64.
type PublicKey struct{ key ed25519.PublicKey }

// PrivateKey signs modules. As text it is PEM of PKCS #8, which openssl reads and makes too.
type PrivateKey struct{ key ed25519.PrivateKey }

// GenerateKey makes a new key from the system's randomness.
func GenerateKey() (PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return PrivateKey{key}, err
}

// ParsePrivateKey reads what PrivateKey.Text wrote. Its errors quote nothing of the text.
func ParsePrivateKey(text []byte) (PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return PrivateKey{}, errors.New("it is no private key: want PEM of PKCS #8, as ichor guest keygen writes it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return PrivateKey{}, errors.New("it is no private key: what is in the PEM is not PKCS #8")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return PrivateKey{}, fmt.Errorf("it is a private key of type %T: want one of ed25519", parsed)
	}
	return PrivateKey{key}, nil
}

// Text returns the key as PEM. It is a secret.
func (k PrivateKey) Text() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// String returns the id alone, so that no message and no log has the secret.
func (k PrivateKey) String() string { return "private key " + k.Public().ID() }

// GoString is String, for %#v.
func (k PrivateKey) GoString() string { return k.String() }

// Public returns the key that knows what this one signed.
func (k PrivateKey) Public() PublicKey {
	return PublicKey{k.key.Public().(ed25519.PublicKey)}
}

// ParsePublicKey reads what PublicKey.String wrote.
func ParsePublicKey(text string) (PublicKey, error) {
	encoded, found := strings.CutPrefix(strings.TrimSpace(text), algorithm+":")
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !found || err != nil || len(key) != ed25519.PublicKeySize {
		return PublicKey{}, fmt.Errorf("it is no public key: want %s: and %d bytes in base64, as ichor guest keygen writes it", algorithm, ed25519.PublicKeySize)
	}
	return PublicKey{key}, nil
}

// IsPublicKey reports whether a text is meant to be a public key, and not the name of a file.
func IsPublicKey(text string) bool { return strings.HasPrefix(text, algorithm+":") }

// String returns the key as the settings have it.
func (k PublicKey) String() string {
	return algorithm + ":" + base64.StdEncoding.EncodeToString(k.key)
}

// ID names the key: the first 16 hexadecimal digits of its SHA-256.
func (k PublicKey) ID() string {
	sum := sha256.Sum256(k.key)
	return hex.EncodeToString(sum[:8])
}
