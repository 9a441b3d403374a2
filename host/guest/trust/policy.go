package trust

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/guest"
)

// Policy is what the settings say about whose modules are taken. The zero one takes all.
type Policy struct {
	// Pins has the digests of which a guest's module must be one, by the guest's name. A guest that is
	// not here may have any.
	Pins map[string][]guest.Digest
	// Keys are who may sign. With none no signature is needed.
	Keys []PublicKey
	// Unsigned takes modules without a signature of Keys too, where guests are written and tried.
	Unsigned bool
}

// PinError is why a module is refused that is none of those that the settings pin.
type PinError struct {
	Guest  string
	Digest guest.Digest   // of the module
	Pinned []guest.Digest // of those that would be taken
}

// Error implements error.
func (e *PinError) Error() string {
	pinned := make([]string, len(e.Pinned))
	for i, d := range e.Pinned {
		pinned[i] = digestPrefix + d.String()
	}
	return fmt.Sprintf("its digest is %s%s, and guests.pins.%s is %s", digestPrefix, e.Digest, e.Guest, strings.Join(pinned, ", "))
}

// SignatureError is why a module is refused that no key of the settings signed for its guest.
type SignatureError struct {
	Guest  string
	Digest guest.Digest
	What   string
	Err    error // why what should be signatures cannot be read, or nil
}

// Error implements error.
func (e *SignatureError) Error() string {
	text := fmt.Sprintf("no key of guests.keys signed %s%s for guest %s: %s", digestPrefix, e.Digest, e.Guest, e.What)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *SignatureError) Unwrap() error { return e.Err }

// Check reports whether a module may be the guest of a name, and by which signature; nil where none
// is needed. A module that may not is refused with a *guest.LoadError around a *PinError or a
// *SignatureError.
func (p Policy) Check(name string, m Module) (*Signature, error) {
	if pins, pinned := p.Pins[name]; pinned && !slices.Contains(pins, m.Digest) {
		return nil, &guest.LoadError{
			Guest: name, Step: guest.StepVerify, What: "it is not the module that is pinned", Err: &PinError{name, m.Digest, pins},
			Hint: "put the pinned module into its place, or pin this one too",
		}
	}
	return p.CheckSignature(name, m)
}

// CheckSignature is Check without the pins: for what was pinned once and is not any more.
func (p Policy) CheckSignature(name string, m Module) (*Signature, error) {
	if len(p.Keys) == 0 {
		return nil, nil
	}
	for _, s := range m.Signatures {
		if s.Digest == m.Digest && s.Name == name && slices.ContainsFunc(p.Keys, s.by) {
			return &s, nil
		}
	}
	if p.Unsigned {
		return nil, nil
	}
	return nil, &guest.LoadError{
		Guest: name, Step: guest.StepVerify, What: "it is not signed", Err: &SignatureError{name, m.Digest, p.lack(name, m), m.unsigned},
		Hint: "sign it with ichor guest sign and put the file .wasm.sig beside it, or name the signer's key in guests.keys",
	}
}

// lack says what is wrong with the signatures of a module that none of the keys signed.
func (p Policy) lack(name string, m Module) string {
	if m.unsigned != nil {
		return "its signatures cannot be read"
	}
	what := "it has no signature"
	for _, s := range m.Signatures {
		switch {
		case s.Digest != m.Digest:
			what = "its signature is of another module, " + digestPrefix + s.Digest.String()
		case s.Name != name:
			what = fmt.Sprintf("it is signed as guest %q", s.Name)
		case slices.ContainsFunc(p.Keys, func(k PublicKey) bool { return k.ID() == s.KeyID }):
			return "the signature of key " + s.KeyID + " is false"
		default:
			what = fmt.Sprintf("it is signed by key %.40q, which is not there", s.KeyID)
		}
	}
	return what
}

// ParsePin reads a digest as the settings have it, sha256: and 64 hexadecimal digits.
func ParsePin(text string) (guest.Digest, error) {
	digits, found := strings.CutPrefix(text, digestPrefix)
	digest, err := guest.ParseDigest(digits)
	if !found || err != nil {
		return guest.Digest{}, fmt.Errorf("%q is no digest: want %s and 64 hexadecimal digits", text, digestPrefix)
	}
	return digest, nil
}
