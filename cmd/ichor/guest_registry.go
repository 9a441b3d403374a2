package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ichor-replicator/ichor/host/guest/oci"
	"github.com/ichor-replicator/ichor/host/guest/trust"
)

// withRegistry is the part of the verbs that speak to a registry.
type withRegistry struct {
	withJSON
	withKeys
	Name      string        `help:"The guest's name in the routes, for which a signature must be; else the module file's, without .wasm."`
	Dev       bool          `help:"Take a module that none of the keys signed."`
	PlainHTTP bool          `name:"plain-http" help:"Speak to the registry without encryption, although it is not on this machine."`
	Timeout   time.Duration `help:"How long all of it may take." default:"5m"`
}

// check refuses a module as a host with these settings would, and says whether there are keys to compare it with.
func (w withRegistry) check(file string, module trust.Module) (compared bool, err error) {
	policy, err := w.policy()
	if err != nil {
		return false, err
	}
	policy.Unsigned = w.Dev
	_, err = policy.Check(nameOf(w.Name, file), module)
	return len(policy.Keys) > 0, err
}

// carried is what push and pull say.
type carried struct {
	Reference string `json:"reference"` // with the manifest's digest
	Module    string `json:"module"`    // its file
	Digest    string `json:"digest"`    // the module's, as guests.pins has it
	Signed    bool   `json:"signed"`    // signatures went with it
	Compared  bool   `json:"compared"`  // with a key that was named
}

func carriedBy(reference oci.Reference, manifest, file string, module trust.Module, compared bool) carried {
	return carried{
		Reference: reference.Pinned(manifest).String(), Module: file, Digest: "sha256:" + module.Digest.String(),
		Signed: len(module.Signatures) > 0, Compared: compared,
	}
}

// kind says what went with a module.
func (c carried) kind() string {
	switch {
	case !c.Signed:
		return "without a signature"
	case !c.Compared:
		return "with its signatures, which were not compared with any key (-k)"
	}
	return "with its signatures"
}

type guestPushCommand struct {
	File string `arg:"" help:"The module; the signatures beside it go with it." type:"path"`
	To   string `arg:"" help:"Where to, as in oci://registry/name:tag or oci-layout://directory:tag."`
	withRegistry
}

// Run implements the verb.
func (c *guestPushCommand) Run(ctx context.Context) error {
	to, err := oci.ParseReference(c.To)
	if err != nil {
		return &failure{exitSettings, err}
	}
	module, err := trust.Read(c.File)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	compared, err := c.check(c.File, module)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	manifest, err := oci.Push(bounded, to, filepath.Base(c.File), module, oci.Options{PlainHTTP: c.PlainHTTP})
	if err != nil {
		return err
	}
	is := carriedBy(to, manifest, c.File, module, compared)
	return c.answer(is, func() {
		fmt.Fprintf(&stdout, "%s %s is pushed, %s, as\n%s\n", short(c.File), is.Digest, is.kind(), is.Reference)
	})
}

type guestPullCommand struct {
	From string `arg:"" help:"Where from, as in oci://registry/name@sha256:… or oci-layout://directory:tag. What a tag names may change: its digest is printed, to be named instead."`
	Out  string `short:"o" required:"" help:"The file that the module becomes; its signatures become that with .sig." placeholder:"FILE" type:"path"`
	withRegistry
}

// Run implements the verb.
func (c *guestPullCommand) Run(ctx context.Context) error {
	from, err := oci.ParseReference(c.From)
	if err != nil {
		return &failure{exitSettings, err}
	}
	bounded, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	pulled, err := oci.Pull(bounded, from, oci.Options{PlainHTTP: c.PlainHTTP})
	if err != nil {
		return err
	}
	compared, err := c.check(c.Out, pulled.Module)
	if err != nil {
		return err
	}
	if err := place(c.Out, pulled.Module); err != nil {
		return &failure{exitEnvironment, err}
	}
	is := carriedBy(from, pulled.Manifest, c.Out, pulled.Module, compared)
	return c.answer(is, func() {
		fmt.Fprintf(&stdout, "%s %s is pulled, %s\n", short(c.Out), is.Digest, is.kind())
		if from.Tag != "" {
			fmt.Fprintf(&stdout, "tag %s may name another module tomorrow; this one is\n%s\n", from.Tag, is.Reference)
		}
		fmt.Fprintf(&stdout, "a host takes no other with\nguests:\n  pins: {%s: %q}\n", nameOf(cmp.Or(c.Name, signedAs(pulled.Module)), c.Out), is.Digest)
	})
}

// signedAs returns the one guest for which a module is signed, empty where that is not one.
func signedAs(module trust.Module) (name string) {
	for i, s := range module.Signatures {
		if i > 0 && s.Name != name {
			return ""
		}
		name = s.Name
	}
	return name
}

// place writes a module where a host may look for it, and its signatures BEFORE it. Signatures of the module
// that was there before, when this one has none, are removed.
func place(path string, module trust.Module) error {
	text, err := module.SignatureText()
	if err != nil {
		return err
	}
	if text != "" {
		err = replace(trust.SignatureFile(path), []byte(text))
	} else if err = os.Remove(trust.SignatureFile(path)); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	return replace(path, module.Bytes)
}
