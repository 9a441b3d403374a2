package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
)

// pins are the digests of which a guest's module must be one: a single one, or a list.
type pins []string

// UnmarshalYAML reads them.
func (p *pins) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*p = pins{node.Value}
		return nil
	}
	return node.Decode((*[]string)(p))
}

// trust returns what the settings say about whose modules are taken; the files of keys are read. All that is wrong is in
// its error.
func (s *guestSettings) trust() (trust.Policy, error) {
	var policy trust.Policy
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.Pins)) {
		if policy.Pins == nil {
			policy.Pins = map[string][]guest.Digest{}
		}
		policy.Pins[name] = []guest.Digest{}
		for _, text := range s.Pins[name] {
			digest, err := trust.ParsePin(text)
			if err != nil {
				errs = append(errs, fmt.Errorf("guests.pins.%s: %w", name, err))
			}
			policy.Pins[name] = append(policy.Pins[name], digest)
		}
	}
	for i, text := range s.Keys {
		key, err := publicKey(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("guests.keys[%d]: %w", i, err))
		}
		policy.Keys = append(policy.Keys, key)
	}
	return policy, errors.Join(errs...)
}

// mostKey is how long a file with a key may be, in bytes.
const mostKey = 4096

// readKey reads a file with a key; a device or a pipe is none.
func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > mostKey:
		return nil, fmt.Errorf("%s is no file with a key: it is no regular file of at most %d bytes", path, mostKey)
	}
	return os.ReadFile(path)
}

// publicKey reads a public key, or the file that has one.
func publicKey(text string) (trust.PublicKey, error) {
	if trust.IsPublicKey(text) {
		return trust.ParsePublicKey(text)
	}
	content, err := readKey(text)
	if err != nil {
		return trust.PublicKey{}, fmt.Errorf("%w: write a public key, as in ed25519:…, or the file that has one", err)
	}
	key, err := trust.ParsePublicKey(string(content))
	if err != nil {
		return key, fmt.Errorf("%s: %w", text, err)
	}
	return key, nil
}
