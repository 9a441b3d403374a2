package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/trust"
)

// What a module is in a registry, by the CNCF's layout.
const (
	configType = "application/vnd.wasm.config.v0+json"
	layerType  = "application/wasm"

	// signaturesKey is the manifest's annotation that has the lines of package trust.
	signaturesKey = "io.github.ichor-replicator.signatures"
)

// Bounds on what is read beside the module, in bytes.
const (
	manifestMost = 256 << 10
	configMost   = 64 << 10
)

// config is what the layout wants to be said of a module. It has no time, so that the same module has the
// same digest wherever it is pushed.
type config struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	LayerDigests []string `json:"layerDigests"`
}

// Push writes a module and its signatures, and returns the digest of the manifest. title is the name of the
// file that others make of it.
func Push(ctx context.Context, to Reference, title string, module trust.Module, options Options) (manifestDigest string, err error) {
	if to.Digest != "" {
		return "", fmt.Errorf("%s names a digest: push to a tag, and pin the digest that it gets", to)
	}
	signatures, err := module.SignatureText()
	if err != nil {
		return "", err
	}
	target, err := options.to(ctx, to)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", to, err)
	}
	layer := content.NewDescriptorFromBytes(layerType, module.Bytes)
	layer.Annotations = map[string]string{ocispec.AnnotationTitle: title}
	said, err := json.Marshal(config{"wasm", "wasip1", []string{layer.Digest.String()}})
	if err != nil {
		return "", err
	}
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: content.NewDescriptorFromBytes(configType, said), Layers: []ocispec.Descriptor{layer},
	}
	if signatures != "" {
		manifest.Annotations = map[string]string{signaturesKey: signatures}
	}
	for _, blob := range []struct {
		descriptor ocispec.Descriptor
		bytes      []byte
	}{{layer, module.Bytes}, {manifest.Config, said}} {
		there, err := target.Exists(ctx, blob.descriptor)
		switch {
		case err == nil && !there:
			_, err = oras.PushBytes(ctx, target, blob.descriptor.MediaType, blob.bytes)
		case err == nil: // whether it is whole
			if _, err = content.FetchAll(ctx, target, blob.descriptor); err != nil {
				err = fmt.Errorf("%s is there, and cannot be read: delete it there: %w", blob.descriptor.Digest, err)
			}
		}
		if err != nil {
			return "", fmt.Errorf("push to %s: %w", to, err)
		}
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		return "", err
	}
	pushed, err := oras.TagBytes(ctx, target, manifest.MediaType, text, to.Tag)
	if err != nil {
		return "", fmt.Errorf("push to %s: %w", to, err)
	}
	return pushed.Digest.String(), nil
}

// Pulled is what a reference named.
type Pulled struct {
	Module   trust.Module
	Manifest string // its digest
}

// ContentError is why what a registry or a directory has is not taken.
type ContentError struct {
	Reference Reference
	What      string
	Err       error // the cause, if there is one beyond What
}

// Error implements error.
func (e *ContentError) Error() string {
	text := e.Reference.String() + ": " + e.What
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *ContentError) Unwrap() error { return e.Err }

// Pull reads a module. Whatever it reads has the digest by which it was asked for; where the reference has
// a tag, the registry says which manifest that is. What is not as it must be is a *ContentError.
func Pull(ctx context.Context, from Reference, options Options) (pulled *Pulled, err error) {
	source, done, err := options.from(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", from, err)
	}
	defer func() { err = errors.Join(err, done()) }()
	named, err := source.Resolve(ctx, from.reference())
	p := &puller{from, source}
	switch {
	case from.Digest != "" && errors.Is(err, errdef.ErrNotFound): // it may come to a mirror yet
		return nil, fmt.Errorf("look for %s: %w; %s", from, err, whichDigest)
	case from.Digest != "" && err == nil && named.MediaType != ocispec.MediaTypeImageManifest:
		return nil, p.refuse(nil, "it is of type %.100q, and no manifest; %s", named.MediaType, whichDigest)
	case err != nil:
		return nil, fmt.Errorf("look for %s: %w", from, err)
	}
	if from.Digest != "" && named.Digest.String() != from.Digest {
		return nil, p.refuse(nil, "it has the digest %s", named.Digest)
	}
	text, err := p.fetch(ctx, "the manifest", named, ocispec.MediaTypeImageManifest, manifestMost)
	if err != nil {
		return nil, err
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, p.refuse(err, "its manifest is not one")
	}
	if manifest.SchemaVersion != 2 || manifest.MediaType != "" && manifest.MediaType != ocispec.MediaTypeImageManifest {
		return nil, p.refuse(nil, "its manifest is of type %.100q and schema %d", manifest.MediaType, manifest.SchemaVersion)
	}
	if n := len(manifest.Layers); n != 1 {
		return nil, p.refuse(nil, "it has %d layers, a module has one", n)
	}
	if _, err := p.fetch(ctx, "the config", manifest.Config, configType, configMost); err != nil {
		return nil, err
	}
	module, err := p.fetch(ctx, "the module", manifest.Layers[0], layerType, abi.MaxModule)
	if err != nil {
		return nil, err
	}
	return &Pulled{trust.NewModule(module, manifest.Annotations[signaturesKey]), named.Digest.String()}, nil
}

// whichDigest is what who names something else wants to know.
const whichDigest = "behind the @ stands the manifest's digest, as ichor guest push prints it, not the module's"

// puller reads what one reference leads to.
type puller struct {
	from   Reference
	source oras.ReadOnlyTarget
}

func (p *puller) refuse(cause error, format string, args ...any) error {
	return &ContentError{p.from, fmt.Sprintf(format, args...), cause}
}

// fetch reads what a descriptor names, if it is of a type and of at most so many bytes, and compares it
// with its size and its digest.
func (p *puller) fetch(ctx context.Context, what string, is ocispec.Descriptor, mediaType string, most int64) ([]byte, error) {
	switch err := is.Digest.Validate(); {
	case is.MediaType != mediaType:
		return nil, p.refuse(nil, "%s is of type %.100q, not %s", what, is.MediaType, mediaType)
	case is.Size < 0 || is.Size > most:
		return nil, p.refuse(nil, "%s has %d bytes, at most %d are read", what, is.Size, most)
	case err != nil:
		return nil, p.refuse(err, "%s has a digest that is none", what)
	case is.Digest.Algorithm() != digest.SHA256:
		return nil, p.refuse(nil, "%s has a digest of %s: want sha256", what, is.Digest.Algorithm())
	}
	text, err := content.FetchAll(ctx, p.source, is)
	if err != nil {
		return nil, p.refuse(err, "%s, %s, cannot be read", what, is.Digest)
	}
	return text, nil
}
