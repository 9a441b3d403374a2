package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ichor-replicator/ichor/host/guest/trust"
)

type guestKeygenCommand struct {
	withJSON
	File string `arg:"" optional:"" help:"The file of the private key; the public one is that with .pub." default:"ichor-guest.key" type:"path"`
}

// Run implements the verb.
func (c *guestKeygenCommand) Run() error {
	key, err := trust.GenerateKey()
	if err != nil {
		return err
	}
	private, err := key.Text()
	if err != nil {
		return err
	}
	public := c.File + ".pub"
	if exists(public) {
		return &failure{exitEnvironment, fmt.Errorf("%s is there already: keys are never overwritten, name another file", public)}
	}
	if err := writeNew(c.File, private, 0o600); err != nil {
		return err
	}
	if err := writeNew(public, []byte(key.Public().String()+"\n"), 0o644); err != nil {
		return errors.Join(err, os.Remove(c.File))
	}
	return c.answer(map[string]string{"private": c.File, "public": public, "key": key.Public().String(), "id": key.Public().ID()}, func() {
		fmt.Fprintf(&stdout, "%s is the private key %s: keep it secret, whoever has it decides what your hosts run\n%s is the public one; for the settings:\nguests:\n  keys: [%q]\n",
			short(c.File), key.Public().ID(), short(public), key.Public())
	})
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, content []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, os.ErrExist) {
		return &failure{exitEnvironment, fmt.Errorf("%s is there already: keys are never overwritten, name another file", path)}
	}
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// withTrusted is the part of the verbs that speak of a module as the module of a guest.
type withTrusted struct {
	File string `arg:"" help:"The module." type:"path"`
	Name string `help:"The guest's name in the routes; else the file's, without .wasm."`
}

func (w withTrusted) name() string { return nameOf(w.Name, w.File) }

// nameOf returns the guest's name that was given, or that of a module's file.
func nameOf(given, file string) string {
	if given != "" {
		return given
	}
	return strings.TrimSuffix(filepath.Base(file), ".wasm")
}

type guestSignCommand struct {
	withJSON
	withTrusted
	Key string `short:"k" required:"" help:"The file of the private key, as ichor guest keygen writes it." placeholder:"FILE" type:"path"`
}

// signed is what sign and verify say.
type signed struct {
	File   string `json:"file"` // of the signatures
	Digest string `json:"digest"`
	Guest  string `json:"guest"`
	Key    string `json:"key"` // its id
}

// Run implements the verb.
func (c *guestSignCommand) Run() error {
	text, err := readKey(c.Key)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	key, err := trust.ParsePrivateKey(text)
	if err != nil {
		return &failure{exitEnvironment, fmt.Errorf("%s: %w", c.Key, err)}
	}
	module, err := trust.Read(c.File)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	file := trust.SignatureFile(c.File)
	if _, err := module.SignatureText(); err != nil {
		return &failure{exitEnvironment, fmt.Errorf("%s is there, and its signatures cannot be read: move it away: %w", file, err)}
	}
	s, err := trust.Sign(key, module.Digest, c.name())
	if err != nil {
		return &failure{exitSettings, err}
	}
	var all []trust.Signature // of this module: by other keys, and for guests of other names
	for _, other := range module.Signatures {
		if other.Digest == module.Digest {
			all = append(all, other)
		}
	}
	if err := replace(file, []byte(trust.Join(append(all, s)...))); err != nil {
		return &failure{exitEnvironment, err}
	}
	return c.answer(signed{file, s.Digest.String(), s.Name, s.KeyID}, func() {
		fmt.Fprintf(&stdout, "%s\nsha256:%s is signed as guest %s by key %s\n", short(file), s.Digest, s.Name, s.KeyID)
	})
}

// replace writes a file beside its place and renames it into it, so that nobody reads half of it.
func replace(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the directory %s is not there: %w", filepath.Dir(path), err)
	}
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		err = file.Chmod(0o644)
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// withKeys is the part of the verbs that look who signed a module.
type withKeys struct {
	Settings string   `short:"c" name:"settings" help:"A file of settings, whose guests.pins and guests.keys count; only its guests are looked at." placeholder:"FILE" type:"path"`
	Keys     []string `short:"k" name:"key" help:"A public key, or the file that has one; beside those of the settings." placeholder:"KEY"`
}

// policy returns whose modules are taken.
func (w withKeys) policy() (trust.Policy, error) {
	s := defaultSettings()
	var err error
	if w.Settings != "" {
		if s, err = readFile(w.Settings); notRead(err) {
			return trust.Policy{}, &failure{exitSettings, err}
		}
	}
	policy, wrong := s.Guests.trust()
	if err := wrongSettings("settings: "+w.Settings, err, wrong); err != nil {
		return policy, err
	}
	for _, text := range w.Keys {
		key, err := publicKey(text)
		if err != nil {
			return policy, &failure{exitSettings, fmt.Errorf("--key: %w", err)}
		}
		policy.Keys = append(policy.Keys, key)
	}
	return policy, nil
}

type guestVerifyCommand struct {
	withJSON
	withTrusted
	withKeys
}

// Run implements the verb.
func (c *guestVerifyCommand) Run() error {
	policy, err := c.policy()
	if err != nil {
		return err
	}
	if len(policy.Keys) == 0 && len(policy.Pins[c.name()]) == 0 {
		return &failure{exitSettings, errors.New("there is nothing to verify it by: give a public key with -k, or settings that have guests.keys or guests.pins with -c")}
	}
	module, err := trust.Read(c.File)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	s, err := policy.Check(c.name(), module)
	if err != nil {
		return err
	}
	is := signed{Digest: module.Digest.String(), Guest: c.name()}
	if s != nil {
		is.File, is.Key = trust.SignatureFile(c.File), s.KeyID
	}
	return c.answer(is, func() {
		by := "is pinned for guest " + is.Guest + "; there are no keys"
		if s != nil {
			by = "is signed as guest " + is.Guest + " by key " + is.Key
		}
		fmt.Fprintf(&stdout, "ok      sha256:%s %s\n", is.Digest, by)
	})
}
